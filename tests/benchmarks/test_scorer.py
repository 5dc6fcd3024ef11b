from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.scorer import BlendScorer
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions


def pool_of(scores: NDArray[np.float32], labels: NDArray[np.bool_], listed: int) -> CandidatePool:
    ids = [f"v{row}" for row in range(len(labels))]
    return CandidatePool(
        Labels.from_dense(ids, labels),
        [
            Candidate(f"m{index}", {"float16": 10 + index}, Predictions.from_dense(ids, dense, listed))
            for index, dense in enumerate(scores)
        ],
    )


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([0, 3, 40]))
def test_agrees_with_dense_gap_ties_included(seed: int, models: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((models, 12, 30), np.float32) ** 3
    if levels:  # few different values make ties, in the lists and between videos
        scores = np.round(scores * levels).astype(np.float32) / levels
    labels = rng.random((12, 30)) < 0.1
    labels[0, 0] = True
    weights = rng.random(models) * (rng.random(models) < 0.7)
    weights[0] += 0.1
    shares = weights / weights.sum()
    # Blended in the scorer's own order of additions, so that ties are the same ties.
    dense = np.zeros(labels.shape)
    for member in np.flatnonzero(weights):
        dense += shares[member] * scores[member]
    scorer = BlendScorer(pool_of(scores, labels, listed=30))
    assert abs(scorer.gap(weights) - gap_at_k(dense, labels)) < 1e-12
    assert scorer.evaluations == 1


def test_a_class_that_a_list_lacks_scores_zero_there() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random((2, 20, 50)).astype(np.float32)
    labels = rng.random((20, 50)) < 0.1
    cut = scores.copy()
    for model in cut:
        np.put_along_axis(model, np.argsort(-model, axis=1)[:, 25:], 0.0, axis=1)
    scorer = BlendScorer(pool_of(scores, labels, listed=25))
    expected = gap_at_k(cut.astype(np.float64).mean(axis=0), labels)
    assert abs(scorer.gap(np.array([0.5, 0.5])) - expected) < 1e-12


def test_tiny_and_full_probabilities_share_the_first_and_last_bucket() -> None:
    scores = np.zeros((1, 3, 20), np.float32)
    scores[0, 0, :4] = [1.0, 1.0, 1e-30, 1e-12]
    scores[0, 1, :3] = [1e-38, 0.5, 2e-30]
    labels = scores[0] > 0
    labels[0, 1] = labels[2, 0] = False
    scorer = BlendScorer(pool_of(scores, labels, listed=20))
    assert abs(scorer.gap(np.ones(1)) - gap_at_k(scores[0].astype(np.float64), labels)) < 1e-12


def test_single_gaps_are_those_of_each_candidate() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.random((3, 15, 25)).astype(np.float32), rng.random((15, 25)) < 0.2
    scorer = BlendScorer(pool_of(scores, labels, listed=25))
    assert np.allclose(scorer.single_gaps(), [gap_at_k(each, labels) for each in scores], atol=1e-12)


def test_a_glance_is_the_gap_of_the_first_eighth() -> None:
    rng = np.random.default_rng(6)
    scores, labels = rng.random((2, 40, 25)).astype(np.float32), rng.random((40, 25)) < 0.2
    weights = np.array([0.3, 0.7])
    first = BlendScorer(pool_of(scores[:, :5], labels[:5], listed=25)).gap(weights)
    scorer = BlendScorer(pool_of(scores, labels, listed=25))
    assert scorer.glance(weights) == first
    assert scorer.evaluations == 0
