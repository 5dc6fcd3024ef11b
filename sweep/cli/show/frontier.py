"""What `select frontier` draws and prints: the best ensemble of every budget, and what another MiB buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gapsack.selection.decimals import mib_numbers, per_mib_texts, score_texts, telling_decimals
from gapsack.selection.metrics.registry import title_of
from gapsack.sweep.cli.app import Column, output, print_table


def write_plot(record: Mapping[str, Any], path: Path, name: str) -> None:
    """Write the figure of a pool of that name as an HTML file that opens offline."""
    from gapsack.dashboards.records import SweepRecords
    from gapsack.dashboards.report import write_figure
    from gapsack.sweep.runs.report import drawn_frontier

    drawn = drawn_frontier(record)
    records = SweepRecords(
        name,
        frontier=drawn.points,
        frontier_singles=drawn.singles,
        frontier_metric=drawn.metric,
        frontier_population=drawn.population,
    )
    write_figure(path, "frontier", records)


def print_frontier(record: Mapping[str, Any], path: Path) -> None:
    """A row for each budget from which on a better ensemble fits."""
    metric = "GAP" if record["metric"].startswith("gap@") else title_of(record["metric"])
    columns = [
        Column("from MiB", True),
        Column(f"{metric} tuned", True),
        Column("cross-fitted" if record["split"].get("tune_share", 1.0) is None else "held out", True),
        Column("a MiB buys", True),
        Column("members"),
    ]
    print_table(columns, _rows(record["points"]))
    out = output()
    out.print(f"\n{record['search']['stop_reason']}")
    for note in record.get("notes", ()):
        out.print(note)
    out.print(f"Frontier: {path}")


def _rows(points: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    tuned, held_out = ([point[key] for point in points] for key in ("tuning_score", "held_out_score"))
    digits = telling_decimals(tuned)
    columns = (
        mib_numbers([point["budget_bytes"] for point in points]),
        score_texts(tuned, digits),
        score_texts(held_out, digits),
        per_mib_texts([point["gain_per_mib"] for point in points]),
        [" + ".join(f"{member['name']} {member['precision']}" for member in point["members"]) for point in points],
    )
    return [list(row) for row in zip(*columns, strict=True)]
