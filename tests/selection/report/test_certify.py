from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.gap import gap_at_k
from gapsack.selection.report.certify import certify
from gapsack.selection.rows.rows import LOGIT_CLIP


def dense_gap(scores, weights, labels, blend, k):
    values = scores.astype(np.float64)
    if blend == "logit":
        clipped = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP)
        values = np.log(clipped) - np.log1p(-clipped)
    return gap_at_k(np.tensordot(weights, values, 1), labels, k)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    listed=st.sampled_from([20, 24, 60]),
    levels=st.sampled_from([None, 5, 50]),
    blend=st.sampled_from(["probability", "logit"]),
    k=st.sampled_from([3, 20]),
)
def test_the_interval_contains_the_dense_gap(seed, listed, levels, blend, k):
    scores, labels = dense_case(seed, videos=25, classes=60, models=3, levels=levels)
    pool = pool_of(scores, labels, [1] * 3, k=listed)
    weights = np.random.default_rng(seed).dirichlet(np.ones(3))
    proof = certify(pool.labels, [c.predictions for c in pool.candidates], weights, blend=blend, k=k)
    exact = dense_gap(scores, weights, labels, blend, k)
    assert proof.low - 1e-12 <= exact <= proof.high + 1e-12
    assert proof.low <= proof.gap <= proof.high
    assert bool(proof.open_videos) == (proof.high > proof.low)
    if listed == 60:
        assert proof.low == proof.high == pytest.approx(exact, abs=1e-12 if levels is None else 1e-3)


def test_long_lists_prove_the_exact_value_and_short_ones_name_the_open_videos():
    rng = np.random.default_rng(3)
    scores = rng.random((2, 30, 80)).astype(np.float32) * 1e-4  # all classes but a video's first few are hopeless
    scores[:, :, :20] = np.sort(0.2 + 0.7 * rng.random((2, 30, 20)), axis=2)[:, :, ::-1]
    labels = np.zeros((30, 80), bool)
    labels[:, 3] = True
    pool = pool_of(scores, labels, [1, 1], k=25)
    lists = [c.predictions for c in pool.candidates]
    proof = certify(pool.labels, lists, [0.5, 0.5])
    assert proof.low == proof.high == proof.gap == pytest.approx(gap_at_k(scores.mean(0), labels), abs=1e-12)
    assert proof.open_videos == ()

    scores[1, 7] = scores[1, 7, ::-1]  # one video on which the models list different classes
    labels[7, 70] = True
    pool = pool_of(scores, labels, [1, 1], k=20)
    proof = certify(pool.labels, [c.predictions for c in pool.candidates], [0.5, 0.5])
    assert proof.high > proof.low
    assert "v0007" in proof.open_videos
    assert len(proof.open_videos) <= 3, "videos whose order is certain are named"


def test_no_labels_certify_zero():
    scores, labels = dense_case(0, videos=5, classes=30, models=1)
    pool = pool_of(scores, np.zeros_like(labels), [1], k=20)
    proof = certify(pool.labels, [pool.candidates[0].predictions], [1.0])
    assert (proof.low, proof.gap, proof.high) == (0.0, 0.0, 0.0)
