"""The end of `sweep run`: what came of it, where everything is, and what to type next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gapsack.sweep.cli.app import errors, output
from gapsack.sweep.cli.show.status import best_text, print_notices
from gapsack.sweep.cluster.launch import Launched
from gapsack.sweep.runs.data_faults import data_faults
from gapsack.sweep.runs.status import RunState, run_state
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import is_mirrored


def print_summary(launched: Launched) -> None:
    """Print the summary; failures go to standard error, each with its reason."""
    out, err = output(), errors()
    result, run = launched.result, launched.run
    for name, reason in result.failed.items():
        err.print(f"{name} failed: {reason}")
    state = run_state(run)
    print_notices(state.notices)
    if launched.time_was_over and launched.signal is None and result.interrupted:
        err.print(f"The time of the sweep (--hours) was over. {_left(state)}.")
    early = f", {len(result.stopped_early)} stopped early" if result.stopped_early else ""
    out.print(f"{len(result.done)} of {state.wanted} trials done{early}{best_text(state.best)}.")
    for each in data_faults(state.trials):
        err.print(f"Faults in the {each.text}")
    lines = {"Run folder": shown(run.path)}
    if result.done:
        lines["Candidates"] = shown(run.pool)
    if launched.tracking_view is not None:
        lines["Records"] = launched.tracking_view
    for what, where in {**lines, **_next_steps(launched)}.items():
        out.print(f"  {what:<12} {where}")
    if launched.losses is not None:
        err.print(
            f"{launched.tracking_uri} missed {launched.losses.count} of this sweep's writes "
            f"({launched.losses.reason}). The run folder has everything; the next sweep run sends what is lacking."
        )


def summary_values(launched: Launched) -> dict[str, Any]:
    """The summary as plain values."""
    result, losses = launched.result, launched.losses
    return {
        "run": launched.run.address,
        "pool": address_of(launched.run.pool),
        "tracking_uri": launched.tracking_uri,
        "done": list(result.done),
        "failed": dict(result.failed),
        "unfinished": list(result.unfinished),
        "stopped_early": dict(result.stopped_early),
        "interrupted": result.interrupted,
        "time_was_over": launched.time_was_over,
        "data_faults": [each.to_dict() for each in data_faults(run_state(launched.run).trials)],
        "tracking_losses": None if losses is None else {"count": losses.count, "reason": losses.reason},
    }


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    if is_mirrored(path):
        return address_of(path)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _left(state: RunState) -> str:
    """Which trials a sweep that is stopped leaves, in words."""
    left, begun, failed = state.wanted - state.settled, state.count("interrupted"), state.count("failed")
    told = [f"{begun} begun", f"{left - begun - failed} not begun"]
    return f"{left} trials are left: " + ", ".join([*told, *([f"{failed} failed"] if failed else [])])


def _next_steps(launched: Launched) -> dict[str, str]:
    steps = _next_step(launched)
    if launched.result.stopped_early:
        name = next(iter(launched.result.stopped_early))
        steps["To train on"] = f"the same command with --continue {name} (or another that was stopped early)"
    return steps


def _next_step(launched: Launched) -> dict[str, str]:
    run, result = shown(launched.run.path), launched.result
    if result.interrupted:
        return {"To resume": "give the same command again; what is done stays done"}
    if result.failed:
        return {"To try again": "give the same command again; only the failed trials are trained"}
    budget = launched.grid.budget.mib
    return {
        "Then": f"sweep select ensemble {run} --budget-mb {1024 if budget is None else budget:g}",
        "and": f"sweep report {run}",
    }
