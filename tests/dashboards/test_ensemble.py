from typing import Any

import pytest

from gapsack.dashboards.ensemble import chosen_ensemble, ensemble_info, metric_text
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.errors import InputError
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember

MIB = 2**20


def test_members_come_by_decreasing_weight(ensemble: dict[str, Any]) -> None:
    info = ensemble_info(Ensemble.from_dict(ensemble))
    assert [(member.name, member.weight) for member in info.members] == [("K16-H128", 0.6), ("K8-H64", 0.4)]
    assert info.member("K8-H64") == 1
    assert info.member("K9-H9") is None
    assert info.free_bytes == MIB // 2


def test_scores_and_rivals_are_read(ensemble: dict[str, Any]) -> None:
    info = ensemble_info(Ensemble.from_dict(ensemble))
    assert (info.score.everywhere, info.score.held_out, info.score.interval) == (0.88, 0.879, (0.876, 0.882))
    assert info.best_single is not None
    assert (info.best_single.names, info.best_single.held_out) == (("K16-H128",), 0.8695)
    assert info.runner_up is not None
    assert info.runner_up.names == ("K8-H64", "K8-H128")
    assert (info.gain, info.gain_interval) == (0.0095, (0.008, 0.011))


def test_the_gain_never_mixes_held_out_scores_with_others(ensemble: dict[str, Any]) -> None:
    del ensemble["difference_to_best_single"]
    info = ensemble_info(Ensemble.from_dict(ensemble))
    assert info.gain == pytest.approx(0.879 - 0.8695)
    del ensemble["best_single"]["held_out_score"]
    info = ensemble_info(Ensemble.from_dict(ensemble))
    assert info.gain == pytest.approx(0.88 - 0.87)
    del ensemble["best_single"]["gap"]
    assert ensemble_info(Ensemble.from_dict(ensemble)).gain is None


def test_only_members_and_budget_are_required(ensemble: dict[str, Any]) -> None:
    info = ensemble_info(Ensemble.from_dict({"members": ensemble["members"], "budget_bytes": 10 * MIB}))
    assert info.total_bytes == 9 * MIB
    assert info.score.best_known is None
    assert info.best_single is None


def test_another_metric_is_never_mixed_with_gap(ensemble: dict[str, Any]) -> None:
    ensemble |= {"metric": "map", "score": 0.5}
    ensemble["held_out"]["score"] = 0.49
    ensemble["best_single"]["held_out_score"] = 0.47
    info = ensemble_info(Ensemble.from_dict(ensemble))
    assert info.metric == "mean AP"
    assert info.gap == 0.88
    assert (info.score.everywhere, info.score.held_out) == (0.5, 0.49)
    assert info.best_single is not None
    assert (info.best_single.everywhere, info.best_single.held_out) == (None, 0.47)


@pytest.mark.parametrize(
    ("metric", "text"), [("gap", "GAP@20"), ("gap@5", "GAP@5"), ("log_loss", "negative log loss"), ("mine", "mine")]
)
def test_metrics_are_named_as_people_write_them(metric: str, text: str) -> None:
    assert metric_text(metric) == text


def test_what_the_search_writes_is_what_is_read() -> None:
    difference = {"difference": 0.01, "interval": [0.005, 0.015], "standard_error": 0.002, "within_noise": False}
    written = Ensemble(
        members=(EnsembleMember("a", "float16", 0.7, 3 * MIB), EnsembleMember("b", "int8", 0.3, MIB)),
        blend="logit",
        total_bytes=4 * MIB,
        reserve_bytes=MIB,
        budget_bytes=6 * MIB,
        metric="gap@20",
        score=0.8,
        tuning_score=0.81,
        gap=0.8,
        tuning_gap=0.81,
        gap_interval=(0.8, 0.8),
        open_videos={"count": 0, "ids": []},
        held_out={"gap": 0.79, "score": 0.79, "interval": [0.78, 0.80], "confidence": 0.9, "videos": 50, "folds": []},
        best_single={"name": "a", "precision": "float16", "size_bytes": 3 * MIB, "gap": 0.79, "held_out_score": 0.78},
        runner_up=None,
        difference_to_best_single=difference,
        difference_to_runner_up=None,
        preference="The best score.",
        search={"evaluations": 7, "stop_reason": "Complete."},
        seeds={"seed": 0},
    )
    info = ensemble_info(Ensemble.from_dict(written.to_dict()))
    assert [vars(member) for member in info.members] == [vars(member) for member in written.members]
    assert (info.blend, info.metric, info.gap) == ("logit", "GAP@20", 0.8)
    assert (info.total_bytes, info.free_bytes) == (5 * MIB, MIB)
    assert (info.score.everywhere, info.score.held_out, info.score.interval) == (0.8, 0.79, (0.78, 0.80))
    assert (info.confidence, info.held_out_videos) == (0.9, 50)
    assert info.best_single is not None
    assert (info.best_single.names, info.best_single.held_out) == (("a",), 0.78)
    assert (info.runner_up, info.gain, info.gain_interval) == (None, 0.01, (0.005, 0.015))


def test_members_without_sizes_cannot_be_reported_on(ensemble: dict[str, Any]) -> None:
    del ensemble["members"][0]["size_bytes"]
    with pytest.raises(InputError, match="size_bytes"):
        ensemble_info(Ensemble.from_dict(ensemble))


def test_a_score_that_is_not_finite_is_no_score(ensemble: dict[str, Any]) -> None:
    ensemble["gap"] = float("nan")
    ensemble["held_out"] = {"gap": None, "interval": [float("nan"), 0.9]}
    score = ensemble_info(Ensemble.from_dict(ensemble)).score
    assert (score.everywhere, score.held_out, score.interval) == (None, None, None)


def test_the_newest_ensemble_is_the_answer(ensemble: dict[str, Any]) -> None:
    newer, older = (Ensemble.from_dict({**ensemble, "budget_bytes": size * MIB}) for size in (20, 10))
    chosen = chosen_ensemble(SweepRecords("s", ensembles=(older, newer)))
    assert chosen is not None
    assert chosen.budget_bytes == 20 * MIB
    assert chosen_ensemble(SweepRecords("s")) is None
