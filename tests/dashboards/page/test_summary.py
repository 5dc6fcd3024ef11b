from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gapsack.dashboards.page.summary import SummaryInfo, summary_info
from gapsack.dashboards.records import SweepRecords, TrialRecord, best_trial
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


def tile(info: SummaryInfo, label: str) -> tuple[str, str]:
    return next((tile.value, tile.detail) for tile in info.tiles if tile.label == label)


def test_the_answer_comes_first(records: SweepRecords) -> None:
    info = summary_info(records)
    assert info.sentence == (
        "Two models in 9.50 of 10 MiB reach a held-out GAP@20 of 0.8790, 0.0095 above the best single one."
    )
    assert info.caution == ""
    assert tile(info, "Held-out GAP@20") == ("0.8790", "0.8760 to 0.8820 (95%), 8,750 videos")
    assert tile(info, "Gain by blending") == ("+0.0095", "over K16-H128 alone, +0.0080 to +0.0110")
    assert tile(info, "Size") == ("9.50 MiB", "95.0% of 10 MiB")
    assert tile(info, "Trials done") == ("4 of 6", "1 running, 1 failed, 1 skipped")


def test_a_gain_within_noise_is_called_so(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["difference_to_best_single"] = {"difference": 0.0001, "interval": [-0.001, 0.0012]}
    assert "within noise" in summary_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),))).caution


def test_an_ensemble_above_its_budget_is_called_so(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    assert (
        "larger than its budget"
        in summary_info(
            replace(records, ensembles=(Ensemble.from_dict({**ensemble, "budget_bytes": 9 * MIB}),))
        ).caution
    )


def test_a_blend_that_loses_says_below(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["difference_to_best_single"] = {"difference": -0.002}
    assert (
        "0.0020 below the best single one"
        in summary_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),))).sentence
    )


def test_one_member_is_not_compared_with_itself(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["members"] = [ensemble["members"][1] | {"weight": 1.0}]
    ensemble["difference_to_best_single"] = {"difference": 0.0, "interval": [0.0, 0.0], "within_noise": True}
    info = summary_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info.sentence == "One model in 6.50 of 10 MiB reaches a held-out GAP@20 of 0.8790."
    assert info.caution == ""
    assert "Gain by blending" not in [tile.label for tile in info.tiles]


def test_without_an_ensemble_the_best_model_is_the_answer(records: SweepRecords) -> None:
    info = summary_info(replace(records, ensembles=()))
    assert info.sentence == "No ensemble yet. The best single model is K16-H128."
    assert tile(info, "Best single GAP@20") == ("0.8700", "K16-H128")


def test_of_equal_scores_the_smaller_model_is_best(trial: Callable[..., TrialRecord]) -> None:
    best = best_trial(SweepRecords("s", trials=(trial(16, 64, 5, 0.8), trial(8, 64, 3, 0.8))))
    assert best is not None
    assert best.name == "K8-H64"


def test_states_without_a_finished_trial(records: SweepRecords) -> None:
    failed, skipped, running = records.trials[4:]
    assert summary_info(SweepRecords("s")) == SummaryInfo("No trials yet.", ())
    assert summary_info(SweepRecords("s", trials=(failed, skipped))).sentence == (
        "No trial has finished: 1 of 2 failed."
    )
    assert summary_info(SweepRecords("s", trials=(failed, running))).sentence == "No trial has finished yet."


def test_a_cross_fitted_figure_is_called_so(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["held_out"] |= {"cross_fitted": True, "videos": 8750, "folds": [{"score": 0.87}, {"score": 0.89}]}
    info = summary_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert "reach a cross-fitted GAP@20 of 0.8790" in info.sentence
    told = "0.8760 to 0.8820 (95%), cross-fitted on 8,750 videos in 2 folds"
    assert tile(info, "Cross-fitted GAP@20") == ("0.8790", told)
