"""How a run and its trials stand, from the run folder's files alone."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gapsack.selection.errors import ConfigError
from gapsack.sweep.atomic import read_json
from gapsack.sweep.grid.plan import PlannedTrial, planned
from gapsack.sweep.grid.points import TrialPoint, trial_point, trial_points
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.curve import CurveRow
from gapsack.sweep.runs.folder import RunFolder, TrialStatus

RunStatus = Literal["running", "done", "failed", "incomplete"]


@dataclass(frozen=True)
class TrialState:
    """A trial: its plan, and how far it has come."""

    plan: PlannedTrial
    status: TrialStatus | Literal["skipped"]
    reason: str | None = None
    record: Mapping[str, Any] | None = None
    """Its record.json, once it is done."""
    curve: tuple[CurveRow, ...] = field(default=(), repr=False)

    def latest(self, column: str) -> float | None:
        """The last value of a curve's column."""
        return next((row[column] for row in reversed(self.curve) if row.get(column) is not None), None)

    @property
    def gap(self) -> float | None:
        """The score that counts once the trial is done; until then the last one measured."""
        return self.latest("gap") if self.record is None else float(self.record["gap"])


@dataclass(frozen=True)
class RunState:
    """A run: its trials in the order of the plan, and how many there are to be in the end."""

    run: RunFolder
    grid: Grid
    trials: tuple[TrialState, ...]
    wanted: int
    status: RunStatus

    def count(self, status: str) -> int:
        """How many trials have that status."""
        return sum(trial.status == status for trial in self.trials)

    @property
    def best(self) -> TrialState | None:
        """The best trial that is done; of equals the first."""
        done = [trial for trial in self.trials if trial.status == "done"]
        return max(done, key=lambda trial: trial.gap or 0.0, default=None)


def run_state(run: RunFolder) -> RunState:
    """How a run stands now."""
    grid = load_config(run.config_file)
    alive = run.is_alive()
    trials = tuple(_trial_state(run, grid, point, alive) for point in _points(run, grid))
    sampler = grid.search.sampler
    wanted = sampler.trials if sampler else sum(trial.status != "skipped" for trial in trials)
    return RunState(run, grid, trials, wanted, _run_status(trials, wanted, alive))


def readable_states(runs: Iterable[RunFolder]) -> tuple[list[RunState], list[str]]:
    """How several runs stand; and, of those that cannot be read (another version made them), why."""
    states, problems = [], []
    for run in runs:
        try:
            states.append(run_state(run))
        except ConfigError as error:
            problems.append(str(error))
    return states, problems


def curve_rows(path: Path) -> tuple[CurveRow, ...]:
    """A trial's curve; a last line that is still being written is left out."""
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    rows = csv.DictReader(lines)
    return tuple({key: float(text) if text else None for key, text in row.items() if key is not None} for row in rows)


def _points(run: RunFolder, grid: Grid) -> list[TrialPoint]:
    """The listed trials, or those that a sampler has proposed so far."""
    if grid.search.sampler is None:
        return trial_points(grid)
    configs = [folder.config_file for folder in run.started_trials()]
    return [trial_point(grid, read_json(config)["point"]["axes"]) for config in configs if config.exists()]


def _trial_state(run: RunFolder, grid: Grid, point: TrialPoint, alive: bool) -> TrialState:
    plan, folder = planned(grid, point), run.trial(point.name)
    # A budget that was lowered afterwards does not undo what was trained.
    if plan.status == "skipped" and not folder.record.exists():
        return TrialState(plan, "skipped", plan.reason)
    record = read_json(folder.record) if folder.record.exists() else None
    status = folder.status(run_alive=alive)
    reason = folder.failure_reason() if status == "failed" else None
    return TrialState(plan, status, reason, record, curve_rows(folder.curve))


def _run_status(trials: Sequence[TrialState], wanted: int, alive: bool) -> RunStatus:
    statuses = Counter(trial.status for trial in trials)
    if alive:
        return "running"
    if statuses["done"] >= wanted:
        return "done"
    return "failed" if statuses["failed"] and statuses["done"] + statuses["failed"] >= wanted else "incomplete"
