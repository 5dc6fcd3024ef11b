"""The tables of `sweep plan`, `status` and `list`, and the same as plain values for `--json`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.selection.units import mib
from gapsack.sweep.cli.app import Column, output, print_table
from gapsack.sweep.grid.plan import PlannedTrial
from gapsack.sweep.grid.schema import Grid, Sampler, Space
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.status import RunState, TrialState


def print_plan(grid: Grid, trials: Sequence[PlannedTrial]) -> None:
    """A plan's trials with their sizes in MiB, then a line that sums up."""
    sampler = grid.search.sampler
    precisions = list(trials[0].size_bytes)
    columns = [Column("trial"), Column("parameters", True), *[Column(name, True) for name in precisions]]
    rows = [
        [
            trial.name,
            f"{trial.parameters:,}",
            *[f"{mib(trial.size_bytes[name]):.2f}" for name in precisions],
            trial.status,
        ]
        for trial in trials
    ]
    print_table([*columns, Column("status")], rows)
    _print_reasons({trial.name: trial.reason for trial in trials})
    out = output()
    if sampler is not None:
        out.print(f"\n{sampler.kind} draws {sampler.trials} trials, from {describe_space(sampler)}. Sizes in MiB.")
        return
    skipped = sum(trial.status == "skipped" for trial in trials)
    out.print(f"\n{len(trials) - skipped} trials to train, {skipped} skipped. Sizes in MiB.")


def _print_reasons(reasons: Mapping[str, str | None]) -> None:
    """Below a table, where there is room for sentences."""
    for name, reason in reasons.items():
        if reason is not None:
            output().print(f"{name}: {reason}")


def describe_space(sampler: Sampler) -> str:
    """A sampler's space in words: `clusters in 8, 16; hidden from 32 to 512 by 32`."""
    return "; ".join(f"{key} {_describe_axis(space)}" for key, space in sampler.space.items())


def _describe_axis(space: Space) -> str:
    if space.choices is not None:
        return f"in {', '.join(str(choice) for choice in space.choices)}"
    by = f" by {space.step}" if space.step is not None else ""
    return f"from {space.low} to {space.high}{by}{' (log)' if space.log else ''}"


def print_status(state: RunState) -> None:
    """A run's trials, then a line that sums up."""
    precision = state.grid.budget.precision
    numbers = [Column(title, True) for title in ("step", "loss", "GAP", f"{precision} MiB", "videos/s")]
    print_table(
        [Column("trial"), Column("status"), *numbers], [_status_row(trial, precision) for trial in state.trials]
    )
    _print_reasons({trial.plan.name: trial.reason for trial in state.trials})
    best = state.best
    top = f"; best {best.plan.name} with GAP {best.gap:.4f}" if best is not None else ""
    output().print(f"\n{state.run.path}: {state.status}, {state.count('done')} of {state.wanted} trials done{top}.")


def _status_row(trial: TrialState, precision: str) -> list[object]:
    step, speed = trial.latest("step"), trial.latest("videos_per_second")
    return [
        trial.plan.name,
        trial.status,
        None if step is None else int(step),
        _number(trial.latest("loss"), 4),
        _number(trial.gap, 4),
        f"{mib(trial.plan.size_bytes[precision]):.2f}",
        _number(speed, 1),
    ]


def status_values(state: RunState) -> dict[str, Any]:
    """A run's state as plain values."""
    return {
        "name": state.run.name,
        "path": str(state.run.path),
        "status": state.status,
        "wanted": state.wanted,
        "done": state.count("done"),
        "trials": [trial_values(trial) for trial in state.trials],
    }


def trial_values(trial: TrialState) -> dict[str, Any]:
    """A trial's state as plain values."""
    step = trial.latest("step")
    return {
        "name": trial.plan.name,
        "status": trial.status,
        "reason": trial.reason,
        "step": None if step is None else int(step),
        "loss": trial.latest("loss"),
        "gap": trial.gap,
        "size_bytes": trial.plan.size_bytes,
        "videos_per_second": trial.latest("videos_per_second"),
        "hyperparameters": trial.plan.hyperparameters,
    }


def print_runs(states: Sequence[RunState]) -> None:
    """Runs, newest first."""
    columns = [
        Column("run"),
        Column("status"),
        Column("done", True),
        Column("failed", True),
        Column("best trial"),
        Column("GAP", True),
        Column("started"),
    ]
    print_table(columns, [_run_row(run_values(state)) for state in states])


def _run_row(values: Mapping[str, Any]) -> list[object]:
    return [
        values["name"],
        values["status"],
        f"{values['done']}/{values['wanted']}",
        values["failed"],
        values["best"],
        _number(values["gap"], 4),
        values["started"],
    ]


def run_values(state: RunState) -> dict[str, Any]:
    """A run in one line, as plain values."""
    best = state.best
    return {
        "name": state.run.name,
        "path": str(state.run.path),
        "status": state.status,
        "wanted": state.wanted,
        "done": state.count("done"),
        "failed": state.count("failed"),
        "best": None if best is None else best.plan.name,
        "gap": None if best is None else best.gap,
        "started": started(state.run),
    }


def started(run: RunFolder) -> str:
    """When the run was last started, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(run.config_file.stat().st_mtime))


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
