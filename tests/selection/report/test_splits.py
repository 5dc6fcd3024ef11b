"""Splits, folds and draws of videos in groups, against what they are without groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool import Labels
from gapsack.selection.report.bootstrap import ScoredPart, Voters, blended, sample_on
from gapsack.selection.report.splits import by_appearance, cross_folds, folds_for, group_numbers, split_videos

GROUPS = st.lists(st.integers(0, 12), min_size=2, max_size=60).map(lambda each: by_appearance(np.array(each)))


def labels_of(count, classes=6):
    rng = np.random.default_rng(count)
    return Labels.from_dense([f"v{i}" for i in range(count)], rng.random((count, classes)) < 0.3)


@settings(max_examples=80, deadline=None)
@given(GROUPS, st.floats(0.01, 1.0), st.integers(0, 50), st.integers(0, 3))
def test_no_group_is_on_both_sides_of_a_split(groups, share, seed, fold):
    tune, report = split_videos(len(groups), share, seed, fold, groups)
    assert sorted([*tune, *report]) == list(range(len(groups)))
    assert not set(groups[tune]) & set(groups[report])
    if share < 1.0 and groups.max() > 0:
        assert len(tune)
        assert len(report)
        wanted = min(max(round(len(groups) * share), 1), len(groups) - 1)
        assert abs(len(tune) - wanted) <= np.bincount(groups).max()
    again = split_videos(len(groups), share, seed, fold, groups)
    assert np.array_equal(again[0], tune)
    assert np.array_equal(again[1], report)


@settings(max_examples=80, deadline=None)
@given(GROUPS, st.integers(2, 7), st.integers(0, 50))
def test_every_video_is_in_one_fold_and_no_group_is_in_two(groups, folds, seed):
    labels = labels_of(len(groups))
    made = cross_folds(labels, folds, seed, groups)
    count = int(groups.max()) + 1
    assert len(made) == (min(folds, count) if count > 1 else 0)
    if made:
        assert sorted(np.concatenate([report for _, report in made])) == list(range(len(groups)))
        sizes = [len(report) for _, report in made]
        assert max(sizes) - min(sizes) <= np.bincount(groups).max()
    for tune, report in made:
        assert sorted([*tune, *report]) == list(range(len(groups)))
        assert not set(groups[tune]) & set(groups[report])
    for (tune, report), other in zip(made, cross_folds(labels, folds, seed, groups), strict=True):
        assert np.array_equal(tune, other[0])
        assert np.array_equal(report, other[1])


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.floats(0.01, 1.0), st.integers(0, 50), st.integers(2, 6))
def test_groups_of_one_video_are_no_groups(count, share, seed, folds):
    singles, labels = np.arange(count), labels_of(count)
    for one, other in [
        (split_videos(count, share, seed), split_videos(count, share, seed, groups=singles)),
        *zip(cross_folds(labels, folds, seed), cross_folds(labels, folds, seed, singles), strict=True),
    ]:
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


def test_folds_of_one_label_a_video_have_their_share_of_each_label():
    truth = np.repeat(np.eye(4, dtype=bool), [50, 25, 10, 5], axis=0)
    labels = Labels.from_dense([f"v{i}" for i in range(90)], truth)
    for _, report in cross_folds(labels, 5, 7):
        assert truth[report].sum(axis=0).tolist() == [10, 5, 2, 1]


def test_how_many_folds_there_are_follows_from_the_videos():
    assert [folds_for(count) for count in (10, 4_999, 5_000, 1_000_000)] == [5, 5, 2, 2]


@pytest.mark.parametrize("metric", ["gap@20", "map"])
def test_a_bootstrap_of_groups_of_one_is_that_of_videos_and_one_of_groups_draws_them_whole(metric):
    scores, labels = dense_case(5, videos=40, models=1)
    pool, objective = pool_of(scores, labels, [1], k=40), objective_of(metric)
    voters = Voters((pool.candidates[0].predictions,), (1.0,), "probability")
    rows = blended(pool.labels, [ScoredPart(np.arange(40), voters)], objective)

    def draws(groups):
        return sample_on(rows, (1.0,), objective, resamples=30, seed=3, groups=groups).draws

    assert np.array_equal(draws(None), draws(np.arange(40)))
    assert np.array_equal(draws(None), draws(np.arange(40) + 7))
    # Two groups: a draw is of the first alone, of the second alone, or of both, in whatever order.
    halves = np.repeat([1, 0], 20)
    possible = [
        objective.score(rows.take(videos), np.zeros(1, np.int64), np.ones(1))
        for videos in (np.tile(np.arange(20), 2), np.tile(np.arange(20, 40), 2), np.arange(40))
    ]
    found = draws(halves)
    assert {int(np.abs(each - np.array(possible)).argmin()) for each in found} == {0, 1, 2}
    assert all(np.abs(each - np.array(possible)).min() < 1e-12 for each in found)


def test_groups_are_numbered_as_they_appear_and_must_have_every_video():
    labels = labels_of(4)
    groups = {"v0": "b", "v1": "a", "v2": "b", "v3": "c", "elsewhere": "a"}
    assert group_numbers(labels, groups).tolist() == [0, 1, 0, 2]
    assert group_numbers(labels, None) is None
    with pytest.raises(InputError, match=r"every item of the pool; got none for items 'v1', 'v3'"):
        group_numbers(labels, {"v0": "b", "v2": "b"})
