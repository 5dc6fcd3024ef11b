"""Bounds beside many random blends of all kinds, none of which may exceed them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.blend.bound import upper_bound
from gapsack.selection.metrics.objectives import UserObjective, objective_of
from gapsack.selection.rows.rows import build_rows


def rows_of(seed, k, objective):
    scores, labels = dense_case(seed, videos=20, classes=40, models=3, levels=[None, 6][seed % 2])
    labels = np.eye(40, dtype=bool)[np.arange(20) % 7] if objective.name == "categorical_log_loss" else labels
    pool = pool_of(scores, labels, [1] * 3, k=k)
    return build_rows(pool.labels, [c.predictions for c in pool.candidates], objective.top_k)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    k=st.sampled_from([20, 40]),
    metric=st.sampled_from(["gap@20", "gap@3", "map", "binary_log_loss", "categorical_log_loss"]),
    blend=st.sampled_from(["probability", "logit"]),
)
def test_no_blend_exceeds_the_bound(seed, k, metric, blend):
    objective = objective_of(metric)
    rows = rows_of(seed, k, objective)
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
    objective = objective_of("gap@20")
    rows = rows_of(2, 40, objective)
    score = objective.score(rows, np.array([1]), np.ones(1))
    assert upper_bound(rows, objective, [1], "probability") == pytest.approx(score, abs=1e-12)
    assert upper_bound(rows, UserObjective(lambda scores, labels: 0.0), [1], "probability") is None
