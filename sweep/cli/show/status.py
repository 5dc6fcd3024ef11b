"""The tables of `sweep status` and `sweep list`, and the same as plain values for `--json`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gapsack.selection.decimals import (
    SCORE_DECIMALS,
    mib_numbers,
    per_mib_texts,
    score_decimals,
    score_text,
    score_texts,
)
from gapsack.selection.units import mib
from gapsack.sweep.cli.app import Column, messages, output, print_reasons, print_table
from gapsack.sweep.cli.show.cells import fixed
from gapsack.sweep.cli.show.seeds import print_spreads, spreads_of
from gapsack.sweep.runs.data_faults import data_faults
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.status import RunState, TrialState

COSTS = (("MFLOPs", "flops", 1e-6, 1), ("latency ms", "latency_ms", 1.0, 2))
"""Title, key of a trial's record, factor and digits of what a forward pass costs; shown where a trial has it."""


def print_status(state: RunState) -> None:
    """A run's trials, then a line that sums up."""
    precision, items = state.grid.budget.precision, state.grid.data.task.items
    numbers = [Column(title, True) for title in ("step", "loss", "GAP", f"{precision} MiB", f"{items}/s")]
    sizes = mib_numbers([trial.plan.size_bytes[precision] for trial in state.trials])
    rows = [_status_row(trial, size) for trial, size in zip(state.trials, sizes, strict=True)]
    if any(trial.ensemble_gain for trial in state.trials):
        numbers += [Column(title, True) for title in ("adds GAP", "a MiB")]
        rows = [[*row, *cells] for row, cells in zip(rows, _gain_cells(state.trials), strict=True)]
    columns = [Column("trial"), Column("status"), *numbers]
    for title, key, factor, digits in COSTS:
        costs = [None if trial.record is None else getattr(trial.record, key) for trial in state.trials]
        if any(cost is not None for cost in costs):
            columns.append(Column(title, True))
            cells = (fixed(None if cost is None else cost * factor, digits) for cost in costs)
            rows = [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    if len(state.hosts) > 1:
        columns.append(Column("host"))
        rows = [[*row, trial.host] for row, trial in zip(rows, state.trials, strict=True)]
    print_table(columns, rows)
    _print_budget_of_gains(state)
    print_spreads(spreads_of(state))
    print_reasons({trial.plan.name: trial.reason for trial in state.trials})
    print_notices(state.notices)
    print_faults(state)
    early = f", {len(state.stopped)} stopped early" if state.stopped else ""
    done = f"{state.count('done')} of {state.wanted} trials done"
    output().print(f"\n{state.run.address}: {state.status}, {done}{early}{best_text(state.best)}.")


def _print_budget_of_gains(state: RunState) -> None:
    """What `adds GAP` is measured under, where it is shown."""
    gains = [trial.ensemble_gain for trial in state.trials if trial.ensemble_gain is not None]
    if gains:
        budgets = sorted({gain.budget_bytes for gain in gains if gain.budget_bytes is not None})
        told = " and ".join(f"{mib(budget):g} MiB" for budget in budgets) or "no budget (budget.mib is not set)"
        output().print(f"adds GAP: to the best ensemble under {told} of the models that were done by then.")


def best_text(best: TrialState | None) -> str:
    """The end of a sentence on a sweep's trials: which of them is best; "" while none is done."""
    return "" if best is None or best.gap is None else f"; best {best.plan.name} with GAP {score_text(best.gap)}"


def print_notices(notices: Iterable[str]) -> None:
    """What a person should know besides, on standard error."""
    for notice in notices:
        messages().print(notice)


def print_faults(state: RunState) -> None:
    """What was wrong with the data that trials were trained and measured on, where something was."""
    for each in data_faults(state.trials):
        output().print(f"\n{each.text[0].upper()}{each.text[1:]}")


def _gain_cells(trials: Sequence[TrialState]) -> list[tuple[str | None, str | None]]:
    """What each adds to the best ensemble, and that by MiB."""
    gains = [None if trial.ensemble_gain is None else trial.ensemble_gain.gain for trial in trials]
    by_mib = [None if trial.ensemble_gain is None else trial.ensemble_gain.gain_per_mib for trial in trials]
    return list(zip(score_texts(gains, score_decimals(values=gains)), per_mib_texts(by_mib), strict=True))


def _status_row(trial: TrialState, size: str | None) -> list[object]:
    step, speed = trial.latest("step"), trial.latest("videos_per_second")
    return [
        trial.plan.name,
        trial.status,
        None if step is None else int(step),
        fixed(trial.latest("loss"), SCORE_DECIMALS),
        fixed(trial.gap, SCORE_DECIMALS),
        size,
        fixed(speed, 1),
    ]


def status_values(state: RunState) -> dict[str, Any]:
    """A run's state as plain values."""
    return {
        "name": state.run.name,
        "path": state.run.address,
        "status": state.status,
        "wanted": state.wanted,
        "done": state.count("done"),
        "stopped_early": len(state.stopped),
        "notices": list(state.notices),
        "trials": [{**trial_values(trial), "started_from": _started_from(state, trial)} for trial in state.trials],
        "points": [spread.to_dict() for spread in spreads_of(state)],
        "data_faults": [each.to_dict() for each in data_faults(state.trials)],
    }


def trial_values(trial: TrialState) -> dict[str, Any]:
    """A trial's state as plain values."""
    step, gain = trial.latest("step"), trial.ensemble_gain
    return {
        "name": trial.plan.name,
        "status": trial.status,
        "reason": trial.reason,
        "step": None if step is None else int(step),
        "loss": trial.latest("loss"),
        "gap": trial.gap,
        "size_bytes": trial.plan.size_bytes,
        **{key: None if trial.record is None else getattr(trial.record, key) for _, key, _, _ in COSTS},
        "videos_per_second": trial.latest("videos_per_second"),
        "host": trial.host,
        "ensemble_gain": None if gain is None else gain.gain,
        "ensemble_gain_per_mib": None if gain is None else gain.gain_per_mib,
        "hyperparameters": trial.plan.hyperparameters,
        "axes": trial.point.axes,
    }


def _started_from(state: RunState, trial: TrialState) -> dict[str, Any] | None:
    """Whose weights a trial began with, by its record, or is to begin with; None for random ones."""
    start = state.grid.training.start_from
    planned = None if start is None else start.source(trial.plan.name)
    found = planned if trial.record is None else trial.record.started_from
    return None if found is None else found.to_dict()


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
        fixed(values["gap"], SCORE_DECIMALS),
        values["started"],
    ]


def run_values(state: RunState) -> dict[str, Any]:
    """A run in one line, as plain values."""
    best = state.best
    return {
        "name": state.run.name,
        "path": state.run.address,
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
