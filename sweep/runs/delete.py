"""Deleting runs: the folder goes whole; what MLflow has of a run is MLflow's."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.files import remove
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.lock import locked
from gapsack.sweep.storage.mirrored import bring_books, bytes_below, forget, is_mirrored

_LEAVING = ".deleted-"


@dataclass(frozen=True)
class Deletable:
    """A run that may be deleted.

    Attributes:
        run: its folder.
        size_bytes: of all files in it.
        trials: that have begun.
    """

    run: RunFolder
    size_bytes: int
    trials: int


def deletable(run: RunFolder) -> Deletable:
    """What deleting a run would delete.

    Raises:
        InputError: a driver holds it.
    """
    if run.is_alive():
        raise InputError(f"expected a run that nobody drives, but a process is running {run.path}: stop it first")
    bring_books(run.path)
    if is_mirrored(run.path):
        return Deletable(run, bytes_below(run.path), len(run.started_trials()))
    files = [path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()]
    return Deletable(run, sum(path.stat().st_size for path in files), len(run.started_trials()))


def delete(run: RunFolder) -> None:
    """Delete a run's folder. It is renamed first, so that no run is left half deleted under its name.

    Raises:
        InputError: a driver holds it.
    """
    with locked(run.lock):
        if is_mirrored(run.path):
            forget(run.config_file)  # first: what is left of it then is no run
            forget(run.path)
            remove(run.path)
            return
        leaving = run.path.with_name(f".{run.name}{_LEAVING}{secrets.token_hex(4)}")
        run.path.rename(leaving)
    remove(leaving)


def finish_deletions(storage: Path) -> None:
    """Delete what a `delete` that was killed left in a storage folder."""
    for path in storage.glob(f".*{_LEAVING}*"):
        remove(path)
