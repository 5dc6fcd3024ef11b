"""The compiled blend and GAP beside the dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.objectives import Gap
from gapsack.selection.rows.pooled import precision_sum
from gapsack.selection.rows.rows import LOGIT_CLIP, build_rows


def rows_of(pool, k):
    return build_rows(pool.labels, [c.predictions for c in pool.candidates], k)


def dense_blend(scores, weights, *, logits=False):
    values = scores.astype(np.float64)
    if logits:
        clipped = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP)
        values = np.log(clipped) - np.log1p(-clipped) + 17.0
    blended = np.zeros(values.shape[1:])
    for weight, each in zip(weights, values, strict=True):
        blended += weight * each
    return blended


@st.composite
def cases(draw):
    classes = draw(st.sampled_from([3, 15, 40, 120]))
    levels = draw(st.sampled_from([None, None, 3, 20]))
    seed = draw(st.integers(0, 10_000))
    return classes, levels, seed, draw(st.sampled_from([1, 5, 20])), draw(st.booleans())


@settings(max_examples=60, deadline=None)
@given(cases())
def test_full_lists_give_the_dense_gap_with_and_without_pruning(case):
    classes, levels, seed, k, logits = case
    scores, labels = dense_case(seed, videos=30, classes=classes, levels=levels)
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(3))
    chosen = np.array([3, 0, 2])
    pool = pool_of(scores, labels, [1] * 4, k=classes)
    expected = gap_at_k(dense_blend(scores[chosen], weights, logits=logits), labels, k)
    objective = Gap(k)
    rows = rows_of(pool, k)
    small = rows.compact(chosen, k, logits=logits)
    order = np.arange(3)
    assert objective.score(small, order, weights) == pytest.approx(expected, abs=1e-12)
    assert objective.score(small.near(weights, 0.05, k), order, weights) == pytest.approx(expected, abs=1e-12)
    moved = weights + np.array([0.03, -0.01, -0.02])
    if (moved >= 0).all():
        near = objective.score(small.near(weights, 0.05, k), order, moved)
        assert near == pytest.approx(objective.score(small, order, moved), abs=1e-12)
    if not logits:
        assert objective.score(rows, chosen, weights) == pytest.approx(expected, abs=1e-12)
        everything = rows_of(pool, None)
        assert objective.score(everything, chosen, weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("zeros", [0.0, 0.95])
def test_scores_of_zero_tie_with_the_classes_that_no_list_names(zeros):
    rng = np.random.default_rng(5)
    scores = rng.random((3, 50, 200)).astype(np.float32) * (rng.random((3, 50, 200)) >= zeros)
    labels = rng.random((50, 200)) < 0.05
    pool = pool_of(scores, labels, [1] * 3, k=60)
    exact = pool_of(scores, labels, [1] * 3, k=200)
    weights = np.array([0.5, 0.3, 0.2])
    expected = gap_at_k(dense_blend(scores, weights), labels)
    assert Gap().score(rows_of(exact, 20), np.arange(3), weights) == pytest.approx(expected, abs=1e-12)
    if zeros:  # fewer than 60 classes of a video score at all, so cut lists lose nothing
        assert Gap().score(rows_of(pool, 20), np.arange(3), weights) == pytest.approx(expected, abs=1e-12)


def test_ten_thousand_equal_scores_are_ranked():
    right, wrong = np.full(5_000, 0.5), np.full(5_000, 0.5)
    ranks = 5_000 + np.arange(1, 5_001)
    assert precision_sum(right, wrong) == pytest.approx(np.sum(np.arange(1, 5_001) / ranks), rel=1e-12)


def test_rows_of_several_chunks_keep_every_listed_score():
    scores, labels = dense_case(1, videos=1_100, classes=30, models=2)
    pool = pool_of(scores, labels, [1, 1], k=25)
    rows = rows_of(pool, None)
    dense = np.zeros_like(scores)
    for column in range(2):
        for video in range(1_100):
            part = slice(rows.indptr[video], rows.indptr[video + 1])
            dense[column, video, rows.classes[part]] = rows.values[column, part]
    for column, candidate in enumerate(pool.candidates):
        lists = candidate.predictions
        expected = np.zeros_like(labels, np.float32)
        np.put_along_axis(expected, lists.top_indices, lists.top_scores, axis=1)
        np.testing.assert_array_equal(dense[column], expected)
    assert (np.diff(rows.peaks)[np.diff(np.repeat(np.arange(1_100), np.diff(rows.indptr))) == 0] <= 0).all()
