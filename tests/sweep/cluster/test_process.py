"""The Tune process seen from the driver, with programs in its place that say what they are told to; without Ray."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gapsack.sweep.cluster import process as processes
from gapsack.sweep.cluster.messages import Ended, Go, Refused, TrialFinished, TrialStarted
from gapsack.sweep.cluster.process import tune_process
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec

BEGIN = """
import json, os, signal, sys
sys.path[:] = json.loads(sys.argv.pop(1))
from multiprocessing.connection import Connection
from gapsack.sweep.cluster.messages import *
connection = Connection(int(sys.argv[1]))
"""
GRID = {
    "name": "run",
    "data": {"level": "video", "validate": ["v"], "classes": 10},
    "model": {"family": "gated_netvlad"},
    "search": {"grid": {"clusters": [4], "hidden": [8]}},
}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a program as the Tune process."""

    def make(code):
        monkeypatch.setattr(processes, "START", BEGIN + code)
        sweep = SweepSpec(str(tmp_path), Grid.model_validate(GRID), ("train",), ("holdout",))
        return tune_process(sweep, b"trial", None, tmp_path / "ray.log")

    return make


def told(process):
    return [message for message in process.messages() if message is not None]


def test_what_it_tells_arrives_in_order_and_its_end_is_no_death(start, tmp_path):
    code = """
job = connection.recv()
connection.send(TrialStarted(job.sweep.grid.name, {"trial": job.trial, "address": job.address}))
assert isinstance(connection.recv(), Go)
print("noise")
connection.send(Ended())
os._exit(1)  # as Ray may do
"""
    with start(code) as process:
        process.send(Go())
        assert told(process) == [TrialStarted("run", {"trial": b"trial", "address": None}), Ended()]
        assert not process.died
    assert not (tmp_path / "ray.log").exists()


@pytest.mark.parametrize(
    ("last", "ending", "words"),
    [
        ("sys.exit(3)", "ended (exit code 3)", "it printed nothing"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed (signal 9)", "it printed nothing"),
        (
            "print('[2026-11-26 21:54:37,757 E 5888 5901] core_worker_process.cc:1109: The core worker is shut down');"
            "print(); sys.exit(1)",
            "ended (exit code 1)",
            "it printed last: The core worker is shut down (all of it: {log})",
        ),
        ("raise OSError('no space')", "ended (exit code 1)", "it printed last: OSError: no space (all of it: {log})"),
    ],
)
def test_its_death_is_told_with_its_last_words(start, tmp_path, last, ending, words):
    log = tmp_path / "ray.log"
    with start(f"connection.send(TrialFinished('K4-H8'))\n{last}\n") as process:
        assert told(process) == [TrialFinished("K4-H8")]
        assert process.died
        assert (process.ending(), process.last_words()) == (ending, words.format(log=log))
    assert log.exists() == ("{log}" in words)


def test_a_death_that_nobody_asks_about_leaves_no_log(start, tmp_path):
    with start("print('noise'); os._exit(1)") as process:
        assert told(process) == []
        assert process.died
    assert not (tmp_path / "ray.log").exists()


def test_one_that_cannot_even_begin_is_dead(start):
    with start("connection.close(); sys.exit('no such module')") as process:
        process.send(Go())
        assert told(process) == []
        assert (process.died, process.ending()) == (True, "ended (exit code 1)")
        assert "no such module" in process.last_words()


def test_a_refusal_is_its_last_word(start, tmp_path):
    with start("connection.send(Refused('too large'))") as process:
        assert told(process) == [Refused("too large")]
        assert not process.died
    assert not (tmp_path / "ray.log").exists()


def test_whatever_ends_the_block_ends_the_process_and_its_children(start, tmp_path):
    code = """
import subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
connection.send(TrialStarted("pids", {"tmp": os.environ["TMPDIR"], "pids": [os.getpid(), child.pid]}))
time.sleep(600)
"""
    with pytest.raises(KeyboardInterrupt), start(code) as process:
        message = next(message for message in process.messages() if message is not None)
        temporary = Path(message.settings["tmp"])
        assert temporary.is_dir()
        raise KeyboardInterrupt
    assert not temporary.exists()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in message.settings["pids"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (tmp_path / "ray.log").exists()


def test_a_signal_to_all_of_a_terminals_processes_does_not_reach_it(start):
    with start("connection.send(TrialStarted('group', {'id': os.getpgid(0)}))") as process:
        (message,) = told(process)
    assert message.settings["id"] != os.getpgid(0)


def test_modules_are_found_where_the_driver_finds_them(start, tmp_path, monkeypatch):
    """Such as the folder of a notebook, or one that a script put there; and not in the working directory."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "only_here.py").touch()
    (tmp_path / "json.py").write_text("raise ImportError('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "mine")])
    with start("import only_here; connection.send(TrialFinished(only_here.__name__))") as process:
        assert told(process) == [TrialFinished("only_here")]


def test_the_environment_holds_a_token_and_names_no_home(start, tmp_path):
    code = """
names = ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]
connection.send(TrialStarted("environment", {name: os.environ.get(name) for name in names}))
"""
    seen = []
    for _ in range(2):
        with start(code) as process:
            (message,) = told(process)
            seen.append(message.settings)
    assert [found["RAY_AUTH_MODE"] for found in seen] == ["token", "token"]
    assert seen[0]["RAY_AUTH_TOKEN"] != seen[1]["RAY_AUTH_TOKEN"]
    assert len(seen[0]["RAY_AUTH_TOKEN"]) == 64
    assert seen[0]["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_reaper_outlives_a_signal_to_everyone(start, number):
    """Sent to all processes of a job, it must not leave Ray without who clears up after it."""
    with start("import time; connection.send(TrialFinished('up')); time.sleep(600)") as process:
        next(message for message in process.messages() if message is not None)
        children = [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
        reapers = [pid for pid in children if b"reaper.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(reapers) == 1
        os.kill(reapers[0], number)
        time.sleep(0.3)
        assert Path(f"/proc/{reapers[0]}/stat").read_text().split(") ")[1][0] != "Z"
