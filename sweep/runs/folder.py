"""Run folders: the one place that knows the file names of a run.

<run>/
├── grid.yaml         the grid file as given
├── config.json       the same, resolved: every default, environment variables replaced, data folder absolute
├── state.json        what the driver last said of the run
├── tracking.json     MLflow's run ids, so that a resumed sweep continues the same runs
├── lock              held while a driver lives (the operating system lets go of it when the driver dies)
├── stop              made to ask all trials to write a checkpoint and stop
├── tune/             Ray Tune's own files
├── trials/<name>/    see TrialFolder
├── pool/             the candidate pool that `select` reads
├── ensemble.json, graph/, report.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json
from gapsack.sweep.runs.lock import is_locked, locked
from gapsack.sweep.runs.record import TrialResult

TrialStatus = Literal["done", "running", "failed", "interrupted", "pending"]


class TrialFolder:
    """The files of one trial.

    A worker calls `begin` when it starts, and `finish`, `fail` or `release` when it ends; whatever else happens
    to it, the status that the files tell stays true.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.config_file = self.path / "config.json"
        """What the trial was started with."""
        self.checkpoints = self.path / "checkpoints"
        """Weights by step for averaging, and the state to resume from; deleted once the trial is done."""
        self.weights = self.path / "weights.npz"
        """The final weights, float32, by their reference names."""
        self.calibration = self.path / "calibration.npz"
        """By what its integers are chosen (`models.calibration`), where one of its precisions has integers."""
        self.curve = self.path / "curve.csv"
        """Columns step, loss, gap, learning_rate, videos_per_second, seconds."""
        self.record = self.path / "record.json"
        """Exists if and only if the trial is done."""
        self.failure = self.path / "failure.json"
        """Why the last attempt failed: {"reason": one line, "details": a stack trace or null}."""
        self.running = self.path / "running.json"
        """Exists while a worker has the trial (or after the worker was killed): {"host": …, "pid": …}."""

    def begin(self, config: dict[str, Any]) -> None:
        """Mark the trial as running and write its config; an earlier failure is forgotten."""
        replace_json(self.config_file, config)
        replace_json(self.running, {"host": os.uname().nodename, "pid": os.getpid()})
        self.failure.unlink(missing_ok=True)

    def finish(self, result: TrialResult) -> None:
        """Write the record, which makes the trial done."""
        replace_json(self.record, result.to_dict())
        self.failure.unlink(missing_ok=True)
        self.release()

    def fail(self, reason: str, details: str | None = None) -> None:
        """Write why the trial failed: one line, and a stack trace for an error that nobody foresaw."""
        replace_json(self.failure, {"reason": reason, "details": details})
        self.release()

    def release(self) -> None:
        """The worker no longer has the trial."""
        self.running.unlink(missing_ok=True)

    def result(self) -> TrialResult | None:
        """What the trial came to, once it is done.

        Raises:
            InputError: record.json is not what it should be.
        """
        return TrialResult.read(self.record) if self.record.exists() else None

    def status(self, *, run_alive: bool) -> TrialStatus:
        """The trial's status by its files. A trial cannot be running in a run that no driver holds."""
        if self.record.exists():
            return "done"
        if run_alive and self.running.exists():
            return "running"
        if self.failure.exists():
            return "failed"
        return "interrupted" if self.config_file.exists() else "pending"

    def failure_reason(self) -> str | None:
        """Why the trial failed, or None."""
        return str(read_json(self.failure)["reason"]) if self.failure.exists() else None


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self.name = self.path.name
        self.grid_file = self.path / "grid.yaml"
        self.config_file = self.path / "config.json"
        self.files_file = self.path / "files.json"
        self.checksums_file = self.path / "checksums.txt"
        self.stamps_file = self.path / "stamps.json"
        self.tracking_file = self.path / "tracking.json"
        self.lock = self.path / "lock"
        self.stop_file = self.path / "stop"
        self.tune = self.path / "tune"
        self.trials = self.path / "trials"
        self.pool = self.path / "pool"
        self.ensemble_file = self.path / "ensemble.json"
        self.frontier_file = self.path / "frontier.json"
        self.graph = self.path / "graph"
        self.report = self.path / "report.html"

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run.

        Raises:
            InputError: the folder is not a run.
        """
        run = cls(path)
        if not run.config_file.exists():
            raise InputError(f"expected a run folder (one with a config.json, as sweep run makes it), got {path}")
        return run

    def trial(self, name: str) -> TrialFolder:
        """The folder of the trial `name`, which need not exist yet."""
        return TrialFolder(self.trials / name)

    def started_trials(self) -> list[TrialFolder]:
        """Trials that have a folder, by name."""
        if not self.trials.is_dir():
            return []
        return [TrialFolder(path) for path in sorted(self.trials.iterdir()) if path.is_dir()]

    def is_alive(self) -> bool:
        """Whether a driver holds the run now."""
        return is_locked(self.lock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run as its only driver; a stop request and the marks of dead workers are cleared first.

        Raises:
            InputError: another driver holds it.
        """
        with locked(self.lock):
            self.stop_file.unlink(missing_ok=True)
            for trial in self.started_trials():
                trial.release()
            yield


def runs_in(storage: Path) -> list[RunFolder]:
    """The runs in a storage folder, newest first."""
    if not storage.is_dir():
        return []
    runs = [RunFolder(path.parent) for path in storage.glob("*/config.json")]
    return sorted(runs, key=lambda run: (-run.config_file.stat().st_mtime, run.name))


def find_run(given: Path | None, storage: Path) -> RunFolder:
    """The run that a command means: a run folder, the name of one in `storage`, or the newest one there.

    Raises:
        InputError: there is no such run.
    """
    if given is None:
        runs = runs_in(storage)
        if not runs:
            raise InputError(f"expected a run in {storage}, got none: name one, or make one with sweep run")
        return runs[0]
    if not (given / "config.json").exists() and (storage / given / "config.json").exists():
        return RunFolder(storage / given)
    return RunFolder.open(given)
