"""Which trials a sweep wants and how they stand, by its grid and the trials' own files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from gapsack.selection.files import read_json
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec


@dataclass(frozen=True)
class SweepResult:
    """The trials of a run by status, after `run_sweep`. `unfinished` ones were interrupted or never begun."""

    done: tuple[str, ...]
    failed: dict[str, str]
    unfinished: tuple[str, ...]
    interrupted: bool


class Standing:
    """The trials of a sweep: those that its grid lists, or those that a sampler has proposed so far."""

    def __init__(self, sweep: SweepSpec) -> None:
        self._sweep = sweep
        self._sampler = sweep.grid.search.sampler

    @property
    def wanted(self) -> int:
        """How many trials the run is to have in the end."""
        return len(self.trials()) if self._sampler is None else self._sampler.trials

    def trials(self) -> list[TrialSpec]:
        """Listed trials that the budget does not rule out; or trials that a worker has begun, whoever drove it."""
        if self._sampler is None:
            points = trial_points(self._sweep.grid)
            axes = [point.axes for point in points if planned(self._sweep.grid, point).status == "planned"]
        else:
            configs = [folder.config_file for folder in self._sweep.run.started_trials()]
            axes = [read_json(config)["point"]["axes"] for config in configs if config.exists()]
        return [self._sweep.trial(point) for point in axes]

    def done(self) -> dict[str, dict[str, Any]]:
        """The records of the trials that are done, by name."""
        return {trial.name: read_json(trial.folder.record) for trial in self.trials() if trial.folder.record.exists()}

    def waiting(self) -> list[TrialSpec]:
        """The trials that are not done, failed ones included."""
        return [trial for trial in self.trials() if not trial.folder.record.exists()]

    def delete_leftovers(self) -> None:
        """Delete checkpoints of trials whose worker was killed after it wrote the record, before it deleted them."""
        for name in self.done():
            shutil.rmtree(self._sweep.run.trial(name).checkpoints, ignore_errors=True)

    def result(self, *, interrupted: bool) -> SweepResult:
        """How the trials stand when no worker is left."""
        trials = self.trials()
        status = {trial.name: trial.folder.status(run_alive=False) for trial in trials}
        failed = [trial for trial in trials if status[trial.name] == "failed"]
        return SweepResult(
            done=tuple(name for name in status if status[name] == "done"),
            failed={trial.name: trial.folder.failure_reason() or "" for trial in failed},
            unfinished=tuple(name for name in status if status[name] in ("interrupted", "pending")),
            interrupted=interrupted,
        )
