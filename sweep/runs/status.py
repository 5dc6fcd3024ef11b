"""Which trials a run wants and how they stand, from its grid and the run folder's files alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel

from gapsack.selection.errors import DamagedFileError, InputError
from gapsack.selection.typed import read_typed
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.plan import PlannedTrial, planned
from gapsack.sweep.grid.points import TrialPoint, trial_point, trial_points
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.section import AxisValue
from gapsack.sweep.grid.small_space import reachable_trials, small_space
from gapsack.sweep.runs.curve import CurveRow, curve_rows
from gapsack.sweep.runs.damage import checked_result, labels_damage, stopped_damage
from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.folder import STOPPED_EARLY, RunFolder, TrialFolder, TrialStatus
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage.mirrored import bytes_elsewhere

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

    @cached_property
    def ensemble_gain(self) -> EnsembleGain | None:
        """What it adds to the ensemble, once it is done and that is computed."""
        return None if self.record is None else EnsembleGain.of(self.folder)

    def latest(self, column: str) -> float | None:
        """The last value of a curve's column."""
        return next((row[column] for row in reversed(self.curve) if row.get(column) is not None), None)

    @property
    def host(self) -> str | None:
        """Where its last attempt ran, once it is done; None where that is not known."""
        return None if self.record is None else self.record.host or None

    @property
    def gap(self) -> float | None:
        """The score that counts once the trial is done; until then the last one measured."""
        return self.latest("gap") if self.record is None else self.record.gap


@dataclass(frozen=True)
class SweepResult:
    """The trials of a run by status, after `run_sweep`. `unfinished` ones were interrupted or never begun.

    `failed` and `stopped_early` have a reason each.
    """

    done: tuple[str, ...]
    failed: dict[str, str]
    unfinished: tuple[str, ...]
    interrupted: bool
    stopped_early: dict[str, str] = field(default_factory=dict)


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
    notices: tuple[str, ...] = ()
    """What else a person should know, in sentences: files that are damaged, a sampler's space that is used up."""

    @cached_property
    def wanted(self) -> int:
        """How many trials there are to be in the end: those that are not skipped; of a sampler those it can come to."""
        if self.grid.search.sampler is None:
            return len(self.trials) - self.count("skipped")
        return reachable_trials(self.grid)

    @property
    def done(self) -> tuple[TrialState, ...]:
        """The trials that are done."""
        return self._of("done")

    @property
    def stopped(self) -> tuple[TrialState, ...]:
        """The trials that were stopped early, and are not trained on unless a person asks for it."""
        return self._of(STOPPED_EARLY)

    @property
    def settled(self) -> int:
        """How many trials need nothing more: those that are done or were stopped early."""
        return len(self.done) + len(self.stopped)

    @property
    def waiting(self) -> tuple[TrialState, ...]:
        """The trials that are to be trained, failed ones once more included."""
        return self._of("failed", "interrupted", "pending", "running")

    @property
    def status(self) -> RunStatus:
        """A run without a driver has failed when nothing is left to do but what failed."""
        if self.alive:
            return "running"
        if self.settled >= self.wanted:
            return "done"
        failed = self.count("failed")
        return "failed" if failed and self.settled + failed >= self.wanted else "incomplete"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts on which the trials that are done ran, by name."""
        return tuple(sorted({trial.host for trial in self.trials if trial.host is not None}))

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
            stopped_early={trial.plan.name: trial.reason or "" for trial in self.stopped},
        )

    def _of(self, *statuses: str) -> tuple[TrialState, ...]:
        return tuple(trial for trial in self.trials if trial.status in statuses)


def run_state(run: RunFolder) -> RunState:
    """How a run stands now.

    Raises:
        InputError: its config cannot be read, or another version of gapsack wrote it or a trial's record.
    """
    grid = load_config(run.config_file)
    try:
        return state_of(run, grid, alive=run.is_alive())
    except ConfigError as error:
        raise ConfigError(f"expected the resolved grid of a run in {run.config_file}, got: {error}") from error


def state_of(run: RunFolder, grid: Grid, *, alive: bool) -> RunState:
    """How a run stands by this grid; a driver that holds it and has no worker says that it is not alive."""
    plans, notices = _plans(run, grid)
    labels = labels_damage(run)
    if labels is not None:
        notices.append(labels)
    space = small_space(grid)
    if space is not None:
        notices.append(space)
    trials = tuple(_trial_state(point, plan, run.trial(point.name), alive) for point, plan in plans)
    return RunState(run, grid, trials, alive, tuple(notices))


def readable_states(runs: Iterable[RunFolder]) -> tuple[list[RunState], list[str]]:
    """How several runs stand; and, of those that cannot be read (another version made them), why."""
    states, problems = [], []
    for run in runs:
        try:
            states.append(run_state(run))
        except InputError as error:
            problems.append(str(error))
    return states, problems


def _plans(run: RunFolder, grid: Grid) -> tuple[list[tuple[TrialPoint, PlannedTrial]], list[str]]:
    """The listed trials, or those that a sampler has proposed so far; and which of these cannot be told any more."""
    if grid.search.sampler is None:
        try:
            return [(point, planned(grid, point)) for point in trial_points(grid)], []
        except InputError as error:
            raise ConfigError(str(error)) from error
    plans, problems = [], []
    for folder in run.started_trials():
        if not (folder.config_file.exists() or folder.record.exists()):
            continue
        try:
            point = trial_point(grid, _axes(folder))
            plans.append((point, planned(grid, point)))
        except DamagedFileError as error:
            problems.append(str(error))
        except InputError as error:
            problems.append(f"expected what a trial was started with in {folder.config_file}, got: {error}")
    return plans, problems


def _axes(folder: TrialFolder) -> dict[str, Any]:
    """What a sampler proposed for a trial: by its config or, where that is damaged, by its record."""
    what, advice = "what a trial was started with", "the trial is left aside; delete its folder"
    try:
        return read_typed(folder.config_file, _Started, what=what, advice=advice).point.axes
    except DamagedFileError:
        record, _damage = checked_result(folder)
        if record is None or not record.axes:
            raise
        return record.axes


class _StartedPoint(BaseModel):
    axes: dict[str, AxisValue]


class _Started(BaseModel):
    """What is needed of a trial's config.json."""

    point: _StartedPoint


def _trial_state(point: TrialPoint, plan: PlannedTrial, folder: TrialFolder, alive: bool) -> TrialState:
    record, damage = checked_result(folder)
    if record is not None:
        _check_owner(folder, point, record)
        return TrialState(point, plan, folder, "done", _lost_weights(folder, record), record)
    if plan.status == "skipped":
        return TrialState(point, plan, folder, "skipped", plan.reason)
    status = folder.status_without_record(run_alive=alive)
    reason = folder.failure_reason() if status == "failed" else damage
    if status == STOPPED_EARLY:
        reason = _stop_reason(folder)
    return TrialState(point, plan, folder, status, reason)


def _stop_reason(folder: TrialFolder) -> str:
    try:
        stopped, damage = folder.stopped_early(), stopped_damage(folder)
    except DamagedFileError as error:
        return str(error)
    return damage or ("" if stopped is None else stopped.reason)


def _check_owner(folder: TrialFolder, point: TrialPoint, record: TrialResult) -> None:
    """Raise InputError when the folder of a point's name holds another trial."""
    other = {key: value for key, value in record.axes.items() if key in point.axes and value != point.axes[key]}
    if other:
        told = ", ".join(f"{key} {value!r}" for key, value in other.items())
        raise InputError(
            f"expected in {folder.path} the trial of {point.axes}, got that of {told}: list the values of the earlier "
            "trial before others that are printed alike, or move its folder away"
        )


def _lost_weights(folder: TrialFolder, record: TrialResult) -> str | None:
    if not record.files or folder.weights.exists() or bytes_elsewhere(folder.weights) is not None:
        return None
    return f"expected its weights in {folder.weights}, got none: no graph can be built of it"
