"""The benchmarks around the real search, on a twin small enough for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import frontier as frontier_benchmark
from benchmarks import paper_twin, scaling
from benchmarks.baselines import Problem, greedy_masked
from benchmarks.contest import BUDGETS, OURS, Halves, contest, halves, our_search
from benchmarks.frontier import AtBudget
from benchmarks.paper import TABLE_1
from benchmarks.small_sets import Part, Small, weights_of
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.frontier import frontier
from gapsack.selection.search import search_ensemble
from gapsack.selection.units import MIB


@pytest.fixture(scope="module")
def parts() -> Halves:
    return halves(Twin(TwinSpec(seed=3, videos=1_200, classes=400, slots=50, listed=35)))


def test_ours_is_read_in_the_order_of_the_pool(parts: Halves) -> None:
    found = our_search(parts.pool, BUDGETS["400"], seed=1)
    sizes = np.array([model.size_bytes for model in TABLE_1])
    assert found.weights.sum() == pytest.approx(1)
    assert sizes[found.weights > 0].sum() <= BUDGETS["400"]
    assert found.evaluations > 100
    assert found.maximal == 125


@pytest.mark.long
def test_ours_is_behind_nothing_at_a_tight_budget(parts: Halves) -> None:
    results = contest(3, "400", parts, random_factor=1)
    assert results[0].method == OURS
    assert paper_twin.behind(results) == []


@pytest.mark.long
def test_the_frontier_report_compares_budget_by_budget(parts: Halves) -> None:
    whole = frontier(parts.pool, seed=1, tune_share=1.0, max_budget_bytes=400 * MIB)
    point = whole.at(390 * MIB)
    row = AtBudget(390.0, "Y 1.00", point.gain_per_mib, point.tuning_score, point.tuning_score, 100, 4.0, 0.5, 1.0)
    text = frontier_benchmark.text(whole, 2.0, [row, row])
    assert f"{len(whole.points)} points" in text
    assert "2 searches of their own: 200 evaluations, 8.0 CPU s (4.0 times as long)" in text
    assert f"{point.tuning_score - 0.5:+.6f}" in text


def test_growth_measures_one_pool(tmp_path: Path) -> None:
    row = scaling.growth(candidates=6, videos=400, budget_mib=700, seed=1, cache=tmp_path)
    assert row.maximal_subsets is not None
    assert row.gap >= row.greedy_gap - 1e-6
    assert row.peak_mib > row.added_peak_mib >= 0
    assert "6" in scaling.text([row])


@pytest.mark.parametrize("seed", range(4))
def test_on_few_items_ours_is_behind_greedy_selection_on_none(seed: int) -> None:
    """GAP of a few dozen items is rough, and a weight search ends on many of its summits; greedy's are on its way."""
    rng = np.random.default_rng([seed, 17])
    truth = rng.integers(0, 2, 80)
    signal = rng.normal(0.8, 0.3, (8, 1)) * (2 * truth - 1) + rng.normal(0, 1.2, (8, 80))
    positive = 1 / (1 + np.exp(-signal))
    part = Part(np.stack([1 - positive, positive], axis=2).astype(np.float32), np.eye(2, dtype=bool)[truth])
    small = Small("binary", part, part, rng.integers(5, 20, 8))
    budget_bytes = int(small.size_bytes.sum()) // 2
    votes = greedy_masked(Problem(part, small.size_bytes, budget_bytes))  # type: ignore[arg-type]
    found = search_ensemble(small.pool(), budget_bytes=budget_bytes, folds=1, prefer="score")
    assert found.tuning_score is not None
    assert found.tuning_score >= part.gap(votes) - 1e-9
    assert found.tuning_score == pytest.approx(part.gap(weights_of(found, 8)), abs=1e-9)
