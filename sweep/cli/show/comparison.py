"""The tables of `sweep compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.selection.decimals import measured_texts, mib_decimals, mib_number, score_texts
from gapsack.sweep.cli.app import Column, output, print_table
from gapsack.sweep.runs.compare import setting_text


def print_comparison(figures: Sequence[Mapping[str, Any]], settings: Mapping[str, Sequence[Any]]) -> None:
    """A row for each run, then a row for each setting in which they differ."""
    numbers = ("done", "best GAP", "MiB", "models", "Pareto", "members", "of MiB", "GAP", "new items", "ahead of best")
    columns = [Column("run"), Column("status"), Column("best trial"), *(Column(name, True) for name in numbers)]
    print_table(columns, _rows(figures))
    output().print("")
    if not settings:
        output().print("Their settings are the same.")
        return
    rows = [[name, *map(setting_text, values)] for name, values in settings.items()]
    print_table([Column("setting"), *(Column(each["run"]) for each in figures)], rows)


def _rows(runs: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    leads = measured_texts([None if run["lead"] is None else (run["lead"], run["lead_error"]) for run in runs])
    scores = zip(
        *(score_texts([run[key] for run in runs]) for key in ("best_gap", "ensemble_gap", "ensemble_new_videos")),
        strict=True,
    )
    digits = mib_decimals([run[key] for run in runs for key in ("best_bytes", "ensemble_bytes", "budget_bytes")])
    return [
        [
            run["run"],
            run["status"],
            run["best"],
            f"{run['done']}/{run['wanted']}",
            best,
            None if run["best_bytes"] is None else mib_number(run["best_bytes"], digits),
            run["models"],
            run["pareto"],
            run["ensemble_members"],
            _of_budget(run, digits),
            ensemble,
            on_new,
            lead,
        ]
        for run, lead, (best, ensemble, on_new) in zip(runs, leads, scores, strict=True)
    ]


def _of_budget(run: Mapping[str, Any], digits: int) -> str | None:
    if run["ensemble_members"] is None:
        return None
    return f"{mib_number(run['ensemble_bytes'], digits)}/{mib_number(run['budget_bytes'], digits)}"
