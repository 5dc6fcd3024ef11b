from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pools import SEVEN_SIZES, case_of_seven, dense_case, pool_of

from gapsack.selection.blend.evaluate import BlendTask, Evaluator
from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool import Candidate, CandidatePool, Predictions
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.search import search_ensemble, split_videos
from gapsack.selection.subsets import find as finding
from gapsack.selection.subsets.find import find
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.space import Space


@pytest.fixture(scope="module")
def case():
    return case_of_seven()


HALF = {"budget_bytes": 110, "resamples": 60, "tune_share": 0.5, "prefer": "measured"}


@pytest.fixture(scope="module")
def ensemble(case):
    """Chosen on half of the videos; the other half reports."""
    return search_ensemble(case[2], **HALF)


def blended(scores, ensemble):
    by_name = {member.name: member.weight for member in ensemble.members}
    weights = np.array([by_name.get(f"m{i}", 0.0) for i in range(len(scores))])
    return np.tensordot(weights, scores.astype(np.float64), 1)


def test_figures_are_the_dense_ones(case, ensemble):
    scores, labels, pool = case
    mixed = blended(scores, ensemble)
    tune, report = split_videos(240, 0.5, 0)
    assert ensemble.gap == pytest.approx(gap_at_k(mixed, labels), abs=1e-9)
    assert ensemble.tuning_gap == pytest.approx(gap_at_k(mixed[tune], labels[tune]), abs=1e-9)
    assert ensemble.tuning_score == pytest.approx(ensemble.tuning_gap, abs=1e-12)
    assert ensemble.held_out["gap"] == pytest.approx(gap_at_k(mixed[report], labels[report]), abs=1e-9)
    assert ensemble.gap_interval == (ensemble.gap, ensemble.gap)
    low, high = ensemble.held_out["interval"]
    assert low < ensemble.held_out["gap"] < high
    assert ensemble.total_bytes == sum(member.size_bytes for member in ensemble.members) <= 110
    assert sum(member.weight for member in ensemble.members) == pytest.approx(1.0)
    single = ensemble.best_single
    expected = gap_at_k(scores[int(single["name"][1])], labels)
    assert single["gap"] == pytest.approx(expected, abs=1e-9)
    assert len(pool.candidates) == 7


def test_it_is_held_against_equal_weights_and_greedy_selection(case, ensemble):
    """Both as a few lines of numpy make them, scored on the videos that did not choose, with paired differences."""
    scores, labels, _ = case
    tune, report = split_videos(240, 0.5, 0)
    mine = gap_at_k(blended(scores, ensemble)[report], labels[report])
    equal = np.mean([scores[int(member.name[1])] for member in ensemble.members], axis=0)
    votes = greedy_by_hand(scores[:, tune], labels[tune], SEVEN_SIZES, 110)
    greedy = np.mean(scores[votes], axis=0, dtype=np.float64)  # of float32 the last bits would decide ties
    for name, mean in (("equal_weights", equal), ("greedy", greedy)):
        rival, difference = getattr(ensemble, name), getattr(ensemble, f"difference_to_{name}")
        assert rival["held_out_score"] == pytest.approx(gap_at_k(mean[report], labels[report]), abs=1e-9)
        assert rival["tuning_score"] == pytest.approx(gap_at_k(mean[tune], labels[tune]), abs=1e-9)
        assert difference["difference"] == pytest.approx(mine - rival["held_out_score"], abs=1e-12)
        assert difference["interval"][0] <= difference["difference"] <= difference["interval"][1]
        assert rival["size_bytes"] <= 110
    shares = {f"m{number}": votes.count(number) / len(votes) for number in set(votes)}
    members = ensemble.greedy.get("members", [ensemble.greedy])
    assert {member["name"]: member.get("weight", 1.0) for member in members} == pytest.approx(shares)
    assert {member["name"] for member in ensemble.equal_weights["members"]} == {each.name for each in ensemble.members}


def greedy_by_hand(scores, labels, sizes, budget):
    """Numbers of models in the order in which they get votes, up to the best mean of a hundred."""
    votes, best, best_votes = [], -np.inf, []
    while len(votes) < 100:
        room = budget - sum(sizes[number] for number in set(votes))
        joiners = [number for number, size in enumerate(sizes) if number not in votes and size <= room]
        choices = [*sorted(set(votes)), *joiners]
        means = [np.mean(scores[[*votes, choice]], axis=0, dtype=np.float64) for choice in choices]
        values = [gap_at_k(mean, labels) for mean in means]
        place = int(np.argmax(np.round(values, 6)))
        votes = [*votes, choices[place]]
        if values[place] > best:
            best, best_votes = values[place], votes
        elif not joiners and len(votes) - len(best_votes) >= 20:
            break
    return best_votes


def test_rivals_of_one_model_and_of_a_search_that_was_stopped(case):
    one = search_ensemble(case[2], **HALF, max_members=1)
    assert one.equal_weights is None
    assert one.difference_to_equal_weights is None
    assert one.greedy["name"] == one.members[0].name
    stopped = search_ensemble(case[2], **HALF, should_stop=lambda: True)
    assert stopped.greedy is None
    assert "greedy" not in stopped.to_dict()


def test_nothing_under_the_budget_scores_higher(case, ensemble):
    """Every maximal subset with the finest weight search, outside the race."""
    _, _, pool = case
    tune, _ = split_videos(240, 0.5, 0)
    columns = [candidate.predictions.take(tune) for candidate in pool.candidates]
    evaluator = Evaluator.of(build_rows(pool.labels.take(tune), columns, 20), objective_of("gap"))
    space = Space(pool, None, Options().constraints(110))
    from gapsack.selection.subsets.enumeration import enumerate_subsets

    scores = [evaluator(BlendTask(subset, "final")).score for subset in enumerate_subsets(space).maximal]
    assert ensemble.tuning_score >= max(scores) - 1e-6


def test_random_blends_under_the_budget_do_not_beat_it(case, ensemble):
    scores, labels, _ = case
    tune, _ = split_videos(240, 0.5, 0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        order, room, members = rng.permutation(7), 110, []
        for model in order:
            if SEVEN_SIZES[model] <= room:
                members.append(model)
                room -= SEVEN_SIZES[model]
        weights = rng.dirichlet(np.ones(len(members)))
        mixed = np.tensordot(weights, scores[members][:, tune].astype(np.float64), 1)
        assert gap_at_k(mixed, labels[tune]) <= ensemble.tuning_score + 1e-6


def test_workers_executors_and_repetition_change_nothing(case, ensemble):
    def elsewhere(evaluator, tasks):
        return map(evaluator, tasks)

    assert search_ensemble(case[2], **HALF) == ensemble
    assert search_ensemble(case[2], **HALF, workers=3) == ensemble
    assert search_ensemble(case[2], **HALF, executor=elsewhere) == ensemble


@pytest.mark.parametrize(
    ("options", "models", "listed"),
    [
        ({"folds": 2}, 6, True),
        ({"metric": "macro_f1", "blend": "auto"}, 3, True),
        ({"metric": "binary_log_loss"}, 5, True),
        ({"max_members": 3, "restarts": 1}, 8, False),
    ],
)
def test_one_worker_and_many_find_the_same_to_the_bit(options, models, listed, monkeypatch):
    """Threads of 2, 3 and 8, and an executor that answers in pieces; the local search too."""
    if not listed:
        monkeypatch.setattr(finding, "enumerate_subsets", lambda *_, **__: None)
    scores, labels = dense_case(5, videos=60, classes=25, models=models)
    pool = pool_of(scores, labels, range(20, 20 + models), k=25)

    def found(**how):
        settings = {"budget_bytes": 90, "resamples": 5, "folds": 1, **options, **how}
        return search_ensemble(pool, **settings).to_dict()

    alone = found(workers=1)
    for workers in (2, 3, 8):
        assert found(workers=workers) == alone
    assert found(executor=lambda evaluator, tasks: [evaluator(task) for task in tasks]) == alone


def test_exhaustive_is_never_worse_and_says_so(case, ensemble):
    exhaustive = search_ensemble(case[2], **HALF, exhaustive=True)
    assert exhaustive.tuning_score >= ensemble.tuning_score
    assert exhaustive.tuning_score <= ensemble.tuning_score + 1e-6, "the race lost the winner"
    assert "every maximal subset had the full weight search" in exhaustive.search["stop_reason"]
    assert exhaustive.search["evaluated"]["final"] >= exhaustive.search["maximal"]
    assert ensemble.search["left_by_the_rule"] == 0


def test_written_and_read_again(tmp_path, ensemble):
    ensemble.write(tmp_path / "ensemble.json")
    assert Ensemble.read(tmp_path / "ensemble.json") == replace(
        ensemble, **{key: ensemble.to_dict()[key] for key in ("held_out", "best_single", "runner_up")}
    )
    assert ensemble.to_dict()["format"] == "gapsack.ensemble/1"
    (tmp_path / "other.json").write_text('{"format": "x"}')
    with pytest.raises(InputError, match=r"gapsack\.ensemble/1"):
        Ensemble.read(tmp_path / "other.json")
    with pytest.raises(InputError, match="not there"):
        Ensemble.read(tmp_path / "none.json")


def test_reserve_is_kept_free(case):
    found = search_ensemble(case[2], budget_bytes=110, reserve_bytes=20, resamples=10)
    assert found.total_bytes + found.reserve_bytes <= 110
    with pytest.raises(BudgetError, match="smallest model takes 20 bytes"):
        search_ensemble(case[2], budget_bytes=39, reserve_bytes=20)


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({"max_members": 2}, lambda names: len(names) <= 2),
        ({"must_have": ["m5"]}, lambda names: "m5" in names),
        ({"never_together": [("m0", "m1"), ("m0", "m2"), ("m1", "m2")]}, lambda n: len({"m0", "m1", "m2"} & n) <= 1),
    ],
)
def test_constraints_are_kept(case, options, holds):
    found = search_ensemble(case[2], budget_bytes=150, resamples=10, **options)
    assert holds({member.name for member in found.members})


def test_a_second_budget_is_kept(case):
    scores, labels, _ = case
    candidates = pool_of(scores, labels, SEVEN_SIZES, k=60)
    timed = CandidatePool(
        candidates.labels,
        [replace(c, metrics={"latency_ms": 10.0 * i}) for i, c in enumerate(candidates.candidates)],
    )
    found = search_ensemble(timed, budget_bytes=150, limits={"latency_ms": 35}, resamples=10)
    assert sum(10 * int(member.name[1]) for member in found.members) <= 35


def test_precision_is_part_of_the_choice():
    """Three models at half the size beat two at full size; rounding to int8 harms one badly, which stays large."""
    scores, labels = dense_case(4, videos=300, classes=50, models=3)
    rng = np.random.default_rng(0)
    ids = [f"v{i:04}" for i in range(300)]
    spoilt = np.clip(scores[0] + rng.normal(size=scores[0].shape).astype(np.float32), 0, 1)
    at_int8 = [spoilt, np.round(scores[1] * 250) / 250, np.round(scores[2] * 250) / 250]
    base = pool_of(scores, labels, [1, 1, 1], k=50)
    pool = CandidatePool(
        base.labels,
        [
            Candidate(
                f"m{i}",
                {"float16": 20, "int8": 10},
                base.candidates[i].predictions,
                {"int8": Predictions.from_dense(ids, at_int8[i], 50)},
            )
            for i in range(3)
        ],
    )
    found = search_ensemble(pool, budget_bytes=40, resamples=10)
    assert {(m.name, m.precision) for m in found.members} == {("m0", "float16"), ("m1", "int8"), ("m2", "int8")}
    only = search_ensemble(pool, budget_bytes=40, resamples=10, precisions=("float16",))
    assert len(only.members) == 2
    assert only.tuning_score < found.tuning_score


def test_stopping_gives_the_best_so_far_marked_as_such(case):
    seen = []
    at_once = search_ensemble(case[2], budget_bytes=110, resamples=10, should_stop=lambda: True)
    assert at_once.search["stop_reason"].startswith("Stopped on request")
    assert not at_once.search["ended_by_itself"]
    calls = iter(range(1000))
    later = search_ensemble(
        case[2], budget_bytes=110, resamples=10, should_stop=lambda: next(calls) > 60, progress=seen.append
    )
    assert later.tuning_score >= at_once.tuning_score
    assert [p.score for p in seen if p.score is not None] == sorted(p.score for p in seen if p.score is not None)
    assert all(p.size_bytes <= 110 and p.done <= p.total for p in seen)


def test_prefer_small_gives_up_noise_for_bytes():
    scores, labels = dense_case(6, videos=300, classes=40, models=2)
    echo = np.clip(scores[0] + 0.01 * np.random.default_rng(0).normal(size=scores[0].shape), 0, 1)
    pool = pool_of(np.stack([*scores, echo.astype(np.float32)]), labels, [10, 10, 50], k=40)
    full = search_ensemble(pool, budget_bytes=70, resamples=30)
    found = search_ensemble(pool, budget_bytes=70, resamples=30, prefer="small")
    assert full.total_bytes == 70
    assert found.total_bytes == 20
    assert found.tuning_score > full.best_single["tuning_score"]
    assert "within one standard error" in found.preference


def test_folds_repeat_the_search_on_other_splits(case):
    found = search_ensemble(case[2], budget_bytes=110, resamples=10, folds=3, tune_share=0.5)
    assert not found.held_out["cross_fitted"]
    folds = found.held_out["folds"]
    assert len(folds) == 2
    assert len({fold["score"] for fold in folds} | {found.held_out["score"]}) == 3


def test_tuning_on_everything_reports_nothing_held_out(case):
    found = search_ensemble(case[2], budget_bytes=110, tune_share=1.0)
    assert found.held_out is None
    assert found.difference_to_best_single is None
    assert found.tuning_gap == pytest.approx(found.gap, abs=1e-12)


def test_members_that_add_nothing_are_dropped_and_their_room_is_used():
    scores, labels = dense_case(2, videos=200, classes=40, models=3)
    silent = np.zeros_like(scores[0])  # scales the others, which changes no order
    pool = pool_of(np.stack([scores[0], scores[0], silent, scores[1], scores[2]]), labels, [10, 11, 5, 10, 20], k=40)
    small = search_ensemble(pool, budget_bytes=36, resamples=10)
    assert {member.name for member in small.members} <= {"m0", "m3", "m4"}
    large = search_ensemble(pool, budget_bytes=56, resamples=10)
    assert {member.name for member in large.members} == {"m0", "m3", "m4"}
    assert large.total_bytes == 40


@pytest.mark.parametrize("blend", ["logit", "auto"])
def test_the_logit_blend(case, blend):
    scores, labels, pool = case
    found = search_ensemble(pool, budget_bytes=110, resamples=10, blend=blend)
    if found.blend == "logit":
        by_name = {member.name: member.weight for member in found.members}
        clipped = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
        mixed = sum(w * np.log(clipped[int(n[1])] / (1 - clipped[int(n[1])])) for n, w in by_name.items())
        assert found.gap == pytest.approx(gap_at_k(mixed, labels), abs=1e-9)
    if blend == "auto":
        others = [search_ensemble(pool, budget_bytes=110, resamples=10, blend=b) for b in ("probability", "logit")]
        assert found.tuning_score >= max(other.tuning_score for other in others) - 1e-9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"budget_bytes": 19}, BudgetError, "smallest model takes 20 bytes; got a budget that leaves 19"),
        ({"budget_bytes": 0}, BudgetError, "got 0"),
        ({"budget_bytes": 100, "metric": "gap@0"}, InputError, "'gap@0'"),
        ({"budget_bytes": 100, "blend": "mean"}, InputError, "'mean'"),
        ({"budget_bytes": 100, "tune_share": 0.0}, InputError, "got 0.0"),
        ({"budget_bytes": 100, "confidence": 1}, InputError, "got 1"),
        ({"budget_bytes": 100, "workers": 0}, InputError, "workers .* got 0"),
    ],
)
def test_bad_options_are_one_clear_sentence(case, options, error, message):
    with pytest.raises(error, match=message):
        search_ensemble(case[2], **options)


@pytest.mark.parametrize("videos", [1, 2, 3])
def test_one_candidate_and_very_few_videos(videos):
    scores, labels = dense_case(0, videos=videos, classes=25, models=1)
    labels[0, 0] = True
    found = search_ensemble(pool_of(scores, labels, [5], k=25), budget_bytes=5, resamples=5)
    assert [(m.name, m.weight) for m in found.members] == [("m0", 1.0)]
    assert found.runner_up is None
    assert (found.held_out is None) == (videos == 1)


def test_the_search_report_counts_what_it_did(ensemble):
    assert ensemble.search["strategy"] == "enumeration"
    assert ensemble.search["maximal"] <= ensemble.search["feasible"]
    assert ensemble.search["evaluations"] > sum(ensemble.search["evaluated"].values())


def test_find_leaves_every_cheap_score_on_the_board(case):
    _, _, pool = case
    space = Space(pool, None, Options().constraints(110))
    tune, _ = split_videos(240, 0.5, 0)
    found = find(pool.labels, tune, space, objective_of("gap"), Options())
    assert found.best.score == max(entry.score for level in found.board.levels.values() for entry in level.values())
