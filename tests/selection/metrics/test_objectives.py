from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import (
    binary_log_loss,
    categorical_log_loss,
    hit_at_one,
    mean_average_precision,
)
from gapsack.selection.metrics.log_losses import BinaryLogLoss, CategoricalLogLoss
from gapsack.selection.metrics.objectives import Gap, UserObjective, objective_of
from gapsack.selection.metrics.rankings import MeanAveragePrecision
from gapsack.selection.report.bootstrap import Voters, sample_on
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.search import search_ensemble


def rows_and_blend(seed, *, k, levels=None, videos=40):
    scores, labels = dense_case(seed, videos=videos, classes=45, models=3, levels=levels)
    pool = pool_of(scores, labels, [1] * 3, k=k)
    listed = np.zeros(scores.shape)
    for dense, candidate in zip(listed, pool.candidates, strict=True):
        np.put_along_axis(dense, candidate.predictions.top_indices, candidate.predictions.top_scores, axis=1)
    weights = np.random.default_rng(seed).dirichlet(np.ones(3))
    rows = build_rows(pool.labels, [c.predictions for c in pool.candidates], None)
    return rows, weights, np.tensordot(weights, listed, 1), labels


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([20, 45]), st.sampled_from([None, 4]))
def test_metrics_on_rows_are_the_dense_ones(seed, k, levels):
    rows, weights, blended, labels = rows_and_blend(seed, k=k, levels=levels)
    columns = np.arange(3)
    assert BinaryLogLoss().score(rows, columns, weights) == pytest.approx(-binary_log_loss(blended, labels), rel=1e-9)
    mean_ap = MeanAveragePrecision().score(rows, columns, weights)
    assert mean_ap == pytest.approx(mean_average_precision(blended, labels), abs=1e-9 if levels is None else 1e-2)

    def dense_gap(scores, truth):
        return gap_at_k(scores.toarray(), truth.toarray())

    user = UserObjective(dense_gap).score(rows, columns, weights)
    assert user == pytest.approx(Gap().score(rows, columns, weights), abs=1e-12)


def test_rows_taken_repeatedly_score_as_their_videos():
    rows, weights, blended, labels = rows_and_blend(1, k=45)
    videos = np.random.default_rng(0).integers(0, 40, 40)
    taken = rows.take(videos)
    for objective, dense in ((BinaryLogLoss(), lambda s, y: -binary_log_loss(s, y)), (Gap(), gap_at_k)):
        score = objective.score(taken, np.arange(3), weights)
        assert score == pytest.approx(dense(blended[videos], labels[videos]), abs=1e-9)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("gap", "gap@20"),
        ("gap@5", "gap@5"),
        ("map", "map"),
        ("binary_log_loss", "binary_log_loss"),
        ("categorical_log_loss", "categorical_log_loss"),
    ],
)
def test_metrics_by_name(metric, name):
    assert objective_of(metric).name == name


@pytest.mark.parametrize("metric", ["map", "binary_log_loss", hit_at_one])
def test_a_search_on_another_metric_beats_its_members(metric):
    scores, labels = dense_case(3, videos=120, classes=30, models=4)
    pool = pool_of(scores, labels, [4, 3, 3, 2], k=30)
    if callable(metric):

        def hits(blended, truth):
            return hit_at_one(blended.toarray(), truth.toarray())

        metric = hits
    found = search_ensemble(pool, budget_bytes=9, metric=metric, resamples=4)
    assert found.metric == (metric if isinstance(metric, str) else "hits")
    assert found.tuning_score >= found.best_single["tuning_score"]
    assert found.held_out["score"] != found.held_out["gap"]


def test_a_callable_must_return_a_number():
    rows, weights, _, _ = rows_and_blend(0, k=45)
    with pytest.raises(InputError, match="finite number"):
        UserObjective(lambda scores, truth: float("nan")).score(rows, np.arange(3), weights)
    with pytest.raises(InputError, match="'acuracy'"):
        objective_of("acuracy")


def test_bootstrap_draws_are_gaps_of_resampled_videos():
    scores, labels = dense_case(5, videos=50, classes=30, models=2, levels=6)
    pool = pool_of(scores, labels, [1, 1], k=30)
    lists = tuple(c.predictions for c in pool.candidates)
    videos = np.random.default_rng(1).permutation(50)[:35]
    pair = [Voters(lists, (0.5, 0.5), "probability"), Voters(lists[:1], (1.0,), "probability")]
    blend, single = (
        sample_on(each.rows(pool.labels, videos, Gap()), each.weights, Gap(), resamples=40, seed=9) for each in pair
    )
    rng = np.random.default_rng([9, 1])
    mixed = (0.5 * scores[0].astype(np.float64) + 0.5 * scores[1])[videos]
    for place in range(40):
        drawn = rng.integers(0, 35, 35)
        assert blend.draws[place] == pytest.approx(gap_at_k(mixed[drawn], labels[videos][drawn]), abs=1e-9)
        expected = gap_at_k(scores[0][videos][drawn], labels[videos][drawn])
        assert single.draws[place] == pytest.approx(expected, abs=1e-9)
    difference = blend.minus(single)
    low, high = difference.interval(0.9)
    assert low <= np.median(difference.draws) <= high
    assert difference.score == pytest.approx(blend.score - single.score)
    assert difference.standard_error == pytest.approx(np.std(blend.draws - single.draws, ddof=1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9999))
def test_the_categorical_loss_is_scikit_learns(seed):
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 25, 30)
    labels = np.eye(25, dtype=bool)[truth]
    logits = rng.normal(size=(3, 30, 25)) * 4 + 3 * labels
    scores = (np.exp(logits) / np.exp(logits).sum(2, keepdims=True)).astype(np.float32)
    pool = pool_of(scores, labels, [1] * 3, k=25)
    weights = rng.dirichlet(np.ones(3))
    rows = build_rows(pool.labels, [c.predictions for c in pool.candidates], None)
    blended = np.tensordot(weights, scores.astype(np.float64), 1)
    expected = log_loss(truth, blended / blended.sum(1, keepdims=True), labels=np.arange(25))
    assert categorical_log_loss(blended, labels) == pytest.approx(expected, rel=1e-9)
    assert -CategoricalLogLoss().score(rows, np.arange(3), weights) == pytest.approx(expected, rel=1e-9)


def test_the_categorical_loss_wants_one_label_a_video():
    rows, weights, blended, labels = rows_and_blend(0, k=45)
    with pytest.raises(InputError, match="exactly one label an item"):
        CategoricalLogLoss().score(rows, np.arange(3), weights)
    with pytest.raises(InputError, match="exactly one label an item"):
        categorical_log_loss(blended, labels)
