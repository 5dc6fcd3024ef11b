import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from gapsack.sweep.cluster import reaper

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(100)"]


def sleeper(**environment):
    process = subprocess.Popen(SLEEP, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


def test_marked_processes_and_the_folder_go_when_the_driver_closes_the_pipe(tmp_path):
    mark = uuid.uuid4().hex
    marked, other = sleeper(**{reaper.MARK: mark}), sleeper(**{reaper.MARK: mark + "x"})
    (tmp_path / "session" / "logs").mkdir(parents=True)
    clearing = subprocess.Popen(
        [sys.executable, "-I", reaper.__file__, mark, str(tmp_path / "session")], stdin=subprocess.PIPE
    )
    try:
        time.sleep(0.5)
        assert marked.poll() is None
        clearing.stdin.close()
        assert clearing.wait(timeout=20) == 0
        assert marked.wait(timeout=5) == -9
        assert other.poll() is None
        assert not (tmp_path / "session").exists()
    finally:
        for left in (marked, other):
            left.kill()
            left.communicate()


def test_a_process_that_belongs_to_somebody_else_is_passed_over(tmp_path):
    (tmp_path / "12" / "environ").mkdir(parents=True)  # reading it fails, as for another user's process
    process(tmp_path / "13", environ=b"A=1\0" + f"{reaper.MARK}=mine".encode() + b"\0B=2\0")
    process(tmp_path / "14", environ=f"{reaper.MARK}=other\0".encode())
    assert reaper.marked_processes("mine", "/tmp/session", tmp_path) == [13]


def test_a_process_whose_title_hides_the_mark_is_known_by_its_files(tmp_path):
    log = Path("/tmp/session/ray/logs/agent.log")
    process(tmp_path / "21", cmdline=b"ray::DashboardAgent   ", opened=[Path("/dev/null"), log])
    process(tmp_path / "22", cmdline=b"ray::DashboardAgent   ", opened=[Path("/tmp/session2/agent.log")])
    process(tmp_path / "23", cmdline=b"tail\0-f\0agent.log", opened=[log])  # somebody looks on
    process(tmp_path / "24", cmdline=b"ray::IDLE")
    assert reaper.marked_processes("mine", "/tmp/session", tmp_path) == [21]


def process(folder, environ=b"", cmdline=b"python", opened=()):
    """A process as `/proc` shows it."""
    (folder / "fd").mkdir(parents=True)
    (folder / "environ").write_bytes(environ)
    (folder / "cmdline").write_bytes(cmdline)
    for number, file in enumerate(opened):
        (folder / "fd" / str(number)).symlink_to(file)
