"""Bounds beside many random blends of all kinds, none of which may exceed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.blend.bound import upper_bound
from gapsack.selection.metrics.objectives import UserObjective, objective_of
from gapsack.selection.rows.rows import build_rows

ONE_LABEL = {"categorical_log_loss", "accuracy", "balanced_accuracy"}


def case_of(seed, k, metric):
    scores, labels = dense_case(seed, videos=20, classes=40, models=3, levels=[None, 6][seed % 2])
    labels = np.eye(40, dtype=bool)[np.arange(20) % 7] if metric in ONE_LABEL else labels
    pool = pool_of(scores, labels, [1] * 3, k=k)
    objective = objective_of(metric, pool.labels)
    return objective, build_rows(pool.labels, [c.predictions for c in pool.candidates], objective.top_k)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    k=st.sampled_from([20, 40]),
    metric=st.sampled_from(["gap@20", "gap@3", "map", "binary_log_loss", "roc_auc", "macro_f1", *sorted(ONE_LABEL)]),
    blend=st.sampled_from(["probability", "logit"]),
)
def test_no_blend_exceeds_the_bound(seed, k, metric, blend):
    objective, rows = case_of(seed, k, metric)
    rng = np.random.default_rng(seed)
    bound = upper_bound(rows, objective, range(3), blend)
    for count in (1, 2, 3):
        columns = np.sort(rng.permutation(3)[:count])
        if objective.top_k is None:
            mixed = rows.only(columns, logits=blend == "logit")
        else:
            mixed = rows.compact(columns, objective.top_k, logits=blend == "logit")
        for _ in range(8):
            weights = rng.dirichlet(np.ones(count))
            assert objective.score(mixed, np.arange(count), weights) <= bound + 1e-9


def test_one_model_reaches_its_bound_and_a_metric_of_ones_own_has_none():
    objective, rows = case_of(2, 40, "gap@20")
    score = objective.score(rows, np.array([1]), np.ones(1))
    assert upper_bound(rows, objective, [1], "probability") == pytest.approx(score, abs=1e-12)
    assert upper_bound(rows, UserObjective(lambda scores, labels: 0.0), [1], "probability") is None


@pytest.mark.parametrize("metric", ["gap@20", "map", "average_precision"])
def test_where_the_order_of_correct_pairs_counts_no_bound_is_told(metric):
    objective, rows = case_of(2, 40, metric)
    weighted = replace(rows, item_weights=np.arange(1.0, 21.0))
    assert upper_bound(weighted, objective, [0, 1], "probability") is None


@pytest.mark.parametrize("metric", ["binary_log_loss", "categorical_log_loss", "accuracy", "roc_auc"])
def test_no_blend_exceeds_the_bound_of_weighted_videos(metric):
    objective, rows = case_of(3, 40, metric)
    rng = np.random.default_rng(0)
    weighted = replace(rows, item_weights=rng.random(20) + 0.1, class_weights=rng.random(40) + 0.1)
    bound = upper_bound(weighted, objective, range(3), "probability")
    for weights in rng.dirichlet(np.ones(3), 50):
        assert objective.score(weighted, np.arange(3), weights) <= bound + 1e-9
