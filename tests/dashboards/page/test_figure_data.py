import re
from dataclasses import replace
from html import unescape

import pytest

from gapsack.dashboards.figures.catalogue import FIGURES, build_figures
from gapsack.dashboards.page.figure_data import figure_data
from gapsack.dashboards.records import SeedPoint, SweepRecords

SEEDS = (SeedPoint("K8-H64", (0.85, 0.87), 0.86, 0.0141), SeedPoint("K8-H128", (0.865,), 0.865, None))


def rows_of(key: str, records: SweepRecords) -> list[list[str]]:
    """The body of a figure's table as text."""
    markup = figure_data(key, records)
    assert markup is not None
    assert markup.startswith('<details class="data"><summary>')
    body = markup[markup.index("<tbody>") : markup.index("</tbody>")]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body)
    return [[unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_what_is_drawn_has_a_table_and_nothing_else_has(records: SweepRecords) -> None:
    drawn = build_figures(replace(records, seeds=SEEDS))
    assert set(drawn) == {kind.key for kind in FIGURES} - {"frontier"}
    assert all(rows_of(key, replace(records, seeds=SEEDS)) for key in drawn)
    assert [figure_data(kind.key, SweepRecords("empty")) for kind in FIGURES] == [None] * len(FIGURES)


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("plane", ["the ensemble", "9.50", "0.8800", "chosen"]),
        ("plane", ["K16-H128", "6.00", "0.8700", "in the ensemble, in float16"]),
        ("plane", ["K8-H128", "4.00", "0.8650", "on the Pareto frontier"]),
        ("plane", ["K8-H64 + K16-H128", "10.00", "0.8802", "the best ensemble from this size on"]),
        ("comparison", ["the runner-up", "+0.0002", "−0.0010", "+0.0014", "K8-H64 + K8-H128"]),
        ("composition", ["K16-H128", "6.00 MiB", "60.0%", "60.0%"]),
        ("composition", ["the graph", "0.500 MiB", "5.0%", "–"]),
        ("frontier", ["9.00", "0.8800", "K8-H64 + K16-H128"]),
        ("heat_map", ["K16-H64", "16", "64", "0.8640", "0"]),
        ("seeds", ["K8-H64", "0.8600", "0.0141", "0.8500, 0.8700"]),
        ("history", ["K16-H64", "0.8640", "0.8650"]),
        ("importance", ["hidden", "75.0%"]),
        ("loss", ["K32-H64", "50.0000", "10.0000", "5", "10.0000", "5"]),
        ("gap", ["K8-H64", "0.8020", "0.8200", "20", "0.8200", "20"]),
    ],
)
def test_the_values_are_those_of_the_figure(records: SweepRecords, key: str, row: list[str]) -> None:
    assert row in rows_of(key, replace(records, seeds=SEEDS))
