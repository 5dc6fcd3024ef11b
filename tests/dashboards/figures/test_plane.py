from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.plane import plane_figure, plane_info
from gapsack.dashboards.records import SweepRecords, TrialRecord
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


def trace(figure: Any, name: str) -> Any:
    return next(trace for trace in figure.data if trace.name == name)


def test_models_are_on_the_frontier_or_inferior(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    assert [(point.name, point.size_bytes, point.gap) for point in info.frontier] == [
        ("K8-H64", 3 * MIB, 0.86),
        ("K8-H128", 4 * MIB, 0.865),
        ("K16-H128", 6 * MIB, 0.87),
    ]
    assert [(point.name, point.dominated_by) for point in info.inferior] == [("K16-H64", "K8-H128")]
    assert info.budget_bytes == 10 * MIB


def test_members_and_ensemble_are_placed(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    assert [(point.name, point.weight, point.colour) for point in info.members] == [
        ("K16-H128", 0.6, 0),
        ("K8-H64", 0.4, 1),
    ]
    assert info.ensemble is not None
    assert (info.ensemble.size_bytes, info.ensemble.gap) == (9 * MIB + MIB // 2, 0.88)  # the reserve included
    assert info.ensemble.single is not None
    assert info.ensemble.single.name == "K16-H128"


def test_a_member_stands_at_the_size_of_its_own_precision(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["members"][0] |= {"precision": "int8", "size_bytes": 2 * MIB}
    info = plane_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    member = next(point for point in info.members if point.name == "K8-H64")
    assert (member.precision, member.size_bytes, member.gap) == ("int8", 2 * MIB, 0.86)


def test_the_best_single_model_fits_the_budget(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    ensemble["budget_bytes"] = 5 * MIB
    info = plane_info(replace(records, ensembles=(Ensemble.from_dict(ensemble),)))
    assert info is not None
    assert info.ensemble is not None
    assert info.ensemble.single is not None
    assert info.ensemble.single.name == "K8-H128"


def test_nothing_to_place_is_none(records: SweepRecords) -> None:
    assert plane_info(SweepRecords("empty")) is None
    assert plane_info(replace(records, trials=records.trials[4:])) is None
    assert plane_info(replace(records, precision="int4")) is None


def test_hover_says_who_dominates(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    (hover,) = trace(plane_figure(info), "inferior").hovertext
    assert "K16-H64" in hover
    assert "inferior to K8-H128" in hover


def test_the_figure_shows_every_model_once_and_the_ensemble(records: SweepRecords) -> None:
    info = plane_info(records)
    assert info is not None
    figure = plane_figure(info)
    assert list(trace(figure, "Pareto frontier").x) == [3, 4, 6]
    assert list(trace(figure, "inferior").y) == [0.864]
    assert list(trace(figure, "in the ensemble").customdata) == ["K16-H128", "K8-H64"]
    assert list(trace(figure, "ensemble").x) == [9.5]
    assert any("budget 10 MiB" in note.text for note in figure.layout.annotations)


@pytest.mark.parametrize("keep", [slice(0, 1), slice(0, 3)])
def test_without_an_ensemble_or_a_budget(records: SweepRecords, keep: slice) -> None:
    bare = replace(records, trials=records.trials[keep], ensembles=(), budget_bytes=None, inferior={})
    info = plane_info(bare)
    assert info is not None
    assert (info.ensemble, info.members, info.budget_bytes) == (None, (), None)
    figure = plane_figure(info)
    assert len(figure.data) == 1
    assert not figure.layout.shapes


def test_names_are_escaped(trial: Callable[..., TrialRecord]) -> None:
    info = plane_info(SweepRecords("s", trials=(trial(8, 64, 3, 0.86, name="<a href='x'>K</a>"),)))
    assert info is not None
    shown = plane_figure(info).data[0]
    assert shown.text == ("&lt;a href='x'&gt;K&lt;/a&gt;",)
    assert "<a" not in shown.hovertext[0]
