from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gapsack.dashboards.figures.heat_map import MOST_VALUES, heat_map_figure, heat_map_info
from gapsack.dashboards.records import SweepRecords, TrialRecord

MIB = 2**20


def test_two_hyperparameters_make_a_grid(records: SweepRecords) -> None:
    info = heat_map_info(records)
    assert info is not None
    assert (info.kind, info.x_name, info.y_name) == ("grid", "clusters", "hidden")
    assert (info.x_values, info.y_values) == ((8, 16), (64, 128))  # of finished trials only
    cells = {(cell.x, cell.y): cell for cell in info.cells}
    assert {key: cell.gap for key, cell in cells.items()} == {
        (8, 64): 0.86,
        (8, 128): 0.865,
        (16, 64): 0.864,
        (16, 128): 0.87,
    }
    assert cells[8, 128].size_bytes == 4 * MIB
    assert (cells[16, 64].dominated_by, cells[16, 64].member) == ("K8-H128", None)
    assert (cells[16, 128].member, cells[8, 64].member) == (0, 1)


def test_the_grid_is_drawn_with_gaps_where_nothing_was_trained(records: SweepRecords) -> None:
    info = heat_map_info(replace(records, trials=records.trials[1:4]))
    assert info is not None
    figure = heat_map_figure(info)
    assert [list(row) for row in figure.data[0].z] == [[None, 0.864], [0.865, 0.87]]
    texts = dict(zip(figure.data[1].customdata, figure.data[1].text, strict=True))
    assert texts["K16-H128"] == "<b>0.8700</b><br>6.00 MiB"
    assert figure.layout.xaxis.ticktext == ("8", "16")


def test_a_third_hyperparameter_is_folded_into_the_best(trial: Callable[..., TrialRecord]) -> None:
    trials = tuple(
        trial(
            clusters,
            hidden,
            clusters,
            0.8 + clusters / 1000 + rate,
            name=f"{clusters}-{hidden}-{rate}",
            hyperparameters={"rate": rate, "clusters": clusters, "hidden": hidden},
        )
        for clusters in (8, 16, 32)
        for hidden in (64, 128, 256)
        for rate in (0.001, 0.01)
    )
    info = heat_map_info(SweepRecords("s", trials=trials))
    assert info is not None
    assert (info.x_name, info.y_name, info.folded) == ("clusters", "hidden", ("rate",))
    assert len(info.cells) == 9
    assert all(cell.others == 1 for cell in info.cells)
    assert all(cell.trial.endswith("0.01") for cell in info.cells)


def test_one_hyperparameter_makes_a_line(trial: Callable[..., TrialRecord]) -> None:
    trials = tuple(trial(8, hidden, hidden, 0.8 + hidden / 10_000) for hidden in (256, 64, 128))
    info = heat_map_info(SweepRecords("s", trials=trials))
    assert info is not None
    assert (info.kind, info.x_name, info.y_name) == ("line", "hidden", None)
    figure = heat_map_figure(info)
    assert list(figure.data[0].x) == [64, 128, 256]
    assert figure.layout.xaxis.type == "log"


def test_many_values_make_a_scatter(trial: Callable[..., TrialRecord]) -> None:
    trials = tuple(trial(8 + index, 64 + 7 * index, 1, 0.8 + index / 1000) for index in range(MOST_VALUES + 1))
    info = heat_map_info(SweepRecords("s", trials=trials))
    assert info is not None
    assert info.kind == "scatter"
    figure = heat_map_figure(info)
    assert list(figure.data[0].marker.color) == pytest.approx([0.8 + index / 1000 for index in range(MOST_VALUES + 1)])


@pytest.mark.parametrize("values", [["relu", "gelu", "swish"], [True, False]])
def test_values_that_are_no_numbers_are_categories(trial: Callable[..., TrialRecord], values: list[Any]) -> None:
    trials = tuple(trial(8, 64, 1, 0.8, name=str(value), hyperparameters={"activation": value}) for value in values)
    info = heat_map_info(SweepRecords("s", trials=trials))
    assert info is not None
    figure = heat_map_figure(info)
    assert figure.layout.xaxis.type == "category"
    assert set(figure.data[0].x) == {str(value) for value in values}


def test_nothing_varied_is_none(records: SweepRecords) -> None:
    assert heat_map_info(SweepRecords("empty")) is None
    assert heat_map_info(replace(records, trials=records.trials[:1])) is None
    assert heat_map_info(replace(records, trials=records.trials[4:])) is None
