from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.comparison import comparison_figure, comparison_info
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.report.ensemble import Ensemble


def test_the_ensemble_stands_beside_its_rivals(records: SweepRecords) -> None:
    info = comparison_info(records)
    assert info is not None
    assert [(score.label, score.held_out, score.everywhere) for score in info.scores] == [
        ("Ensemble", 0.879, 0.88),
        ("Runner-up", None, 0.8796),
        ("Best single", 0.8695, 0.87),
    ]
    assert info.confidence == 0.95


def test_intervals_reach_from_low_to_high(records: SweepRecords) -> None:
    info = comparison_info(records)
    assert info is not None
    held_out, everywhere = comparison_figure(info).data
    assert list(held_out.x) == [0.879, 0.8695]
    assert list(held_out.y) == [0, 2]
    assert held_out.error_x.array == pytest.approx((0.003, 0))
    assert held_out.error_x.arrayminus == pytest.approx((0.003, 0))
    assert list(everywhere.y) == [0, 1, 2]


def test_without_rivals_there_is_nothing_to_compare(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    alone = {key: value for key, value in ensemble.items() if key not in ("best_single", "runner_up")}
    assert comparison_info(replace(records, ensembles=(Ensemble.from_dict(alone),))) is None
    assert comparison_info(SweepRecords("empty")) is None


def test_without_held_out_scores_only_rings_are_drawn(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    del ensemble["held_out"], ensemble["best_single"]["held_out_score"]
    info = comparison_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    figure = comparison_figure(info)
    assert len(figure.data) == 1
    assert list(figure.data[0].x) == [0.88, 0.8796, 0.87]


def test_cross_fitted_scores_are_called_so(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["held_out"] |= {"cross_fitted": True}
    info = comparison_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    told, _ = comparison_figure(info).data
    assert told.name == "cross-fitted videos, 95% interval"
    assert "cross-fitted score 0.8790" in told.hovertext[0]
