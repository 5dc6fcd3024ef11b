"""Run folders: the one place that knows the file names of a run.

<run>/
├── grid.yaml         the grid file as given
├── config.json       the same, resolved: every default, environment variables replaced, data folder absolute
├── files.json        the training and the held-out files, see RunFiles
├── checksums.txt     of those files, see runs.checksums
├── tracking.json     MLflow's run ids, so that a resumed sweep continues the same runs
├── lock              held while a driver lives (the operating system lets go of it when the driver dies)
├── lock.lease        in its place where the file system has no locks, see storage.lease
├── witness           by which a worker knows that it sees this folder, see runs.witness
├── stop              made to ask all trials to write a checkpoint and stop
├── tune/             Ray Tune's own files
├── ray.log           what Ray prints; it stays if Ray died
├── study.journal     the Optuna study of a sampler, unless the grid names a database
├── trials/<name>/    see TrialFolder
├── pool/             the candidate pool that `select` reads
├── ensemble.json, graph/, report.html
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gapsack.selection.errors import DamagedFileError, InputError
from gapsack.selection.files import remove, replace_json, sync_files, sync_folder
from gapsack.selection.typed import read_typed
from gapsack.sweep.runs.attempts import Attempt
from gapsack.sweep.runs.lock import is_locked, locked
from gapsack.sweep.runs.record import FileDigest, TrialResult
from gapsack.sweep.storage.addresses import address_of, as_told
from gapsack.sweep.storage.mirrored import bring, bring_books, is_book, is_mirrored, place_of, send, store_at

POOL = "pool"
"""Name of the folder of a run's candidates."""

STOPPED_EARLY: Literal["stopped early"] = "stopped early"
"""The status of a trial that others left behind, or whose time was over; a person's stop makes it `interrupted`."""

TrialStatus = Literal["done", "running", "stopped early", "failed", "interrupted", "pending"]


class _Kept(BaseModel):
    """A small file of a run; keys of another version are left aside."""

    model_config = ConfigDict(frozen=True, strict=True)


class Failure(_Kept):
    """failure.json: why the last attempt failed, in one line, and a stack trace for what nobody foresaw."""

    reason: str
    details: str | None = None


class StoppedEarly(_Kept):
    """stopped.json: how a trial ended that was stopped early.

    Attributes:
        step: At which it was stopped, of `steps`.
        steps: That it was to do.
        rung: From 0, the lowest; None where its time (`resources.hours`) was over.
        gap: Of the last evaluation; None where there was none.
        reason: Why, in a sentence.
        published: Whether the pool has it as a candidate.
        files: What that candidate and its weights are, as in a record; empty in a file of an earlier version.
    """

    format: Literal["gapsack.stopped/1"] = "gapsack.stopped/1"
    step: int
    steps: int
    rung: int | None = None
    gap: float | None = None
    reason: str
    published: bool = False
    files: dict[str, FileDigest] = {}


class RunFiles(_Kept):
    """files.json: the data files of a run, absolute or URLs."""

    train: tuple[str, ...]
    holdout: tuple[str, ...]


class TrackingIds(_Kept):
    """tracking.json: where a run is recorded, in MLflow or another store; see `tracking.place.TrackingRecord`.

    Attributes:
        uri: Of the store; a path is from the run folder.
        experiment: Its name; files of earlier versions lack it.
        experiment_id: Of the experiment.
        parent: Id of the sweep's own run.
        trials: Ids of the trials' runs, by name.
    """

    uri: str
    experiment: str | None = None
    experiment_id: str
    parent: str | None
    trials: dict[str, str]


class TrialFolder:
    """The files of one trial.

    A worker calls `begin` when it starts, and `finish`, `stop_early`, `fail` or `release` when it ends, as long as its
    attempt is the newest; whatever else happens to it, the status that the files tell stays true.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.run = self.path.parent.parent
        """The folder of the run that it is a trial of."""

    @property
    def candidate(self) -> Path:
        """What the run's pool has of it once it is published."""
        return self.run / POOL / f"{self.name}.json"

    @property
    def config_file(self) -> Path:
        """What the trial was started with."""
        return self.path / "config.json"

    @property
    def checkpoints(self) -> Path:
        """Weights by step for averaging, and the state to resume from; deleted once the trial is done."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The final weights, float32, by their reference names."""
        return self.path / "weights.npz"

    @property
    def calibration(self) -> Path:
        """By what its integers are chosen (`models.calibration`), where one of its precisions has integers."""
        return self.path / "calibration.npz"

    @property
    def curve(self) -> Path:
        """Columns step, loss, gap, learning_rate, videos_per_second, seconds."""
        return self.path / "curve.csv"

    @property
    def record(self) -> Path:
        """Exists if and only if the trial is done (see also `runs.damage`)."""
        return self.path / "record.json"

    @property
    def earlier_record(self) -> Path:
        """The record of a trial that was done, whose files were found damaged: it is published again by this."""
        return self.path / "record.earlier.json"

    @property
    def gain(self) -> Path:
        """What its model adds to the ensemble (`runs.ensemble_gain`); the driver writes it after the record."""
        return self.path / "gain.json"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, see `Failure`."""
        return self.path / "failure.json"

    @property
    def rungs(self) -> Path:
        """How it compared with other trials while it trained (`runs.rungs`)."""
        return self.path / "rungs.json"

    @property
    def stopped(self) -> Path:
        """Exists if the trial was stopped early, see `StoppedEarly`."""
        return self.path / "stopped.json"

    @property
    def running(self) -> Path:
        """Exists while a worker has the trial (or after the worker was killed): {"host": …, "pid": …}."""
        return self.path / "running.json"

    def begin(self, config: dict[str, Any]) -> Attempt:
        """Begin an attempt, from now on the newest: mark the trial as running and write its config.

        An earlier failure is forgotten.
        """
        attempt = Attempt.begin(self.path)
        bring(self.path)  # what earlier attempts have left, none of which writes any more
        replace_json(self.config_file, config, lasting=False)
        # Checkpoints may outlive a power cut, and what they are of must then be known. Its name is the folder's, which
        # the first checkpoint or the end brings to the disk.
        sync_files(self.config_file)
        # Of whom a power cut leaves nobody.
        replace_json(self.running, {"host": attempt.token.host, "pid": attempt.token.pid}, lasting=False)
        _forget(self.failure)
        return attempt

    def finish(self, result: TrialResult) -> None:
        """Write the record, which makes the trial done."""
        sync_files(self.curve)
        replace_json(self.record, result.to_dict())
        self.tidy()

    def tidy(self) -> None:
        """Delete what a trial that is done has no use for any more, its checkpoints too."""
        _forget(self.failure)
        _forget(self.stopped)
        remove(self.earlier_record)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.release()

    def set_aside(self) -> None:
        """Make a trial that is done count as not done; its record is kept as the earlier one."""
        remove(self.earlier_record)
        self.record.replace(self.earlier_record)
        remove(self.gain)
        sync_folder(self.path)

    def set_aside_as(self, earlier: TrialResult) -> None:
        """As `set_aside`, of a record that is damaged; `earlier` is kept in its place."""
        replace_json(self.earlier_record, earlier.to_dict())
        remove(self.record)
        remove(self.gain)
        sync_folder(self.path)

    def fail(self, reason: str, details: str | None = None) -> None:
        """Write why the trial failed: one line, and a stack trace for an error that nobody foresaw."""
        sync_files(self.curve)
        told = None if details is None else as_told(details)
        replace_json(self.failure, {"reason": as_told(reason), "details": told})
        self.release()

    def stop_early(self, stopped: StoppedEarly) -> None:
        """Write how the trial ended before its last step; its checkpoints stay."""
        sync_files(self.curve)
        replace_json(self.stopped, stopped.model_dump(mode="json"))
        _forget(self.failure)
        self.release()

    def stopped_early(self) -> StoppedEarly | None:
        """How the trial was stopped early; None where it was not.

        Raises:
            DamagedFileError: stopped.json is damaged.
        """
        if not self.stopped.exists():
            return None
        advice = "delete it to have the trial trained on"
        return read_typed(self.stopped, StoppedEarly, what="how a trial was stopped early", advice=advice)

    def go_on(self) -> None:
        """Make a trial that was stopped early one that waits."""
        _forget(self.stopped)

    def release(self) -> None:
        """The worker no longer has the trial."""
        _forget(self.running)

    def result(self) -> TrialResult | None:
        """What the trial came to, once it is done.

        Raises:
            InputError: record.json is not what it should be.
        """
        return TrialResult.read(self.record) if self.record.exists() else None

    def status(self, *, run_alive: bool) -> TrialStatus:
        """The trial's status by its files. A trial cannot be running in a run that no driver holds.

        Raises:
            InputError: record.json is one of another version of gapsack.
        """
        try:
            if self.result() is not None:
                return "done"
        except DamagedFileError:
            pass
        return self.status_without_record(run_alive=run_alive)

    def status_without_record(self, *, run_alive: bool) -> TrialStatus:
        """As `status`, of a trial that is known not to be done."""
        if run_alive and self.running.exists():
            return "running"
        if self.stopped.exists():
            return STOPPED_EARLY
        if self.failure.exists():
            return "failed"
        return "interrupted" if self.config_file.exists() else "pending"

    def failure_reason(self) -> str | None:
        """Why the trial failed, or that its file does not say so any more; None where it did not fail."""
        if not self.failure.exists():
            return None
        try:
            return read_typed(
                self.failure, Failure, what="why the trial failed", advice="the next sweep run tries the trial again"
            ).reason
        except DamagedFileError as error:
            return str(error)


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
        self.ray_log = self.path / "ray.log"
        self.study_file = self.path / "study.journal"
        self.trials = self.path / "trials"
        self.pool = self.path / POOL
        self.ensemble_file = self.path / "ensemble.json"
        self.frontier_file = self.path / "frontier.json"
        self.graph = self.path / "graph"
        self.report = self.path / "report.html"

    @property
    def address(self) -> str:
        """Where a person finds the run: its path, or its URL."""
        return address_of(self.path)

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """An existing run.

        Raises:
            InputError: the folder is not a run.
        """
        run = cls(path)
        bring_books(run.path)
        if not run.config_file.exists():
            got = run.address if is_mirrored(run.path) else path
            raise InputError(f"expected a run folder (one with a config.json, as sweep run makes it), got {got}")
        return run

    def trial(self, name: str) -> TrialFolder:
        """The folder of the trial `name`, which need not exist yet."""
        return TrialFolder(self.trials / name)

    def started_trials(self) -> list[TrialFolder]:
        """Trials that have a folder, by name."""
        if not self.trials.is_dir():
            return []
        return [TrialFolder(path) for path in sorted(self.trials.iterdir()) if path.is_dir()]

    def data_files(self) -> RunFiles | None:
        """The training and the held-out files; None where nothing says.

        Raises:
            DamagedFileError: files.json is damaged.
        """
        if not self.files_file.exists():
            return None
        advice = "delete it, and the next sweep run writes it anew"
        return read_typed(self.files_file, RunFiles, what="the lists of a run's data files", advice=advice)

    def tracking_ids(self) -> TrackingIds | None:
        """Where the run is recorded; None where it is not.

        Raises:
            DamagedFileError: tracking.json is damaged.
        """
        if not self.tracking_file.exists():
            return None
        advice = "delete it, and the next sweep run records the sweep anew"
        return read_typed(self.tracking_file, TrackingIds, what="where a run is recorded", advice=advice)

    def is_alive(self) -> bool:
        """Whether a driver holds the run now."""
        return is_locked(self.lock)

    @contextmanager
    def held(self, notice: Callable[[str], None] = lambda _sentence: None) -> Iterator[None]:
        """Hold the run as its only driver; the marks of dead workers are cleared first.

        A stop request is cleared first and last: it is for the workers of this driver, or of the one before that was
        killed, and none of them outlives its driver.

        Args:
            notice: Is told, in a sentence, where the file system has no locks.

        Raises:
            InputError: another driver holds it.
        """
        with locked(self.lock, notice):
            if is_mirrored(self.path):
                bring(self.path, lambda name: is_book(name) or name.startswith("pool/"))
                store_at(self.path).delete(self.stop_file.name)
            _forget(self.stop_file)
            for trial in self.started_trials():
                trial.release()
            try:
                yield
            finally:
                self.stop_file.unlink(missing_ok=True)
                if is_mirrored(self.path):
                    store_at(self.path).delete(self.stop_file.name)
                    send(self.path)


def runs_in(storage: Path) -> list[RunFolder]:
    """The runs in a storage folder, newest first."""
    storage = place_of(storage)
    bring_books(storage)
    if not storage.is_dir():
        return []
    runs = [RunFolder(path.parent) for path in storage.glob("*/config.json")]
    return sorted(runs, key=lambda run: (-run.config_file.stat().st_mtime, run.name))


def find_run(given: Path | None, storage: Path) -> RunFolder:
    """The run that a command means: a run folder, the name of one in `storage`, or the newest one there.

    Raises:
        InputError: there is no such run.
    """
    storage = place_of(storage)
    if given is None:
        runs = runs_in(storage)
        if not runs:
            where = address_of(storage)
            raise InputError(f"expected a run in {where}, got none: name one, or make one with sweep run")
        return runs[0]
    given = place_of(given)
    if is_mirrored(storage) and not given.is_absolute():
        return RunFolder.open(storage / given)
    if not (given / "config.json").exists() and (storage / given / "config.json").exists():
        return RunFolder(storage / given)
    return RunFolder.open(given)


def _forget(path: Path) -> None:
    """Delete a file of ours, if it is there; InputError for a folder in its place, which is nobody's to delete."""
    if path.is_dir() and not path.is_symlink():
        raise InputError(f"expected a file or nothing at {path}, got a folder: move it away")
    path.unlink(missing_ok=True)
