"""How MLflow's database commits: ahead on a disk of this machine, with a rollback journal where others may see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gapsack.sweep.tracking.stores import mlflow_database as database_of_mlflow
from gapsack.sweep.tracking.stores.mlflow_database import commit_quickly, file_system

Mount = Callable[[str], None]

MOUNTS = """22 1 0:20 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:21 / {folder} rw,relatime shared:1 - {kind} somewhere rw
24 22 0:22 / {folder}/with\\040space rw - tmpfs tmpfs rw
"""


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mount:
    """Have the system say that the test's folder is of a kind of file system."""

    def mount(kind: str) -> None:
        listed = tmp_path / "mountinfo"
        listed.write_text(MOUNTS.format(folder=tmp_path, kind=kind))
        monkeypatch.setattr(database_of_mlflow, "MOUNTS", listed)

    return mount


def mode_of(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_the_file_system_of_a_path_is_that_of_its_deepest_mount(tmp_path: Path, mounted: Mount) -> None:
    mounted("nfs4")
    assert file_system(tmp_path / "a" / "mlflow.db") == "nfs4"
    assert file_system(tmp_path / "with space" / "mlflow.db") == "tmpfs"
    assert file_system(tmp_path.parent / "mlflow.db") == "ext4"


def test_nothing_is_known_where_the_system_does_not_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_of_mlflow, "MOUNTS", tmp_path / "none")
    assert file_system(tmp_path) is None
    commit_quickly(tmp_path / "mlflow.db")
    assert mode_of(tmp_path / "mlflow.db") == "delete"


def test_a_database_that_moves_to_a_shared_folder_gets_its_journal_back(tmp_path: Path, mounted: Mount) -> None:
    mounted("ext4")
    commit_quickly(tmp_path / "mlflow.db")
    assert mode_of(tmp_path / "mlflow.db") == "wal"
    mounted("nfs4")
    commit_quickly(tmp_path / "mlflow.db")
    assert mode_of(tmp_path / "mlflow.db") == "delete"


def test_a_database_that_others_write_to_is_left_as_it_is(tmp_path: Path, mounted: Mount) -> None:
    mounted("ext4")
    commit_quickly(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("CREATE TABLE t (x)")
        mounted("nfs4")
        commit_quickly(tmp_path / "mlflow.db")
        assert mode_of(tmp_path / "mlflow.db") == "wal"


def test_connections_of_mlflow_wait_for_the_disk_at_checkpoints_alone(tmp_path: Path, mounted: Mount) -> None:
    from sqlalchemy import create_engine, text

    mounted("ext4")
    commit_quickly(tmp_path / "mlflow.db")
    for name, level in (("mlflow.db", 1), ("other.db", 2)):
        with create_engine(f"sqlite:///{tmp_path}/{name}").connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == level
