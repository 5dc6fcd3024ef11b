"""Which trials a run wants and how they stand, from its grid and the run folder's files alone."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json
from gapsack.sweep.grid.plan import PlannedTrial, planned
from gapsack.sweep.grid.points import TrialPoint, trial_point, trial_points
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.curve import CurveRow
from gapsack.sweep.runs.folder import RunFolder, TrialFolder, TrialStatus
from gapsack.sweep.runs.record import TrialResult

RunStatus = Literal["running", "done", "failed", "incomplete"]


@dataclass(frozen=True)
class TrialState:
    """A trial: its plan, and how far it has come."""

    point: TrialPoint
    plan: PlannedTrial
    folder: TrialFolder
    status: TrialStatus | Literal["skipped"]
    reason: str | None = None
    record: TrialResult | None = None
    """What it came to, once it is done."""

    @cached_property
    def curve(self) -> tuple[CurveRow, ...]:
        """The rows of its curve so far."""
        return curve_rows(self.folder.curve)

    def latest(self, column: str) -> float | None:
        """The last value of a curve's column."""
        return next((row[column] for row in reversed(self.curve) if row.get(column) is not None), None)

    @property
    def gap(self) -> float | None:
        """The score that counts once the trial is done; until then the last one measured."""
        return self.latest("gap") if self.record is None else self.record.gap


@dataclass(frozen=True)
class SweepResult:
    """The trials of a run by status, after `run_sweep`. `unfinished` ones were interrupted or never begun."""

    done: tuple[str, ...]
    failed: dict[str, str]
    unfinished: tuple[str, ...]
    interrupted: bool


@dataclass(frozen=True)
class RunState:
    """A run: its trials in the order of the plan, and whether a driver holds it.

    A listed trial that the budget rules out is skipped, unless it is done: a budget that was lowered afterwards does
    not undo what was trained. Of a sampler's trials those are known that a worker has begun, whoever drove it.
    """

    run: RunFolder
    grid: Grid
    trials: tuple[TrialState, ...]
    alive: bool

    @property
    def wanted(self) -> int:
        """How many trials there are to be in the end: a sampler's number, or those that are not skipped."""
        sampler = self.grid.search.sampler
        return len(self.trials) - self.count("skipped") if sampler is None else sampler.trials

    @property
    def done(self) -> tuple[TrialState, ...]:
        """The trials that are done."""
        return self._of("done")

    @property
    def waiting(self) -> tuple[TrialState, ...]:
        """The trials that are to be trained, failed ones once more included."""
        return self._of("failed", "interrupted", "pending", "running")

    @property
    def status(self) -> RunStatus:
        """A run without a driver has failed when nothing is left to do but what failed."""
        if self.alive:
            return "running"
        if len(self.done) >= self.wanted:
            return "done"
        failed = self.count("failed")
        return "failed" if failed and len(self.done) + failed >= self.wanted else "incomplete"

    @property
    def best(self) -> TrialState | None:
        """The best trial that is done; of equals the first."""
        return max(self.done, key=lambda trial: trial.gap or 0.0, default=None)

    def count(self, status: str) -> int:
        """How many trials have that status."""
        return sum(trial.status == status for trial in self.trials)

    def result(self, *, interrupted: bool) -> SweepResult:
        """How the trials stand, for who drove them."""
        return SweepResult(
            done=tuple(trial.plan.name for trial in self.done),
            failed={trial.plan.name: trial.reason or "" for trial in self._of("failed")},
            unfinished=tuple(trial.plan.name for trial in self._of("interrupted", "pending")),
            interrupted=interrupted,
        )

    def _of(self, *statuses: str) -> tuple[TrialState, ...]:
        return tuple(trial for trial in self.trials if trial.status in statuses)


def run_state(run: RunFolder) -> RunState:
    """How a run stands now.

    Raises:
        InputError: its config or a trial's record cannot be read.
    """
    return state_of(run, load_config(run.config_file), alive=run.is_alive())


def state_of(run: RunFolder, grid: Grid, *, alive: bool) -> RunState:
    """How a run stands by this grid; a driver that holds it and has no worker says that it is not alive."""
    return RunState(run, grid, tuple(_trial_state(run, grid, point, alive) for point in _points(run, grid)), alive)


def readable_states(runs: Iterable[RunFolder]) -> tuple[list[RunState], list[str]]:
    """How several runs stand; and, of those that cannot be read (another version made them), why."""
    states, problems = [], []
    for run in runs:
        try:
            states.append(run_state(run))
        except InputError as error:
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
    record = folder.result()
    if record is None and plan.status == "skipped":
        return TrialState(point, plan, folder, "skipped", plan.reason)
    status = folder.status(run_alive=alive)
    reason = folder.failure_reason() if status == "failed" else None
    return TrialState(point, plan, folder, status, reason, record)
