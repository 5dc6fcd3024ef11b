import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from gapsack.dashboards.figures import curves as drawing
from gapsack.dashboards.figures.curves import MOST_POINTS, curves_figure, curves_info, settled_values, thinned
from gapsack.dashboards.records import CurvePoint, SweepRecords, TrialRecord


def test_members_come_last_so_that_they_are_drawn_on_top(records: SweepRecords) -> None:
    info = curves_info(records, "loss")
    assert info is not None
    assert [(series.trial, series.role) for series in info.series] == [
        ("K32-H64", "failed"),
        ("K8-H128", "other"),
        ("K16-H64", "other"),
        ("K64-H64", "other"),
        ("K16-H128", "member"),
        ("K8-H64", "member"),
    ]


def test_the_best_trial_stands_out_where_there_is_no_ensemble(records: SweepRecords) -> None:
    info = curves_info(replace(records, ensembles=()), "gap")
    assert info is not None
    assert {series.trial: series.role for series in info.series}["K16-H128"] == "best"
    assert sum(series.role == "best" for series in info.series) == 1


def test_each_measure_has_the_steps_at_which_it_was_logged(records: SweepRecords) -> None:
    loss, gap = curves_info(records, "loss"), curves_info(records, "gap")
    assert loss is not None
    assert gap is not None
    assert loss.series[-1].steps == tuple(range(1, 21))
    assert loss.series[-1].values[0] == 50
    assert gap.series[-1].steps == tuple(range(2, 21, 2))
    assert gap.series[-1].values[-1] == pytest.approx(0.82)


def test_values_that_are_not_finite_are_left_out(trial: Callable[..., TrialRecord]) -> None:
    curve = (CurvePoint(1, 9.0), CurvePoint(2, math.nan), CurvePoint(3, math.inf), CurvePoint(4, 7.0))
    info = curves_info(SweepRecords("s", trials=(trial(8, 64, 1, 0.8, curve=curve),)), "loss")
    assert info is not None
    assert (info.series[0].steps, info.series[0].values) == ((1, 4), (9.0, 7.0))


def test_of_very_many_curves_the_members_and_the_best_are_drawn(
    records: SweepRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_CURVES", 3)
    info = curves_info(records, "loss")
    assert info is not None
    assert [(series.trial, series.role) for series in info.series] == [
        ("K8-H128", "other"),
        ("K16-H128", "member"),
        ("K8-H64", "member"),
    ]
    assert info.left_out == 3
    assert curves_figure(info).data[0].name == "other trials (3 not drawn)"


def test_no_curves_is_none(records: SweepRecords) -> None:
    assert curves_info(SweepRecords("empty"), "loss") is None
    only_loss = tuple(replace(t, curve=tuple(replace(p, gap=None) for p in t.curve)) for t in records.trials)
    assert curves_info(replace(records, trials=only_loss), "gap") is None


def test_thinning_keeps_the_ends_and_the_best() -> None:
    points = [(step, -abs(step - 777) / 1000) for step in range(2000)]
    kept = thinned(points, 50, keep_highest=True)
    assert len(kept) <= 51
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert (777, 0.0) in kept
    assert kept == sorted(kept)
    upside_down = [(step, -value) for step, value in points]
    assert (777, 0.0) in thinned(upside_down, 50, keep_highest=False)
    assert thinned(points[:50], 50, keep_highest=True) == points[:50]


def test_hundreds_of_long_curves_stay_drawable(trial: Callable[..., TrialRecord]) -> None:
    curve = tuple(CurvePoint(step, 1.0 + step) for step in range(1000))
    trials = tuple(trial(8, 64, 1, 0.8, name=f"t{index}", curve=curve) for index in range(300))
    info = curves_info(SweepRecords("s", trials=trials), "loss")
    assert info is not None
    assert len(info.series) == 300
    assert sum(len(series.steps) for series in info.series) < 1.1 * MOST_POINTS


def test_the_score_axis_leaves_the_climb_below(records: SweepRecords) -> None:
    info = curves_info(records, "gap")
    assert info is not None
    assert min(settled_values(info)) == pytest.approx(0.802)  # K64-H64, stopped at step 3
    figure = curves_figure(info)
    assert figure.layout.yaxis.range[0] < 0.802


def test_losses_that_span_much_are_on_a_logarithmic_axis(records: SweepRecords) -> None:
    info = curves_info(records, "loss")
    assert info is not None
    assert curves_figure(info).layout.yaxis.type == "log"


def test_every_curve_says_whose_it_is(records: SweepRecords) -> None:
    info = curves_info(records, "loss")
    assert info is not None
    figure = curves_figure(info)
    assert [trace.meta["trial"] for trace in figure.data] == [series.trial for series in info.series]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["failed", "other trials", "K16-H128", "K8-H64"]
