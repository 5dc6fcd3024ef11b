"""Searches on a sample whose best are scored on all videos, beside dense scores and a search on all videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import SEVEN_SIZES, dense_case, pool_of

from gapsack.selection.blend.evaluate import Scored
from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.report.splits import split_videos
from gapsack.selection.rows import streamed
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets import rounds
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.find import runner_on
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.rounds import Rescored, Scales, survivors
from gapsack.selection.subsets.space import Space

VIDEOS = 1200
OPTIONS = {"budget_bytes": 110, "resamples": 20, "search_videos": 100, "tune_share": 0.5, "prefer": "measured"}


@pytest.fixture(scope="module")
def case():
    scores, labels = dense_case(5, videos=VIDEOS, classes=40, models=7)
    return scores, labels, pool_of(scores, labels, SEVEN_SIZES, k=40)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(streamed, "CHUNK_VIDEOS", 97)


@pytest.fixture(scope="module")
def ensemble(case):
    return search_ensemble(case[2], **OPTIONS)


def mixed(scores, members):
    return sum(each.weight * scores[int(each.name[1:])].astype(np.float64) for each in members)


def test_what_is_told_of_a_search_on_a_sample_is_of_all_videos(case, ensemble):
    scores, labels, _ = case
    tune, held_out = split_videos(VIDEOS, 0.5, 0)
    blend = mixed(scores, ensemble.members)
    assert ensemble.tuning_score == pytest.approx(gap_at_k(blend[tune], labels[tune]), abs=1e-12)
    assert ensemble.held_out["score"] == pytest.approx(gap_at_k(blend[held_out], labels[held_out]), abs=1e-12)
    single = ensemble.best_single
    alone = scores[int(single["name"][1:])]
    assert single["tuning_score"] == pytest.approx(gap_at_k(alone[tune], labels[tune]), abs=1e-12)
    assert ensemble.runner_up["tuning_score"] <= ensemble.tuning_score


def test_a_search_on_a_sample_says_so_and_claims_no_bound(ensemble):
    search = ensemble.search
    first, *further = search["rounds"]
    assert first["videos"] == 100
    assert [each["videos"] for each in further] == [600], "400 would be more than half of them"
    assert further[0]["subsets"] == first["kept"] >= rounds.LEAST_KEPT
    assert further[0]["kept"] < first["kept"]
    assert search["upper_bound"] is None
    assert not search["complete"]
    assert "100 of the 600 tuning items, drawn at random" in search["stop_reason"]
    assert "100 of the 600" in ensemble.preference or "all of them" in ensemble.preference


def test_rivals_of_the_sample_are_scored_on_the_videos_that_report(case, ensemble):
    """What was compared on a sample has no score on all tuning videos."""
    scores, labels, _ = case
    _, held_out = split_videos(VIDEOS, 0.5, 0)
    equal, greedy = ensemble.equal_weights, ensemble.greedy
    mean = np.mean([scores[int(member.name[1:])] for member in ensemble.members], axis=0)
    assert equal["held_out_score"] == pytest.approx(gap_at_k(mean[held_out], labels[held_out]), abs=1e-12)
    assert (equal["tuning_score"], greedy["tuning_score"]) == (None, None)
    assert ensemble.difference_to_greedy["difference"] == pytest.approx(
        ensemble.held_out["score"] - greedy["held_out_score"], abs=1e-12
    )


def test_a_search_on_a_sixth_is_nearly_as_good(case, ensemble):
    whole = search_ensemble(case[2], **OPTIONS | {"search_videos": VIDEOS})
    assert whole.tuning_score - 0.01 < ensemble.tuning_score
    assert "rounds" not in whole.search


def test_with_few_videos_nothing_changes(case):
    assert (
        search_ensemble(case[2], **OPTIONS | {"search_videos": 600}).to_dict()
        == search_ensemble(case[2], budget_bytes=110, resamples=20, tune_share=0.5, prefer="measured").to_dict()
    )


@pytest.mark.parametrize(
    "options", [{}, {"blend": "auto"}, {"metric": "map"}, {"prefer": "score"}, {"prefer": "small"}]
)
def test_workers_and_chunks_change_nothing(case, options, monkeypatch):
    pool = case[2].take(np.arange(900))
    one = search_ensemble(pool, **OPTIONS | options)
    monkeypatch.setattr(streamed, "CHUNK_VIDEOS", 41)
    monkeypatch.setattr(rounds, "MOST_PAIRS", 2_000)
    assert search_ensemble(pool, **OPTIONS | options, workers=2).to_dict() == one.to_dict()
    assert [each["videos"] for each in one.search["rounds"]] == [100, 450]


@pytest.mark.parametrize("calls", [0, 3, 30, 200])
def test_a_stopped_search_has_the_scores_of_all_videos_all_the_same(case, calls):
    scores, labels, pool = case
    left = iter(range(calls))
    ensemble = search_ensemble(pool, **OPTIONS, should_stop=lambda: next(left, None) is None)
    tune, _ = split_videos(VIDEOS, 0.5, 0)
    expected = gap_at_k(mixed(scores, ensemble.members)[tune], labels[tune])
    assert ensemble.tuning_score == pytest.approx(expected, abs=1e-12)
    assert "Stopped on request" in ensemble.search["stop_reason"]
    assert not ensemble.search["ended_by_itself"]
    assert ensemble.search["rounds"][-1]["videos"] == 600


def test_rounds_grow_by_four_up_to_half_of_the_videos_and_end_with_all(case):
    _, _, pool = case
    search = search_ensemble(pool, **OPTIONS | {"tune_share": 1.0}).search
    assert [each["videos"] for each in search["rounds"]] == [100, 400, 1200]
    one, two, three = search["rounds"]
    assert (two["subsets"], three["subsets"]) == (one["kept"], two["kept"])
    assert one["kept"] > two["kept"] >= three["kept"] >= rounds.LEAST_KEPT
    scales = Scales(pool.labels, np.arange(800), space_of(pool), objective_of("gap@20"), 0)
    assert [scales.between(first) for first in (800, 101, 100, 25, 24)] == [[], [], [400], [100, 400], [96, 384]]


def test_folds_are_searched_in_rounds_too(case):
    folds = search_ensemble(case[2], **OPTIONS, folds=2).held_out["folds"]
    assert [fold["videos"] for fold in folds] == [600]


def test_cross_fitted_folds_are_searched_in_rounds_and_report_on_all_videos(case):
    scores, labels, pool = case
    ensemble = search_ensemble(pool, **OPTIONS | {"tune_share": None, "folds": 2})
    assert [each["videos"] for each in ensemble.search["rounds"]] == [100, 400, 1200]
    expected = gap_at_k(mixed(scores, ensemble.members), labels)
    assert ensemble.tuning_score == pytest.approx(expected, abs=1e-12)
    assert ensemble.held_out["cross_fitted"]
    assert ensemble.held_out["videos"] == VIDEOS
    assert 0 < ensemble.held_out["score"] < ensemble.tuning_score + 0.01


def test_parts_keep_groups_together_and_the_bootstrap_has_those_of_the_sample(case):
    pool = case[2]
    groups = {video: f"g{place // 3}" for place, video in enumerate(pool.labels.video_ids)}
    numbers = np.arange(VIDEOS) // 3
    videos = np.random.default_rng(0).permutation(VIDEOS)[:900]
    scales = Scales(pool.labels, videos, space_of(pool), objective_of("gap@20"), 0, numbers)
    part, sample = scales.parts(500), scales.sample(500)
    assert len(np.unique(part)) == rounds.PARTS
    for number in np.unique(numbers[sample]):
        assert len(np.unique(part[numbers[sample] == number])) == 1
    ensemble = search_ensemble(pool, **OPTIONS | {"tune_share": None, "folds": 2}, groups=groups)
    assert ensemble.tuning["groups"] == VIDEOS // 3
    one = search_ensemble(pool, **OPTIONS | {"tune_share": 1.0}, groups=dict.fromkeys(groups, "all"))
    assert one.search["rounds"][-1]["videos"] == VIDEOS


def space_of(pool):
    return Space(pool, None, Options().constraints(110))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(100, 400))
def test_samples_are_nested_and_parts_are_scored_by_themselves(case, seed, count):
    scores, labels, pool = case
    videos = np.random.default_rng(seed).permutation(VIDEOS)[:500]
    scales = Scales(pool.labels, videos, space_of(pool), objective_of("gap@20"), seed)
    assert set(scales.sample(count)) < set(scales.sample(count + 50)) <= set(videos)
    assert len(scales.sample(count)) == count
    weights = (0.25, 0.75)
    entry = Entry((1, 4), Scored(scales.space.columns_of((1, 4)), weights, 0.0, "probability", 1))
    (found,) = scales.scored([entry], count)
    numbers = [scales.space.items[number].candidate for number in entry.subset]
    dense = np.tensordot(weights, scores[numbers].astype(np.float64), 1)
    taken = videos[np.random.default_rng([seed, 6]).permutation(500)[:count]]
    assert found.entry.score == pytest.approx(gap_at_k(dense[taken], labels[taken]), abs=1e-12)
    parts = [taken[number :: rounds.PARTS] for number in range(rounds.PARTS)]
    assert found.parts == pytest.approx([gap_at_k(dense[part], labels[part]) for part in parts], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.sampled_from([1e-4, 1e-2, 1.0]))
def test_those_within_noise_stay_half_at_most_and_four_at_least(case, seed, count, noise):
    pool = case[2]
    space = space_of(pool)
    rng = np.random.default_rng(seed)
    subsets = [tuple(sorted(rng.permutation(7)[: rng.integers(1, 4)].tolist())) for _ in range(count)]
    rescored = []
    for subset in dict.fromkeys(subsets):
        weights = (1 / len(subset),) * len(subset)
        score = float(rng.normal(0.8, 0.01))
        entry = Entry(subset, Scored(space.columns_of(subset), weights, score, "probability", 1))
        rescored.append(Rescored(entry, score + rng.normal(0, noise, rounds.PARTS)))
    runner = runner_on(pool.labels, np.arange(50), space, objective_of("gap@20"), Options())
    kept = survivors(rescored, Board(space, runner))
    ranked = sorted(rescored, key=lambda each: -each.entry.score)
    errors = [np.std(ranked[0].parts - each.parts, ddof=1) / 4 for each in ranked]
    near = [
        each
        for each, error in zip(ranked, errors, strict=True)
        if ranked[0].entry.score - each.entry.score <= 2 * error
    ]
    expected = near[: max(4, (len(ranked) + 1) // 2)]
    expected = ranked[:4] if len(expected) < 4 else expected
    for is_wanted in (
        lambda each: len(each.entry.subset) == 1,
        lambda each: each.entry.subset != ranked[0].entry.subset,
    ):
        expected = expected + [each for each in ranked if is_wanted(each)][:1]
    assert {each.entry.subset for each in kept} == {each.entry.subset for each in expected}
    assert kept[0].entry is ranked[0].entry


def test_what_all_videos_can_measure_is_not_left_out(case, monkeypatch):
    """On the sample everything looks like noise; on all videos nothing does."""
    kept = search_ensemble(case[2], **OPTIONS | {"prefer": "score"})
    for rule in ("MEASURABLE_ERRORS", "SCORE_ERROR_SHARE"):
        monkeypatch.setattr(f"gapsack.selection.subsets.preference.{rule}", 1e6)
    left_out = search_ensemble(case[2], **OPTIONS)
    assert left_out.total_bytes == kept.total_bytes
    assert "would have given up" in left_out.preference
    monkeypatch.setattr(rounds, "MEASURABLE_ERRORS", 1e6)
    monkeypatch.setattr(rounds, "score_error_share", lambda objective: 1e-12)
    assert search_ensemble(case[2], **OPTIONS).total_bytes == kept.total_bytes, "nor what is much beside the score's"
    monkeypatch.setattr(rounds, "score_error_share", lambda objective: 1e6)
    smaller = search_ensemble(case[2], **OPTIONS)
    assert smaller.total_bytes < kept.total_bytes
    assert "on all of them it gives up" in smaller.preference


def test_a_metric_of_all_classes_is_refused_before_a_search_that_could_not_be_reported(case, monkeypatch):
    monkeypatch.setattr(streamed, "MOST_ENTRIES", VIDEOS * 40 - 1)
    searched = []
    with pytest.raises(InputError, match=r"Use gap@k"):
        search_ensemble(case[2], **OPTIONS, metric="map", progress=searched.append)
    assert not searched
    monkeypatch.setattr(streamed, "MOST_ENTRIES", VIDEOS * 40)
    assert search_ensemble(case[2], **OPTIONS, metric="map").metric == "map"


def test_a_member_that_must_be_there_without_a_weight_has_one_in_every_round(case):
    scores, labels, pool = case
    worst = min(range(7), key=lambda number: gap_at_k(scores[number], labels))
    ensemble = search_ensemble(pool, **OPTIONS, must_have=[f"m{worst}"])
    weights = {member.name: member.weight for member in ensemble.members}
    assert weights[f"m{worst}"] > 0
    tune, _ = split_videos(VIDEOS, 0.5, 0)
    expected = gap_at_k(mixed(scores, ensemble.members)[tune], labels[tune])
    assert ensemble.tuning_score == pytest.approx(expected, abs=1e-12)


def test_too_few_videos_to_search_on_are_refused(case):
    with pytest.raises(InputError, match="search_videos must be a whole number of at least 100"):
        search_ensemble(case[2], **OPTIONS | {"search_videos": 99})
    assert replace(Options(), search_videos=100).search_videos == 100
