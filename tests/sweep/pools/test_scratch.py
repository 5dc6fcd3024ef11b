"""Scratch folders: gone at the end, gone after a kill, and never taken from a process that lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.sweep.pools.scratch import remove_abandoned, scratch_folder

HOLDER = """
import sys
from pathlib import Path
from gapsack.sweep.pools.scratch import scratch_folder

with scratch_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "file").write_text("text")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def holder(place: Path, name: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that has a scratch folder until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, place / process.stdout.readline().strip()


@pytest.mark.parametrize("name", ["pool", "a.b (c)", "é" * 120])
def test_what_a_killed_process_left_is_removed_and_nothing_of_a_living_one(tmp_path: Path, name: str) -> None:
    (living, used), (killed, left) = holder(tmp_path, name), holder(tmp_path, name)
    other, others = holder(tmp_path, "other")
    for process in (killed, other):
        process.kill()
        process.communicate()
    (tmp_path / "file").write_text("mine")
    assert len({used, left, others}) == 3
    assert all((folder / "file").is_file() for folder in (used, left, others))

    remove_abandoned(tmp_path, name)
    assert sorted(tmp_path.iterdir()) == sorted([used, others, tmp_path / "file"])

    living.communicate("")
    assert sorted(tmp_path.iterdir()) == sorted([others, tmp_path / "file"])


def test_an_error_leaves_nothing_and_a_link_is_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path, "pool") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        raise ZeroDivisionError
    link = tmp_path / ".pool.00000000.scratch"
    link.symlink_to(kept)
    remove_abandoned(tmp_path, "pool")
    assert sorted(tmp_path.iterdir()) == sorted([kept, link])
    remove_abandoned(tmp_path / "missing", "pool")
