from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import case_of_seven, dense_case, pool_of

from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.frontier import frontier
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.splits import cross_folds
from gapsack.selection.search import search_ensemble, split_videos
from gapsack.selection.subsets.archive import Archive
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.rounds import searched_on


@pytest.fixture(scope="module")
def case():
    return case_of_seven()


@pytest.fixture(scope="module")
def curve(case):
    return frontier(case[2], reserve_bytes=5, tune_share=0.5)


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
    single = search_ensemble(case[2], budget_bytes=budget, reserve_bytes=5, resamples=5, tune_share=0.5)
    assert curve.at(budget).tuning_score >= single.tuning_score - 3e-4


def test_every_point_is_cross_fitted_by_what_the_other_halfs_frontier_has_for_its_budget():
    """Frontiers of the two folds, made by themselves of pools with those videos alone, and dense scores."""
    scores, labels = dense_case(3, videos=61, classes=30, models=4)
    pool = pool_of(scores, labels, (20, 25, 33, 40), k=30)
    whole = frontier(pool)
    assert whole.videos == {"tuning": 61, "held_out": 61}
    folds = cross_folds(pool.labels, 2, 0)
    others = [frontier(_part(pool, tune), tune_share=1.0) for tune, _ in folds]
    for points, of in ((whole.points, "points"), (whole.singles, "singles")):
        for point in points:
            mixed = np.zeros(labels.shape)
            for (_, report), other in zip(folds, others, strict=True):
                there = [each for each in getattr(other, of) if each.budget_bytes <= point.budget_bytes][-1]
                for member in there.members:
                    mixed[report] += member.weight * scores[int(member.name[1])][report].astype(np.float64)
            assert point.held_out_score == pytest.approx(gap_at_k(mixed, labels), abs=1e-9)


def _part(pool, videos):
    """The pool of some videos, in the order in which the search of a fold takes them."""
    labels = pool.labels.take(videos)
    return CandidatePool(labels, [replace(c, predictions=c.predictions.take(videos)) for c in pool.candidates])


def test_limits_of_use(case, curve):
    with pytest.raises(InputError, match="needs 25 bytes; got 3"):
        curve.at(3)
    with pytest.raises(InputError, match="folds"):
        frontier(case[2], folds=2)
    with pytest.raises(BudgetError):
        frontier(case[2], max_budget_bytes=10)
    short = frontier(case[2], max_budget_bytes=60, tune_share=0.5)
    assert short.points[-1].budget_bytes <= 60
    stopped = frontier(case[2], should_stop=lambda: True)
    assert "Stopped on request" in stopped.search["stop_reason"]
    assert any("no figure is of items that did not choose" in note for note in stopped.notes)
    assert all(point.held_out_score is None for point in stopped.points)
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


@pytest.mark.parametrize("share", [None, 0.5])
def test_a_frontier_of_many_videos_is_that_of_a_sample_and_says_so(share):
    scores, labels = dense_case(4, videos=420, classes=30, models=3)
    pool = pool_of(scores, labels, (20, 25, 33), k=30)
    most = 100 if share is None else 200
    whole = frontier(pool, search_videos=100, tune_share=share, seed=3)
    sample = searched_on(np.arange(420), Options(search_videos=most, seed=3))
    assert len(sample) == most
    assert whole.points == frontier(pool.take(sample), tune_share=share, seed=3).points
    assert whole.videos["tuning"] == 100
    assert any(f"{most} of the pool's 420 items" in note for note in whole.notes)
    assert frontier(pool.take(np.arange(100)), search_videos=100, tune_share=share).notes == ()


def test_groups_of_a_sample_stay_whole():
    scores, labels = dense_case(4, videos=300, classes=30, models=3)
    pool = pool_of(scores, labels, (20, 25, 33), k=30)
    groups = {video: f"g{place // 3}" for place, video in enumerate(pool.labels.video_ids)}
    whole = frontier(pool, search_videos=120, groups=groups)
    sample = searched_on(np.arange(300), Options(search_videos=120))
    part = pool.take(sample)
    kept = {video: groups[video] for video in part.labels.video_ids}
    assert whole.points == frontier(part, groups=kept).points
    assert whole.split["groups"] == len(set(kept.values()))
