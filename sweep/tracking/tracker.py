"""A sweep in MLflow: one parent run, and a child run for each trial. Only the driver's process writes.

The methods that are called while trials run return at once: a thread writes, and goes on trying while the tracking
server is away. Run ids are kept in the run folder, so that a resumed sweep continues the same runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gapsack.selection.files import replace_json
from gapsack.selection.units import mib
from gapsack.sweep.grid.flat import flat
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.provenance import run_environment
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.tracking.backlog import Backlog, Losses
from gapsack.sweep.tracking.mlflow import MlflowStore, Outcome, may_pass, now_milliseconds

PATIENCE_SECONDS = 20.0
"""How long the end of a sweep waits for a tracking server that is away."""

RECORD_METRICS = (
    "gap",
    "gap_single",
    "gap_averaged",
    "parameters",
    "videos_per_second",
    "data_wait_share",
    "fit_seconds",
)
"""Numbers of a trial's record that are metrics of its run."""


class Tracker:
    """What a sweep tells MLflow.

    Args:
        store: the experiment.
        run: the run folder, which keeps the run ids.
        grid: the resolved grid.
    """

    def __init__(self, store: MlflowStore, run: RunFolder, grid: Grid) -> None:
        self._store = store
        self._run = run
        self._grid = grid
        self._ids = self._known_ids()
        self._backlog = Backlog(may_pass)

    def start_sweep(self) -> None:
        """Open the parent run, or open it again; children that a dead driver left RUNNING are set to KILLED.

        Waits for MLflow: a server that cannot be reached is better known before anything is trained.
        """
        if not self._ids["parent"] or not self._store.reopen(self._ids["parent"]):
            tags = {"gapsack.run": self._run.name, "gapsack.run_folder": str(self._run.path), "gapsack.kind": "sweep"}
            self._ids = {"parent": self._store.create_run(self._run.name, tags), "trials": {}}
            self._keep_ids()
            self._store.log(self._parent, params={"family": self._grid.model.family, **_training(self._grid)})
        for run_id in self._store.running_children(self._parent):
            self._store.end(run_id, "KILLED")
        self._store.log(self._parent, tags=run_environment(self._run.path))
        for path in (self._run.grid_file, self._run.config_file, self._run.checksums_file):
            if path.exists():
                self._store.artifact(self._parent, path)

    def trial_started(self, name: str, hyperparameters: Mapping[str, Any]) -> None:
        """A worker has the trial: its run is RUNNING."""
        self._backlog.add(partial(self._start_trial, name, dict(hyperparameters)))

    def trial_metrics(self, name: str, step: int, metrics: Mapping[str, float]) -> None:
        """What was measured at a step; values that are not finite are left out, as MLflow cannot draw them."""
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        at = now_milliseconds()
        self._backlog.add(lambda: self._store.log(self._trial(name), metrics=finite, step=step, milliseconds=at))

    def trial_finished(self, name: str, record: TrialResult, artifacts: Iterable[Path]) -> None:
        """The trial is done; `record` is its record.json."""
        metrics, tags = record_metrics(record), record_tags(record)
        # At the last step: MLflow shows the value of the highest step, and `gap` has a curve of its own before.
        step = record.steps
        self._backlog.add(lambda: self._store.log(self._trial(name), metrics=metrics, step=step, tags=tags))
        self._end_trial(name, "FINISHED", artifacts)

    def trial_failed(self, name: str, reason: str) -> None:
        """The trial failed for good."""
        folder = self._run.trial(name)
        self._backlog.add(lambda: self._store.log(self._trial(name), tags={"gapsack.reason": reason}))
        self._end_trial(name, "FAILED", (folder.config_file, folder.curve))

    def close(self, outcome: Outcome, *, patience_seconds: float = PATIENCE_SECONDS) -> Losses | None:
        """Write what is left and end the runs: trials that are not over are KILLED, the sweep ends as `outcome`.

        Returns what could not be written, if anything.
        """
        self._backlog.add(self._kill_running_trials)
        self._backlog.add(lambda: self._store.end(self._parent, outcome))
        return self._backlog.close(patience_seconds)

    @property
    def _parent(self) -> str:
        return str(self._ids["parent"])

    def _trial(self, name: str) -> str:
        """A trial's run id; looked up as late as possible, since the run is made by the thread too."""
        return str(self._ids["trials"][name])

    def _start_trial(self, name: str, hyperparameters: dict[str, Any]) -> None:
        known = self._ids["trials"].get(name)
        if known is not None and self._store.reopen(known):
            return
        tags = {"gapsack.run": self._run.name, "gapsack.kind": "trial"}
        self._ids["trials"][name] = self._store.create_run(name, tags, parent=self._parent)
        self._keep_ids()
        params = {"family": self._grid.model.family, **hyperparameters, **_training(self._grid)}
        self._store.log(self._trial(name), params=params)

    def _end_trial(self, name: str, outcome: Outcome, artifacts: Iterable[Path]) -> None:
        for path in artifacts:
            if path.exists():
                self._backlog.add(partial(self._keep_file, name, path))
        self._backlog.add(lambda: self._store.end(self._trial(name), outcome))

    def _keep_file(self, name: str, path: Path) -> None:
        self._store.artifact(self._trial(name), path)

    def _kill_running_trials(self) -> None:
        for run_id in self._store.running_children(self._parent):
            self._store.end(run_id, "KILLED")

    def _known_ids(self) -> dict[str, Any]:
        """The run ids of earlier drivers, if they wrote to the same place."""
        kept = self._run.tracking_ids()
        if kept is not None and (kept.uri, kept.experiment_id) == (self._store.uri, self._store.experiment_id):
            return {"parent": kept.parent, "trials": dict(kept.trials)}
        return {"parent": None, "trials": {}}

    def _keep_ids(self) -> None:
        where = {"uri": self._store.uri, "experiment_id": self._store.experiment_id}
        replace_json(self._run.tracking_file, {**where, **self._ids})


def record_metrics(record: TrialResult) -> dict[str, float]:
    """The metrics that a trial's record holds: scores, speed, parameters, and size and GAP of each precision."""
    numbers = {key: value for key in RECORD_METRICS if (value := getattr(record, key)) is not None}
    sizes = {f"size_mib_{precision}": mib(size) for precision, size in record.size_bytes.items()}
    gaps = {f"gap_{precision}": gap for precision, gap in record.gap_by_precision.items()}
    return {key: float(value) for key, value in {**numbers, **sizes, **gaps}.items()}


def record_tags(record: TrialResult) -> dict[str, str]:
    """What it takes to repeat a trial: versions, machine and device, and the data files' checksums."""
    tags = {f"env.{key}": value for key, value in record.environment.items()}
    for kind in ("train", "holdout"):
        summary = record.data.get(kind, {})
        tags.update({f"data.{kind}.{key}": str(value) for key, value in summary.items()})
    return tags


def _training(grid: Grid) -> dict[str, Any]:
    """The training section as parameters `training.steps`, `training.averaging.last`, …"""
    return flat(grid.to_dict()["training"], "training")
