from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.composition import composition_figure, composition_info
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


def test_the_parts_add_up_to_the_budget_and_to_the_vote(records: SweepRecords) -> None:
    info = composition_info(records)
    assert info is not None
    assert [(part.kind, part.label, part.share) for part in info.size] == [
        ("member", "K16-H128", 0.6),
        ("member", "K8-H64", 0.3),
        ("reserve", "the graph", 0.05),
        ("free", "free", 0.05),
    ]
    assert sum(part.share for part in info.size) == pytest.approx(1)
    assert [(part.label, part.share, part.text) for part in info.vote] == [
        ("K16-H128", 0.6, "60.0%"),
        ("K8-H64", 0.4, "40.0%"),
    ]


def test_an_ensemble_above_its_budget_fills_the_bar(records: SweepRecords, ensemble: dict[str, Any]) -> None:
    info = composition_info(replace(records, ensembles=(Ensemble.from_dict({**ensemble, "budget_bytes": 8 * MIB}),)))
    assert info is not None
    assert sum(part.share for part in info.size) == pytest.approx(1)
    assert all(part.kind != "free" for part in info.size)


def test_no_ensemble_is_none() -> None:
    assert composition_info(SweepRecords("empty")) is None


def test_a_member_has_the_same_colour_in_both_bars(records: SweepRecords) -> None:
    info = composition_info(records)
    assert info is not None
    figure = composition_figure(info)
    colours: dict[str, set[str]] = {}
    for bar in figure.data:
        if bar.text:
            colours.setdefault(bar.text[0].partition("<br>")[0], set()).add(bar.marker.color)
    assert {label: len(found) for label, found in colours.items()} == {"<b>K16-H128</b>": 1, "<b>K8-H64</b>": 1}
