"""The local search of large pools, on pools small enough to know the answer."""

from __future__ import annotations

import numpy as np
import pytest
from pools import dense_case, pool_of

from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets import find as find_module
from gapsack.selection.subsets import local as local_search
from gapsack.selection.subsets.find import find
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.space import Space


def outcome(seed, options, monkeypatch, *, moves=None, models=9, budget=120):
    """A search on a random pool: of the listed subsets, or with ``moves`` neighbours a step of the local search."""
    rng = np.random.default_rng(seed)
    scores, labels = dense_case(seed, videos=50, classes=25, models=models)
    pool = pool_of(scores, labels, rng.integers(10, 60, models), k=25)
    space = Space(pool, None, options.constraints(budget))
    with monkeypatch.context() as patch:
        if moves is not None:
            patch.setattr(find_module, "enumerate_subsets", lambda space, check: None)
            patch.setattr(local_search, "MOVES", moves)
        return find(pool.labels, np.arange(50), space, objective_of("gap"), options)


@pytest.mark.long
def test_it_finds_the_optimum_in_95_of_100_seeds_though_it_sees_few_subsets(monkeypatch):
    hits, seen, all_subsets = 0, 0, 0
    for seed in range(100):
        exact = outcome(seed, Options(), monkeypatch, models=11, budget=120)
        local = outcome(seed, Options(seed=seed), monkeypatch, moves=4, models=11, budget=120)
        assert exact.summary["strategy"] == "enumeration"
        assert local.summary["strategy"] == "local search"
        hits += local.best.score >= exact.best.score - 1e-6
        seen += local.summary["evaluated"]["cheap"]
        all_subsets += exact.summary["maximal"]
    assert hits >= 95
    assert seen < all_subsets / 2, "it saw most subsets of these pools, so this shows nothing"


def test_it_finds_the_exhaustive_optimum(monkeypatch):
    for seed in range(100, 104):
        exact = outcome(seed, Options(exhaustive=True), monkeypatch)
        local = outcome(seed, Options(), monkeypatch, moves=local_search.MOVES)
        assert local.best.score >= exact.best.score - 1e-6


def test_constraints_hold_in_the_local_search(monkeypatch):
    options = Options(must_have=("m3",), never_together=(("m0", "m1", "m2"),), max_members=4)
    found = outcome(1, options, monkeypatch, moves=8)
    for level in found.board.levels.values():
        assert all(found.board.space.is_allowed(subset) for subset in level if len(subset) > 1)
    assert found.board.space.is_allowed(found.best.subset)


@pytest.mark.long
def test_two_hundred_candidates():
    rng = np.random.default_rng(0)
    scores, labels = dense_case(0, videos=120, classes=30, models=200)
    found = search_ensemble(pool_of(scores, labels, rng.integers(10, 60, 200), k=30), budget_bytes=150, restarts=1)
    assert found.search["strategy"] == "local search"
    assert found.search["maximal"] is None
    assert found.tuning_score > found.best_single["tuning_score"]
    assert "no move that was tried from the best improves it" in found.search["stop_reason"]


def masked_greedy(scores, labels, sizes, room, rounds):
    """Caruana's greedy selection among what still fits: the best GAP of the average of those picked so far."""
    total, used, picked, best = np.zeros(scores.shape[1:]), 0, set(), 0.0
    for count in range(1, rounds + 1):
        choices = [m for m in range(len(scores)) if m in picked or used + sizes[m] <= room]
        gaps = [gap_at_k((total + scores[m]) / count, labels) for m in choices]
        chosen = choices[int(np.argmax(gaps))]
        total += scores[chosen]
        used += 0 if chosen in picked else sizes[chosen]
        picked.add(chosen)
        best = max(best, *gaps)
    return best


@pytest.mark.parametrize(
    "count", [pytest.param(1000, marks=pytest.mark.slow), pytest.param(5000, marks=pytest.mark.long)]
)
def test_thousands_of_candidates_end_no_worse_than_masked_greedy(count):
    rng = np.random.default_rng(0)
    scores, labels = dense_case(0, videos=24, classes=22, models=count)
    sizes = rng.integers(10, 60, count)
    pool = pool_of(scores, labels, sizes, k=22)
    found = search_ensemble(pool, budget_bytes=90, restarts=0, tune_share=1.0, prefer="score")
    assert found.search["strategy"] == "local search"
    assert found.total_bytes <= 90
    assert found.tuning_score >= masked_greedy(scores.astype(np.float64), labels, sizes, 90, rounds=8)


@pytest.mark.long
def test_hundreds_of_candidates_that_all_fit_are_one_subset_and_a_request_to_stop_is_heard():
    count = 400
    scores, labels = dense_case(1, videos=6, classes=22, models=count)
    pool = pool_of(scores, labels, [1] * count, k=22)
    stages = []
    found = search_ensemble(
        pool,
        budget_bytes=count,
        tune_share=1.0,
        prefer="score",
        progress=lambda progress: stages.append(progress.stage),
        should_stop=lambda: "listing subsets" in stages,
    )
    assert found.search["stop_reason"].startswith("Stopped on request")
    assert len(found.members) < 100, "of very many members least squares leaves few a weight"
