"""A run at a URL, as its driver and its workers have it: folders that mirror it, and when these are compared with it.

A worker begins with an empty folder, fetches what its trial goes on from, and deletes the folder when the attempt ends,
so that nothing but the bucket has to outlive it. The driver's folder stays, and may be deleted between two starts.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.pools.scratch import remove_abandoned, scratch_folder
from gapsack.sweep.runs.folder import RunFolder, TrialFolder
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.storage.addresses import as_told, telling_urls
from gapsack.sweep.storage.mirrored import bring, driven, is_mirrored, mirrored, root_of, send, store_at
from gapsack.sweep.storage.objects import StorageAwayError
from gapsack.sweep.storage.remote import is_url

LOOK_SECONDS = 1.0
"""How soon a request to stop is sent."""
SEND_SECONDS = 15.0
"""How often the driver sends what it has written of a run."""

_NAME = "gapsack-trial"
_OF_RUN = ("config.json", "files.json", "checksums.txt", "stamps.json", "pool/labels.npz")
"""What a trial reads of its run."""


def run_of(grid: Grid, folder: Path) -> tuple[RunFolder, str | None]:
    """The run that a grid names, and its URL if it lies at one; `folder` is where `storage` is if it is relative."""
    if not is_url(grid.storage):
        return RunFolder(folder / grid.storage / grid.name), None
    url = f"{grid.storage.rstrip('/')}/{grid.name}"
    return RunFolder(driven(url)), url


@contextmanager
def driver_here(sweep: SweepSpec) -> Iterator[None]:
    """In the Tune process: for the time of the block the driver's folder is a mirror here too."""
    folder, url = Path(sweep.run_folder), sweep.url
    with nullcontext() if url is None else mirrored(root_of(folder, url)):
        yield


@contextmanager
def worker_here(sweep: SweepSpec) -> Iterator[SweepSpec]:
    """In a worker: the sweep, with a folder for its run that is gone at the end of the block."""
    if sweep.url is None:
        yield sweep
        return
    place = Path(tempfile.gettempdir())
    remove_abandoned(place, _NAME)
    # Outside nobody knows this folder, which errors name.
    with scratch_folder(place, _NAME) as folder, mirrored(folder) as mirror, telling_urls():
        yield replace(sweep, run_folder=str(mirror.path(sweep.url)))


def bring_run(sweep: SweepSpec, trial: TrialFolder) -> None:
    """In a worker: what a trial reads of its run. Its own files are fetched when its attempt begins."""
    if sweep.url is not None:
        for name in _OF_RUN:
            bring(sweep.run.path / name)
        bring(trial.record)
        bring(trial.stopped)
        _bring_published(sweep.run, trial)


def bring_ended(run: RunFolder, trial: TrialFolder) -> None:
    """In the Tune process: what a trial has left, but for what only its worker, or a graph, needs of it."""
    if is_mirrored(run.path):
        bring(trial.path, lambda name: not name.startswith("checkpoints/") and name != trial.weights.name)
        bring(run.pool / "labels.npz")
        _bring_published(run, trial)


def _bring_published(run: RunFolder, trial: TrialFolder) -> None:
    files: list[str] = []
    try:
        result, stopped = trial.result(), trial.stopped_early()
    except InputError:  # damaged: whoever looks at the trial tells it
        return
    if result is not None:
        files += result.files
    if stopped is not None:
        files += stopped.files
    for name in [f"pool/{trial.name}.json", *(name for name in files if name.startswith("pool/"))] if files else ():
        bring(run.path / name)


def insist(run: RunFolder, call: Callable[[], None], notice: Callable[[str], None]) -> bool:
    """In the Tune process: do what needs the storage of a run, however long that is away.

    Meanwhile no trial ends or begins. It is given up if the trials are to stop; whether it was done.
    """
    while True:
        try:
            call()
        except StorageAwayError as away:
            if run.stop_file.exists():
                return False
            notice(f"{as_told(str(away))}; the sweep waits until it does")
            time.sleep(LOOK_SECONDS)
        else:
            return True


@contextmanager
def sending(run: RunFolder, notice: Callable[[str], None]) -> Iterator[None]:
    """For the time of the block a thread sends what the driver writes, and at once that the trials are to stop."""
    if not is_mirrored(run.path):
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_keep_sent, args=(run, notice, ended), name="sending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_sent(run: RunFolder, notice: Callable[[str], None], ended: threading.Event) -> None:
    due, stopping = time.monotonic() + SEND_SECONDS, False
    while not ended.wait(LOOK_SECONDS):
        try:
            if not stopping and run.stop_file.exists():
                store_at(run.path).write(run.stop_file.name, b"")
                stopping = True
            if time.monotonic() >= due:
                for file in _of_driver(run):
                    send(file)
        except (OSError, InputError) as error:
            notice(f"The run at {run.address} could not be written to, which is tried again: {error}")
        if time.monotonic() >= due:
            due = time.monotonic() + SEND_SECONDS


def _of_driver(run: RunFolder) -> Iterator[Path]:
    """Files that the driver and the Tune process write; those of trials that run are their workers'."""
    yield from (path for path in run.path.iterdir() if path.is_file())
    for pattern in ("*/gain.json", "*/failure.json"):
        yield from run.trials.glob(pattern)
