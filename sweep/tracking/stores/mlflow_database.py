"""MLflow's database where it is a file beside the runs: made by one process at a time, and moved with its project."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

FILE_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow keeps absolute places of files."""

MOUNTS = Path("/proc/self/mountinfo")
LOCAL_SYSTEMS = frozenset(("btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"))
"""File systems that one machine has for itself."""

_quick: set[str] = set()
"""Databases of this process that write ahead."""


@contextmanager
def alone_in(database: Path, *, then: Callable[[], object]) -> Iterator[None]:
    """Keep other processes of ours from opening the database meanwhile; `then` is called first.

    MLflow makes its tables without a lock: of three sweeps that begin at once in a new folder two failed, and one that
    fails half-way leaves tables that no other can use. The lock is a hidden file beside the database, which stays.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f".{database.name}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        then()
        yield


def follow_move(database: Path, tag: str) -> None:
    """Where the database has moved since an experiment's `tag` was set to its path, have its files' places follow.

    MLflow keeps these as absolute URIs: a project that was copied would write its files into the folder that it was
    copied from. Only places below the folder that the database was in are changed.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        if not _columns(connection, "experiment_tags"):
            return
        earlier = {Path(row[0]) for row in connection.execute("SELECT value FROM experiment_tags WHERE key = ?", [tag])}
        for path in earlier - {database}:
            _replace(connection, path.parent.as_uri() + "/", database.parent.as_uri() + "/")
            connection.execute(
                "UPDATE experiment_tags SET value = ? WHERE key = ? AND value = ?", [str(database), tag, str(path)]
            )


def commit_quickly(database: Path) -> None:
    """Have a database on this machine's own disk write ahead (SQLite's WAL), with one sync for many commits.

    MLflow commits at each call; with a rollback journal each commit waits for the disk several times. A power cut may
    take the last commits back, and leaves a database that is whole: what is lacking is found and sent again
    (`sweep.tracking.tracker`). Elsewhere, and where nobody can tell, it is left, or put back, to a rollback journal:
    those who share one that writes ahead must share the machine's memory.
    """
    wanted = "wal" if file_system(database) in LOCAL_SYSTEMS else "delete"
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        if mode != wanted and (wanted == "wal" or mode == "wal"):
            try:
                mode = str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                # Another process has it open: it goes on as it is, which is right, if slower.
    if mode == "wal":
        if not _quick:
            _sync_less()
        _quick.add(os.path.realpath(database))


def file_system(path: Path) -> str | None:
    """The kind of file system that a path is on, or would be; None where the system does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place, found, deepest = Path(os.path.realpath(path)), None, -1
    for line in lines:
        mount, _, source = line.partition(" - ")
        point = Path(mount.split()[4].encode().decode("unicode_escape"))
        depth = len(point.parts)
        # Of several at one place the last one is seen.
        if depth >= deepest and place.is_relative_to(point):
            found, deepest = source.split()[0], depth
    return found


def _sync_less() -> None:
    """Have connections that MLflow opens from now on to the databases of `_quick` wait for the disk at checkpoints."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def opened(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            files = {str(row[2]) for row in connection.execute("PRAGMA database_list")}
            if files & _quick:
                connection.execute("PRAGMA synchronous = NORMAL")


def _replace(connection: sqlite3.Connection, before: str, after: str) -> None:
    for table, column in FILE_COLUMNS:
        if column in _columns(connection, table):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                [after, len(before) + 1, len(before), before],
            )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
