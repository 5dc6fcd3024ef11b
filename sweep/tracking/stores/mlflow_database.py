"""MLflow's database where it is a file beside the runs: made by one process at a time, and moved with its project."""

from __future__ import annotations

import fcntl
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


def _replace(connection: sqlite3.Connection, before: str, after: str) -> None:
    for table, column in FILE_COLUMNS:
        if column in _columns(connection, table):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                [after, len(before) + 1, len(before), before],
            )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
