"""The benchmarks around the real search, on a twin small enough for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import frontier as frontier_benchmark
from benchmarks import paper_twin, scaling
from benchmarks.contest import BUDGETS, OURS, Halves, contest, halves, our_search
from benchmarks.frontier import AtBudget
from benchmarks.paper import TABLE_1
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.frontier import frontier
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
