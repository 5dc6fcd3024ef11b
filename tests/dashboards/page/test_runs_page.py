"""Several runs beside each other: who is ahead, one plane, and a row for each."""

import re
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from gapsack.dashboards.figures.runs_plane import runs_plane_figure, runs_plane_info
from gapsack.dashboards.page.runs_page import UNTESTED, runs_page, verdict
from gapsack.dashboards.records import RunsRecords, SweepRecords
from gapsack.dashboards.report import write_runs_report
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


@pytest.fixture
def weaker(records: SweepRecords, ensemble: dict[str, Any]) -> SweepRecords:
    """The same with lower scores, another name and another budget."""
    trials = tuple(each if each.gap is None else replace(each, gap=each.gap - 0.01) for each in records.trials)
    held_out = {**ensemble["held_out"], "score": 0.872, "interval": [0.869, 0.875]}
    content = Ensemble.from_dict({**ensemble, "gap": 0.874, "held_out": held_out, "budget_bytes": 12 * MIB})
    return replace(records, name="weaker", trials=trials, ensembles=(content,), frontier=(), frontier_singles=())


def rows_of(text: str, caption: str) -> list[list[str]]:
    table = text[text.index(f"<caption>{escape(caption)}") :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]
    return [[unescape(re.sub("<[^>]*>", "", cell)) for cell in row] for row in cells]


def test_the_verdict_ranks_by_what_is_expected_on_new_items(records: SweepRecords, weaker: SweepRecords) -> None:
    assert verdict([weaker, records]) == (
        "small is ahead: its ensemble has a held-out GAP@20 of 0.8790 in 9.50 MiB of 10 MiB, 0.0070 above weaker."
    )
    assert verdict([records, replace(records, name="same")]).startswith("small and same are level: ")


def test_without_an_ensemble_in_each_the_best_models_are_ranked(records: SweepRecords, weaker: SweepRecords) -> None:
    assert verdict([records, replace(weaker, ensembles=())]) == (
        "small is ahead: its best single model, K16-H128, has a GAP@20 of 0.8700, 0.0100 above weaker."
    )
    assert verdict([records, SweepRecords("empty")]) == "2 runs beside each other, of which 1 can be ranked yet."


def test_ensembles_of_different_metrics_are_not_ranked(
    records: SweepRecords, weaker: SweepRecords, ensemble: dict[str, Any]
) -> None:
    other = Ensemble.from_dict({**ensemble, "metric": "accuracy", "score": 0.99})
    assert "best single model" in verdict([replace(records, ensembles=(other,)), weaker])


def test_every_run_has_a_row_and_what_differs_stands_below(records: SweepRecords, weaker: SweepRecords) -> None:
    several = RunsRecords((records, weaker), {"training.steps": ("100", "200")}, ("weaker was scored on other items.",))
    text = runs_page(several)
    first, second = rows_of(text, "2 runs beside each other")
    ensemble = ["0.8790 (0.8760 to 0.8820)", "+0.0095 (+0.0080 to +0.0110)", "9.50 of 10.00", "2"]
    assert first == ["small", *ensemble, "K16-H128", "0.8700", "6.00", "4, 3 Pareto"]
    assert (second[0], second[3], second[6]) == ("weaker", "9.50 of 12.00", "0.8600")
    data = rows_of(text, "Each run's best single models")
    assert ["small", "10.00", "0.8802", "K8-H64 + K16-H128"] in data
    assert ["weaker", "6.00", "0.8600", "K16-H128"] in data
    assert data[-1] == ["weaker", "9.50", "0.8740", "the ensemble chosen"]
    assert rows_of(text, "Of the grids") == [["training.steps", "100", "200"]]
    told = re.findall(r'<p class="caution">([^<]*)', text[: text.index("</header>")])
    assert [unescape(each) for each in told] == [
        UNTESTED,
        "Their ensembles had different budgets: 10 MiB of small, 12 MiB of weaker.",
        "weaker was scored on other items.",
    ]


def test_each_run_has_a_colour_and_a_mark_of_its_own(records: SweepRecords, weaker: SweepRecords) -> None:
    info = runs_plane_info([records, weaker, SweepRecords("empty")])
    assert info is not None
    assert info.names == ("small", "weaker")
    traces = runs_plane_figure(info).data
    legend = {trace.name: (trace.marker.color, trace.marker.symbol) for trace in traces if trace.showlegend}
    assert list(legend) == ["small", "weaker"]
    assert len({look[0] for look in legend.values()}) == len({look[1] for look in legend.values()}) == 2
    for trace in traces:
        assert legend[trace.legendgroup][0] == (trace.line.color if trace.mode == "lines" else trace.marker.color)
    chosen = [(trace.legendgroup, trace.y) for trace in traces if trace.marker.symbol == "diamond"]
    assert chosen == [("small", (0.88,)), ("weaker", (0.874,))]
    solid = [trace for trace in traces if trace.mode == "lines" and trace.line.dash is None]
    assert [trace.legendgroup for trace in solid] == ["small"]  # of the other no frontier was searched


def test_many_runs_never_share_both_colour_and_mark(records: SweepRecords) -> None:
    info = runs_plane_info([replace(records, name=f"run {number}") for number in range(20)])
    assert info is not None
    looks = [(each.marker.color, each.marker.symbol) for each in runs_plane_figure(info).data if each.showlegend]
    assert len(set(looks)) == len(looks) == 20


def test_the_file_asks_for_nothing_and_names_stay_text(records: SweepRecords, tmp_path: Path) -> None:
    hostile = replace(records, name="<img src=x onerror=alert(1)>")
    path = write_runs_report(tmp_path / "report.html", RunsRecords((records, hostile)))
    text = path.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "default-src 'none'" in unescape(text)
    assert path.stat().st_size < 1_000_000
    without = write_runs_report(tmp_path / "none.html", RunsRecords((SweepRecords("a"), SweepRecords("b"))))
    assert without.stat().st_size < 100_000  # no figure, no plotly
