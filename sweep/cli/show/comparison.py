"""The tables of `sweep compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.selection.units import mib
from gapsack.sweep.cli.app import Column, output, print_table
from gapsack.sweep.cli.show.cells import fixed
from gapsack.sweep.runs.compare import setting_text


def print_comparison(figures: Sequence[Mapping[str, Any]], settings: Mapping[str, Sequence[Any]]) -> None:
    """A row for each run, then a row for each setting in which they differ."""
    numbers = ("done", "best GAP", "MiB", "models", "Pareto", "members", "of MiB", "GAP", "new items", "ahead of best")
    columns = [Column("run"), Column("status"), Column("best trial"), *(Column(name, True) for name in numbers)]
    print_table(columns, [_row(each) for each in figures])
    output().print("")
    if not settings:
        output().print("Their settings are the same.")
        return
    rows = [[name, *map(setting_text, values)] for name, values in settings.items()]
    print_table([Column("setting"), *(Column(each["run"]) for each in figures)], rows)


def _row(run: Mapping[str, Any]) -> list[object]:
    members, lead = run["ensemble_members"], run["lead"]
    sizes = None if members is None else f"{mib(run['ensemble_bytes']):.1f}/{mib(run['budget_bytes']):.1f}"
    return [
        run["run"],
        run["status"],
        run["best"],
        f"{run['done']}/{run['wanted']}",
        fixed(run["best_gap"], 4),
        None if run["best_bytes"] is None else f"{mib(run['best_bytes']):.2f}",
        run["models"],
        run["pareto"],
        members,
        sizes,
        fixed(run["ensemble_gap"], 4),
        fixed(run["ensemble_new_videos"], 4),
        None if lead is None else f"{lead:+.4f} ± {run['lead_error']:.4f}",
    ]
