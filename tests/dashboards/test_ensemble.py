from typing import Any

import pytest

from dashboards.ensemble import chosen_ensemble, ensemble_info
from dashboards.records import SweepRecords
from selection.errors import InputError

MIB = 2**20


def test_members_come_by_decreasing_weight(ensemble: dict[str, Any]) -> None:
    info = ensemble_info(ensemble)
    assert [(member.name, member.weight) for member in info.members] == [("K16-H128", 0.6), ("K8-H64", 0.4)]
    assert info.member("K8-H64") == 1
    assert info.member("K9-H9") is None
    assert info.free_bytes == MIB // 2


def test_scores_and_rivals_are_read(ensemble: dict[str, Any]) -> None:
    info = ensemble_info(ensemble)
    assert (info.score.gap, info.score.held_out_gap, info.score.interval) == (0.88, 0.879, (0.876, 0.882))
    assert info.best_single is not None
    assert (info.best_single.names, info.best_single.held_out_gap) == (("K16-H128",), 0.8695)
    assert info.runner_up is not None
    assert info.runner_up.names == ("K8-H64", "K8-H128")
    assert (info.gain, info.gain_interval, info.gain_is_held_out) == (0.0095, (0.008, 0.011), True)


def test_the_gain_never_mixes_held_out_scores_with_others(ensemble: dict[str, Any]) -> None:
    del ensemble["difference_to_best_single"]
    info = ensemble_info(ensemble)
    assert info.gain == pytest.approx(0.879 - 0.8695)
    assert info.gain_is_held_out
    del ensemble["best_single"]["held_out_gap"]
    info = ensemble_info(ensemble)
    assert info.gain == pytest.approx(0.88 - 0.87)
    assert not info.gain_is_held_out
    del ensemble["best_single"]["gap"]
    assert ensemble_info(ensemble).gain is None


def test_only_members_and_budget_are_required(ensemble: dict[str, Any]) -> None:
    info = ensemble_info({"members": ensemble["members"], "budget_bytes": 10 * MIB})
    assert info.total_bytes == 9 * MIB
    assert info.score.best_known is None
    assert info.best_single is None


@pytest.mark.parametrize("missing", ["members", "budget_bytes"])
def test_a_missing_field_is_named(ensemble: dict[str, Any], missing: str) -> None:
    del ensemble[missing]
    with pytest.raises(InputError, match=missing):
        ensemble_info(ensemble)


def test_a_score_that_is_not_finite_is_no_score(ensemble: dict[str, Any]) -> None:
    ensemble["gap"] = float("nan")
    ensemble["held_out"] = {"gap": None, "interval": [float("nan"), 0.9]}
    score = ensemble_info(ensemble).score
    assert (score.gap, score.held_out_gap, score.interval) == (None, None, None)


def test_the_newest_ensemble_is_the_answer(ensemble: dict[str, Any]) -> None:
    newer = {**ensemble, "budget_bytes": 20 * MIB}
    chosen = chosen_ensemble(SweepRecords("s", ensembles=(ensemble, newer)))
    assert chosen is not None
    assert chosen.budget_bytes == 20 * MIB
    assert chosen_ensemble(SweepRecords("s")) is None
