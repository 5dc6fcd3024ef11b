from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import case_of_seven

from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.frontier import frontier
from gapsack.selection.gap import gap_at_k
from gapsack.selection.search import search_ensemble, split_videos
from gapsack.selection.subsets.archive import Archive


@pytest.fixture(scope="module")
def case():
    return case_of_seven()


@pytest.fixture(scope="module")
def curve(case):
    return frontier(case[2], reserve_bytes=5)


def test_budgets_and_scores_rise_together(curve):
    budgets = [point.budget_bytes for point in curve.points]
    scores = [point.tuning_score for point in curve.points]
    assert budgets == sorted(set(budgets))
    assert scores == sorted(set(scores))
    assert all(point.budget_bytes == sum(m.size_bytes for m in point.members) + 5 for point in curve.points)
    assert curve.points[0].gain_per_mib is None
    assert all(point.gain_per_mib > 0 for point in curve.points[1:])


def test_it_starts_at_the_smallest_model_and_every_point_is_what_it_says(case, curve):
    scores, labels, _ = case
    assert [m.name for m in curve.points[0].members] == ["m6"]
    tune, report = split_videos(240, 0.5, 0)
    for point in curve.points[::5]:
        mixed = sum(m.weight * scores[int(m.name[1])].astype(np.float64) for m in point.members)
        assert point.tuning_score == pytest.approx(gap_at_k(mixed[tune], labels[tune]), abs=1e-9)
        assert point.held_out_score == pytest.approx(gap_at_k(mixed[report], labels[report]), abs=1e-9)


@pytest.mark.parametrize("budget", [50, 80, 110, 160])
def test_no_search_for_one_budget_does_visibly_better(case, curve, budget):
    single = search_ensemble(case[2], budget_bytes=budget, reserve_bytes=5, resamples=5)
    assert curve.at(budget).tuning_score >= single.tuning_score - 3e-4


def test_limits_of_use(case, curve):
    with pytest.raises(InputError, match="needs 25 bytes; got 3"):
        curve.at(3)
    with pytest.raises(InputError, match="folds"):
        frontier(case[2], folds=2)
    with pytest.raises(BudgetError):
        frontier(case[2], max_budget_bytes=10)
    short = frontier(case[2], max_budget_bytes=60)
    assert short.points[-1].budget_bytes <= 60
    stopped = frontier(case[2], should_stop=lambda: True)
    assert "Stopped on request" in stopped.search["stop_reason"]
    assert stopped.to_dict()["points"][0]["members"][0]["name"] == "m6"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40), st.integers(1, 4))
def test_the_archive_keeps_exactly_the_best_layers(points, depth):
    archive = Archive(depth)
    for place, (size, value) in enumerate(points):
        archive.offer((place,), size, value)
    kept = {subset[0] for subset in archive.subsets}
    for place, (size, value) in enumerate(points):
        strictly_ahead = sum((s <= size and v >= value and (s, v) != (size, value)) for s, v in points)
        if place in kept:
            ahead_and_kept = sum(
                points[other][0] <= size and points[other][1] >= value for other in kept if other != place
            )
            assert ahead_and_kept < depth
        elif points.count((size, value)) == 1:
            assert strictly_ahead >= depth
