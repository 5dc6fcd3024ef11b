"""A mapped file that is cut: touching it is an error that names the file, and any other SIGBUS is what it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.sweep.data.storage import guard

pytestmark = pytest.mark.skipif(guard.guard() is None, reason="signals are known on 64-bit Linux only")

START = """
import faulthandler, gc, mmap, os, sys, threading
import numpy as np
from gapsack.sweep.data.storage import guard
faulthandler.enable()
path = sys.argv[1]

def mapped(pages=100):
    with open(path, "wb") as file:
        file.write(bytes([7]) * (pages * mmap.PAGESIZE))
    with open(path, "rb") as file:
        memory = guard.map_file(file.fileno(), pages * mmap.PAGESIZE)
    return np.frombuffer(memory, np.uint8)

def cut():
    os.truncate(path, 3 * mmap.PAGESIZE)
"""

TOUCHED = """
for _ in range(3):  # again and again, in mappings that come and go
    data = mapped()
    with guard.whole_mappings():
        assert data.sum() == 7 * data.size
    cut()
    try:
        with guard.whole_mappings():
            sums = []
            threads = [threading.Thread(target=lambda: sums.append(int(data.sum()))) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    except Exception as error:
        print(type(error).__name__, str(error).endswith(f"{path} was truncated while it was read."))
    assert sums == [7 * 3 * mmap.PAGESIZE] * 4, sums  # zeros beyond the file's end
    with guard.whole_mappings():  # what is not touched is no error
        assert data[5] == 7
    del data
    gc.collect()
    assert len(guard.guard()._free) == guard.SLOTS
"""

FOREIGN = """
data = mapped()
with open(path, "rb") as file:
    other = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
cut()
print("before", flush=True)
other[50 * mmap.PAGESIZE]
print("after")
"""


def run(script: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START + script, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_was_cut_from_a_file_is_zeros_and_an_error(tmp_path: Path) -> None:
    found = run(TOUCHED, tmp_path / "a")
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == ["DataError True"] * 3


def test_a_mapping_of_somebody_else_ends_the_process_as_before(tmp_path: Path) -> None:
    found = run(FOREIGN, tmp_path / "a")
    assert found.returncode == -signal.SIGBUS
    assert found.stdout.split() == ["before"]
    assert "Fatal Python error: Bus error" in found.stderr  # the handler that was there before has met it


def test_files_beyond_the_guards_slots_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = guard.guard()
    assert found is not None
    monkeypatch.setattr(found, "_free", [])
    (tmp_path / "a").write_bytes(b"abc")
    with (tmp_path / "a").open("rb") as file:
        assert guard.map_file(file.fileno(), 3) is None
