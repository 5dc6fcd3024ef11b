"""A lock is held by one process, seen by all, and let go of with its holder."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.runs.lock import is_locked, locked

HOLD = """
import sys, time
from pathlib import Path
from gapsack.sweep.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_is_held_for_the_time_of_the_block(path):
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
        assert is_locked(path), "looking does not take it"
    assert path.exists()
    assert not is_locked(path)


def test_only_one_process_holds_it(path, holder):
    assert is_locked(path)
    with pytest.raises(InputError, match=f"another process is running {path.parent}"), locked(path):
        pass


def test_it_goes_with_its_holder(path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert not is_locked(path)
    with locked(path):
        pass


def test_where_the_file_system_has_no_locks_a_file_is_renewed_and_it_is_told_once(path, monkeypatch):
    def no_locks(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("gapsack.sweep.runs.lock.fcntl.flock", no_locks)
    told = []
    assert not is_locked(path)
    with locked(path, told.append):
        assert is_locked(path)
        with pytest.raises(InputError, match=f"another process is running {path.parent}"), locked(path):
            pass
    assert not is_locked(path)
    assert [sentence.split(":")[0] for sentence in told] == [
        f"The file system of {path.parent} has no locks (No locks available)"
    ]


def test_another_fault_of_the_lock_is_no_lack_of_locks(path, monkeypatch):
    def fails(*_arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("gapsack.sweep.runs.lock.fcntl.flock", fails)
    with pytest.raises(OSError, match="Input/output"), locked(path):
        pass
