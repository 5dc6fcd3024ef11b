from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of
from scipy.special import expit

from gapsack.selection.gap import gap_at_k
from gapsack.selection.report.certify import certify
from gapsack.selection.rows.rows import LOGIT_CLIP


def dense_gap(scores, weights, labels, blend, k):
    values = scores.astype(np.float64)
    if blend == "logit":
        clipped = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP)
        values = np.log(clipped) - np.log1p(-clipped)
    return gap_at_k(np.tensordot(weights, values, 1), labels, k)


def dense_gap_rounded(scores, weights, labels, blend, k, *, direction):
    """GAP when each score is off by several times what float32 rounds: for the correct classes, or against them."""
    ulp = float(np.finfo(np.float32).eps)
    towards = np.where(labels, direction, -direction)
    if blend == "probability":
        return gap_at_k(np.tensordot(weights, scores.astype(np.float64), 1) * (1 + 8 * ulp * towards), labels, k)
    clipped = np.clip(scores.astype(np.float64), LOGIT_CLIP, 1 - LOGIT_CLIP)
    blended = expit(np.tensordot(weights, np.log(clipped) - np.log1p(-clipped), 1) + 4e-5 * towards)
    return gap_at_k(blended * (1 + 8 * ulp * towards), labels, k)


def graph_gaps(scores, weights, labels, rng, *, blend, k):
    """GAPs of the blend in float32 as a graph computes it, members added in different orders."""
    member_scores = scores
    if blend == "logit":
        clipped = np.clip(scores, np.float32(LOGIT_CLIP), np.float32(1 - LOGIT_CLIP))
        member_scores = np.log(clipped) - np.log1p(-clipped)
    weighted = member_scores * np.asarray(weights, np.float32)[:, None, None]
    for _ in range(6):
        total = np.zeros_like(weighted[0])
        for member in rng.permutation(len(weighted)):
            total = total + weighted[member]
        assert total.dtype == np.float32
        yield gap_at_k(expit(total) if blend == "logit" else total, labels, k)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    listed=st.sampled_from([20, 24, 60]),
    levels=st.sampled_from([None, 5, 50]),
    blend=st.sampled_from(["probability", "logit"]),
    k=st.sampled_from([3, 20]),
)
def test_the_interval_contains_the_dense_gap_in_float64_and_in_float32(seed, listed, levels, blend, k):
    scores, labels = dense_case(seed, videos=25, classes=60, models=3, levels=levels)
    pool = pool_of(scores, labels, [1] * 3, k=listed)
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(3))
    proof = certify(pool.labels, [c.predictions for c in pool.candidates], weights, blend=blend, k=k)
    exact = dense_gap(scores, weights, labels, blend, k)
    for gap in (exact, *graph_gaps(scores, weights, labels, rng, blend=blend, k=k)):
        assert proof.low - 1e-12 <= gap <= proof.high + 1e-12
    assert proof.low <= proof.gap <= proof.high
    assert bool(proof.open_videos) == (proof.high > proof.low)
    if listed == 60 and levels is None:
        assert proof.gap == pytest.approx(exact, abs=1e-12)
        # Whole lists without ties leave open what rounding can turn round, and no more.
        assert proof.low >= dense_gap_rounded(scores, weights, labels, blend, k, direction=-1) - 1e-12
        assert proof.high <= dense_gap_rounded(scores, weights, labels, blend, k, direction=1) + 1e-12


def test_a_tie_in_float32_that_is_none_in_float64_is_within_the_interval():
    """Weights of which float32 sees that they are equal, and float64 that they are not."""
    scores = np.zeros((2, 1, 30), np.float32)
    scores[:, 0, 0], scores[:, 0, 1] = (0.5, 0.25), (0.25, 0.5)
    labels = np.zeros((1, 30), bool)
    labels[0, 0] = True
    lists = [c.predictions for c in pool_of(scores, labels, [1, 1], k=30).candidates]
    pool = pool_of(scores, labels, [1, 1], k=30)
    nudged = 0.5 + 1e-12
    proof = certify(pool.labels, lists, [nudged, 1 - nudged])
    assert proof.gap == 1.0
    assert (proof.low, proof.high) == (0.5, 1.0)
    alone = certify(pool.labels, lists[:1], [1.0])
    assert (alone.low, alone.high) == (1.0, 1.0)


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
