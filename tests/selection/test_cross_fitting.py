"""What all videos choose, told by folds that did not: against the whole search run by itself on each fold's pool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pools import dense_case, pool_of

from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import binary_log_loss, mean_average_precision
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.bootstrap import Sample
from gapsack.selection.report.splits import cross_folds, group_numbers, split_videos
from gapsack.selection.rows.rows import LOGIT_CLIP
from gapsack.selection.search import search_ensemble

NAIVE = {
    "gap@20": gap_at_k,
    "map": mean_average_precision,
    "binary_log_loss": lambda scores, labels: -binary_log_loss(scores, labels),
}
SIZES = (30, 25, 20, 15)


@pytest.fixture(scope="module")
def case():
    scores, labels = dense_case(21, videos=90, classes=24, models=4)
    return scores, labels, pool_of(scores, labels, SIZES, k=24)


def part(pool, videos):
    labels = pool.labels.take(videos)
    return CandidatePool(labels, [replace(c, predictions=c.predictions.take(videos)) for c in pool.candidates])


def before_shuffling(videos, options):
    """Videos in an order that a search of a pool of theirs shuffles to this one, so that it is the same to the bit."""
    order, _ = split_videos(len(videos), 1.0, options.get("seed", 0))
    arranged = np.empty_like(videos)
    arranged[order] = videos
    return arranged


def say(scores, members, blend):
    """Dense probabilities of a blend, by a loop of its own."""
    total = np.zeros(scores.shape[1:])
    for name, weight in members:
        values = scores[int(name[1:])].astype(np.float64)
        if blend == "logit":
            values = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP)
            values = np.log(values) - np.log1p(-values)
        total += weight * values
    return 1 / (1 + np.exp(-total)) if blend == "logit" else total


def members(found):
    return [(member.name, member.weight) for member in found.members]


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        ("gap@20", {}),
        ("gap@20", {"blend": "logit", "prefer": "score"}),
        ("gap@20", {"blend": "auto", "folds": 3, "prefer": "small"}),
        ("map", {"folds": 2}),
        ("binary_log_loss", {"folds": 4, "seed": 3}),
    ],
)
def test_every_video_is_scored_by_the_search_that_did_not_see_it(case, metric, options):
    scores, labels, pool = case
    options = {"budget_bytes": 60, "metric": metric, "resamples": 20, **options}
    found = search_ensemble(pool, **options)
    everything = search_ensemble(pool, **{**options, "folds": None, "tune_share": 1.0})
    assert found.members == everything.members, "what is delivered is chosen on all videos"
    assert found.tuning_score == pytest.approx(found.score, abs=1e-12)
    mixed, single = np.zeros((2, *labels.shape))
    folds = cross_folds(pool.labels, options.get("folds", 5), options.get("seed", 0))
    for (tune, report), told in zip(folds, found.held_out["folds"], strict=True):
        other = search_ensemble(part(pool, before_shuffling(tune, options)), **{**options, "folds": 1})
        assert told["members"] == [name for name, _ in members(other)]
        assert told["tuning_score"] == pytest.approx(other.tuning_score, abs=1e-9)
        mixed[report] = say(scores, members(other), other.blend)[report]
        single[report] = scores[int(other.best_single["name"][1:])][report]
        assert told["score"] == pytest.approx(NAIVE[metric](mixed[report], labels[report]), abs=1e-9)
    held_out, difference = found.held_out, found.difference_to_best_single
    assert held_out["cross_fitted"]
    assert (held_out["videos"], held_out["tune_share"]) == (90, None)
    assert held_out["score"] == pytest.approx(NAIVE[metric](mixed, labels), abs=1e-9)
    assert held_out["gap"] == pytest.approx(gap_at_k(mixed, labels), abs=1e-9)
    assert found.best_single["held_out_score"] == pytest.approx(NAIVE[metric](single, labels), abs=1e-9)
    assert difference["difference"] == pytest.approx(held_out["score"] - found.best_single["held_out_score"], abs=1e-12)
    low, high = held_out["interval"]
    assert low < held_out["score"] < high
    if metric == "gap@20":
        least, most = held_out["certain_gap_interval"]
        assert least - 1e-12 <= held_out["gap"] <= most + 1e-12


def test_workers_change_nothing_and_another_seed_makes_other_folds(case):
    options = {"budget_bytes": 60, "resamples": 10, "folds": 3, "prefer": "measured"}
    found = search_ensemble(case[2], **options)
    assert search_ensemble(case[2], **options, workers=3) == found
    other = search_ensemble(case[2], **options, seed=1)
    assert other.tuning_score == pytest.approx(found.tuning_score, abs=1e-6)
    assert other.held_out["score"] != found.held_out["score"]


def test_a_stop_within_the_folds_leaves_the_ensemble_and_says_which_reported(case):
    seen = []

    def options(last):
        return {
            "budget_bytes": 60,
            "resamples": 10,
            "progress": lambda progress: seen.append(progress.stage),
            "should_stop": lambda: bool(seen) and seen[-1].startswith(last),
        }

    whole = search_ensemble(case[2], budget_bytes=60, resamples=10)
    found = search_ensemble(case[2], **options("fold 3 of 5"))
    assert found.members == whole.members
    assert len(found.held_out["folds"]) == 2
    assert found.held_out["folds"] == whole.held_out["folds"][:2]
    assert found.held_out["videos"] == 36
    assert found.notes == ("Stopped while folds were cross-fitted: 2 of 5 reported, 36 of 90 items.",)
    none = search_ensemble(case[2], **options("fold 1 of 5"))
    assert none.members == whole.members
    assert none.held_out is None
    assert none.difference_to_best_single is None
    assert none.notes == ("Stopped before any fold was cross-fitted: no figure is of items that did not choose.",)


def test_progress_in_folds_tells_what_is_delivered(case):
    seen = []
    found = search_ensemble(case[2], budget_bytes=60, resamples=10, folds=2, progress=seen.append)
    told = [progress for progress in seen if progress.stage.startswith("fold ")]
    assert {progress.stage.partition(":")[0] for progress in told} == {"fold 1 of 2", "fold 2 of 2"}
    assert {progress.score for progress in told} == {found.tuning_score}
    assert {progress.members for progress in told} == {tuple(member.name for member in found.members)}


@pytest.mark.parametrize("videos", [1, 2, 3, 7])
def test_too_few_videos_for_folds_are_told(videos):
    scores, labels = dense_case(2, videos=videos, classes=25, models=2)
    labels[:, 0] = True
    found = search_ensemble(pool_of(scores, labels, [5, 5], k=25), budget_bytes=10, resamples=5)
    if videos == 1:
        assert found.held_out is None
        assert "one item has no folds" in found.notes[0]
    else:
        assert len(found.held_out["folds"]) == min(videos, 5)
        assert found.held_out["videos"] == videos


def test_one_fold_is_none_and_needs_no_note(case):
    found = search_ensemble(case[2], budget_bytes=60, folds=1)
    assert found.held_out is None
    assert found.notes == ()
    assert found.tuning == {"videos": 90, "share": None, "groups": None}


def test_groups_are_kept_together_and_widen_the_interval_of_what_is_repeated():
    """Every video four times: without groups each fold has chosen on copies of what it reports."""
    scores, labels = dense_case(8, videos=30, classes=24, models=3)
    pool = pool_of(np.repeat(scores, 4, axis=1), np.repeat(labels, 4, axis=0), SIZES[:3], k=24)
    groups = {video: str(place // 4) for place, video in enumerate(pool.labels.video_ids.tolist())}
    apart = search_ensemble(pool, budget_bytes=60, resamples=200, folds=3)
    together = search_ensemble(pool, budget_bytes=60, resamples=200, folds=3, groups=groups)
    assert together.tuning == {"videos": 120, "share": None, "groups": 30}
    assert together.held_out["standard_error"] > 1.5 * apart.held_out["standard_error"]
    numbers = group_numbers(pool.labels, groups)
    sizes = [len(report) for _, report in cross_folds(pool.labels, 3, 0, numbers)]
    assert [fold["videos"] for fold in together.held_out["folds"]] == sizes
    one_group = search_ensemble(pool, budget_bytes=60, groups=dict.fromkeys(groups, "all"))
    assert one_group.held_out is None
    assert "one group of items has no folds" in one_group.notes[0]
    split = search_ensemble(pool, budget_bytes=60, resamples=10, groups=groups, tune_share=0.5)
    assert split.held_out["videos"] % 4 == 0


def test_the_interval_holds_both_errors_and_the_second_vanishes_where_all_folds_choose_alike(case):
    scores, labels, pool = case
    found = search_ensemble(pool, budget_bytes=60, resamples=200)
    for told in (found.held_out, found.difference_to_best_single):
        assert 0.0 < told["choice_error"] < told["standard_error"]
    alone = CandidatePool(pool.labels, pool.candidates[:1])
    certain = search_ensemble(alone, budget_bytes=60, resamples=200)
    assert certain.held_out["choice_error"] == pytest.approx(0.0, abs=1e-12)
    # One model is chosen by every fold: the interval is that of a plain bootstrap of it over the same videos.
    order = np.concatenate([report for _, report in cross_folds(pool.labels, 5, 0)])
    rng = np.random.default_rng([0, 1])
    draws = [
        gap_at_k(scores[0][drawn], labels[drawn]) for drawn in (order[rng.integers(0, 90, 90)] for _ in range(200))
    ]
    assert certain.held_out["interval"] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=1e-9)
    assert certain.held_out["standard_error"] == pytest.approx(np.std(draws, ddof=1), abs=1e-9)


def test_independent_errors_add_as_variances():
    draws = 0.5 + 0.03 * np.random.default_rng(0).normal(size=400)
    own = Sample(0.5, draws)
    both = own.less_sure(0.04)
    assert both.standard_error == pytest.approx(np.hypot(own.standard_error, 0.04))
    assert both.draws.mean() == pytest.approx(draws.mean())
    assert both.score == own.score
    assert np.array_equal(own.less_sure(0.0).draws, draws)
    certain = Sample(0.5, np.full(400, 0.5))
    assert certain.less_sure(0.04).standard_error == pytest.approx(0.04, rel=0.02)
    assert certain.less_sure(0.04).interval(0.95) == pytest.approx((0.5 - 0.0784, 0.5 + 0.0784), abs=1e-3)
    assert certain.less_sure(0.0).interval(0.95) == (0.5, 0.5)


@pytest.mark.parametrize("positives", [2, 1])
def test_what_a_fold_lacks_for_its_metric_ends_no_search(positives):
    """Two positives: a fold may have none, and no score by itself. One: without its fold nothing can be searched."""
    labels = np.zeros((20, 1), bool)
    labels[[3, 11][:positives]] = True
    scores = np.random.default_rng(0).uniform(0.01, 0.99, (3, 20, 1)).astype(np.float32)
    found = search_ensemble(pool_of(scores, labels, [5, 6, 7], k=1), budget_bytes=20, metric="roc_auc", resamples=20)
    if positives == 1:
        assert found.held_out is None
        assert any("Nothing is cross-fitted: without one of 5 folds, roc_auc needs a class" in n for n in found.notes)
        return
    assert 0.0 <= found.held_out["score"] <= 1.0
    alone = [fold["score"] for fold in found.held_out["folds"]]
    assert None in alone
    assert len(alone) == 5
