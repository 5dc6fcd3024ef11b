"""What `select frontier` draws and prints: the best ensemble of every budget, and what another MiB buys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gapsack.selection.metrics.registry import title_of
from gapsack.selection.units import mib
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
    print_table(columns, [_row(point) for point in record["points"]])
    out = output()
    out.print(f"\n{record['search']['stop_reason']}")
    for note in record.get("notes", ()):
        out.print(note)
    out.print(f"Frontier: {path}")


def _row(point: Mapping[str, Any]) -> list[str]:
    held_out, gain = point["held_out_score"], point["gain_per_mib"]
    return [
        f"{mib(point['budget_bytes']):.2f}",
        f"{point['tuning_score']:.5f}",
        "" if held_out is None else f"{held_out:.5f}",
        "" if gain is None else f"{gain:.6f}",
        " + ".join(f"{member['name']} {member['precision']}" for member in point["members"]),
    ]
