"""Log losses: the weights beside scipy's own solver, the subset beside all of them, and what is said to be proved."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import pool_of
from scipy.optimize import minimize

from gapsack.selection.blend.evaluate import BlendTask, Evaluator
from gapsack.selection.blend.runner import Runner
from gapsack.selection.blend.weights import mixture_weights
from gapsack.selection.metrics.dense_metrics import binary_log_loss, categorical_log_loss
from gapsack.selection.metrics.log_losses import Mixture
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool import CandidatePool
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.search import search_ensemble

CLASSES, VIDEOS = 5, 40
SIZES = (10, 20, 30, 25, 15)


def one_label_case(seed, models=5):
    """(scores, labels, pool) of softmaxes over classes of which each item has one, some models better than others."""
    rng = np.random.default_rng(seed)
    labels = np.eye(CLASSES, dtype=bool)[rng.integers(0, CLASSES, VIDEOS)]
    skill = rng.uniform(0.5, 3.0, (models, 1, 1))
    logits = rng.normal(size=(models, VIDEOS, CLASSES)) * rng.uniform(0.5, 2.0, (models, 1, 1)) + skill * labels
    scores = (np.exp(logits) / np.exp(logits).sum(2, keepdims=True)).astype(np.float32)
    return scores, labels, pool_of(scores, labels, SIZES[:models], k=CLASSES)


def loss_of(metric, labels, items=None):
    """A dense loss as a function of scores; weighted ones by repeating videos."""
    dense = {"categorical_log_loss": categorical_log_loss, "binary_log_loss": binary_log_loss}[metric]
    times = np.ones(VIDEOS, int) if items is None else items
    return lambda scores: dense(np.repeat(scores, times, axis=0), np.repeat(labels, times, axis=0))


def convex_optimum(scores, loss):
    """The least loss of a blend of some models by scipy's SLSQP, from two starts."""
    count = len(scores)
    if count == 1:
        return loss(scores[0].astype(np.float64))
    best = np.inf
    for start in (np.full(count, 1 / count), np.eye(count)[0] * 0.9 + 0.1 / count):
        found = minimize(
            lambda w: loss(np.tensordot(np.maximum(w, 0) / np.maximum(w, 0).sum(), scores.astype(np.float64), 1)),
            start,
            method="SLSQP",
            bounds=[(0, 1)] * count,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"maxiter": 300, "ftol": 1e-12},
        )
        best = min(best, float(found.fun))
    return best


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(["categorical_log_loss", "binary_log_loss"]),
    budget=st.sampled_from([35, 55, 75]),
    weighted=st.booleans(),
)
def test_a_search_under_log_loss_finds_the_best_of_all_subsets(seed, metric, budget, weighted):
    scores, labels, pool = one_label_case(seed)
    items = np.random.default_rng(seed).integers(1, 4, VIDEOS) if weighted else None
    if items is not None:
        pool = CandidatePool(replace(pool.labels, item_weights=items.astype(float)), pool.candidates)
    found = search_ensemble(pool, budget_bytes=budget, metric=metric, tune_share=1.0, prefer="score", resamples=5)
    loss = loss_of(metric, labels, items)
    chosen = [int(member.name[1:]) for member in found.members]
    assert -found.tuning_score <= convex_optimum(scores[chosen], loss) + 1e-6
    mixed = np.tensordot([member.weight for member in found.members], scores[chosen].astype(np.float64), 1)
    assert -found.tuning_score == pytest.approx(loss(mixed), rel=1e-9)
    fitting = [
        subset
        for count in range(1, 6)
        for subset in combinations(range(5), count)
        if sum(SIZES[model] for model in subset) <= budget
    ]
    best = min(convex_optimum(scores[list(subset)], loss) for subset in fitting)
    assert -found.tuning_score <= best + 1e-6
    assert found.search["upper_bound"] >= -best - 1e-9
    assert found.search["gap_to_bound"] <= 1e-5
    assert "no branch of the subsets is left" in found.search["stop_reason"]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(2, 9), terms=st.integers(1, 60), copies=st.booleans())
def test_mixture_weights_are_optimal(seed, members, terms, copies):
    rng = np.random.default_rng(seed)
    likelihoods = rng.random((members, terms)) ** 3
    if copies:
        likelihoods[-1] = likelihoods[0]  # two members that say the same
    importance = rng.random(terms) + 0.1
    mixture = Mixture(likelihoods, importance)
    weights = mixture_weights(mixture, rng.dirichlet(np.ones(members)))
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights.min() >= 0.0
    value = importance @ np.log(weights @ likelihoods)
    points = rng.dirichlet(np.ones(members), 200)
    around = np.maximum(weights + 1e-3 * rng.normal(size=(200, members)), 0.0)
    around /= around.sum(axis=1, keepdims=True)
    for other in (*points, *around, *np.eye(members)):
        with np.errstate(divide="ignore"):
            assert importance @ np.log(other @ likelihoods) <= value + 1e-8
    assert mixture.rise(weights) <= 1e-8


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), least=st.sampled_from([0.0, 1e-3, 0.1]))
def test_a_tangent_bounds_what_other_weights_score(seed, least):
    rng = np.random.default_rng(seed)
    mixture = Mixture(rng.random((4, 30)) ** 4, rng.random(30) + 0.1, least)

    def score(weights):
        return mixture.importance @ np.log(np.maximum(weights @ mixture.likelihoods, least or 1e-300))

    at = rng.dirichlet(np.ones(4))
    bound = score(at) + mixture.rise(at)
    assert all(score(other) <= bound + 1e-9 for other in (*rng.dirichlet(np.ones(4), 100), *np.eye(4)))


def test_cut_lists_are_not_convex_under_the_categorical_loss_and_are_searched_all_the_same():
    _, labels, _ = one_label_case(0)
    rng = np.random.default_rng(0)
    wide = np.zeros((VIDEOS, 40), bool)
    wide[:, :CLASSES] = labels
    logits = rng.normal(size=(3, VIDEOS, 40)) + 4 * wide
    scores = (np.exp(logits) / np.exp(logits).sum(2, keepdims=True)).astype(np.float32)
    pool = pool_of(scores, wide, [10, 10, 10], k=20)
    rows = build_rows(pool.labels, [c.predictions for c in pool.candidates], None)
    assert objective_of("categorical_log_loss", pool.labels).mixture(rows, np.arange(3)) is None
    found = search_ensemble(pool, budget_bytes=30, metric="categorical_log_loss", tune_share=1.0, resamples=5)
    assert found.tuning_score >= found.best_single["tuning_score"]
    assert "branch" not in found.search["stop_reason"]


def test_a_log_loss_is_solved_once_for_a_subset_and_on_workers_too():
    _, _, pool = one_label_case(1)
    rows = build_rows(pool.labels, [c.predictions for c in pool.candidates], None)
    evaluator = Evaluator.of(rows, objective_of("log_loss", pool.labels))
    tasks = [BlendTask((0, 2, 3), effort) for effort in ("quick", "full", "final")]
    with Runner(evaluator) as one, Runner(Evaluator.of(rows, evaluator.objective), workers=3) as several:
        alone, side_by_side = one.map(tasks), several.map(tasks)
    assert alone == side_by_side
    assert {each.evaluations for each in alone} == {2}, "the solved weights and the least squares' were scored"


def test_constraints_hold_in_branches():
    _, _, pool = one_label_case(2)
    options = {"metric": "log_loss", "tune_share": 1.0, "prefer": "score", "resamples": 5}
    free = search_ensemble(pool, budget_bytes=75, **options)
    kept = search_ensemble(
        pool, budget_bytes=75, max_members=2, must_have=["m1"], never_together=[["m0", "m1"]], **options
    )
    names = {member.name for member in kept.members}
    assert "m1" in names
    assert "m0" not in names
    assert len(names) <= 2
    assert kept.tuning_score <= free.tuning_score
    assert kept.search["upper_bound"] >= kept.tuning_score - 1e-9
