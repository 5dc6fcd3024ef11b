"""Workers seen from who has them answer calls, with programs in the child's place; at the end, Ray's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster import process as processes
from gapsack.sweep.cluster.ray_map import ray_map
from gapsack.sweep.errors import ClusterError, DataError
from gapsack.sweep.grid.schema import Resources

BEGIN = """
import json, os, pickle, signal, sys
sys.path[:] = json.loads(sys.argv.pop(1))
from multiprocessing.connection import Connection
from gapsack.sweep.cluster.messages import *
connection = Connection(int(sys.argv[1]))
job = connection.recv()
assert isinstance(job, MapJob)
"""
SERVE = """
connection.send(Up(7))
shared = {}
while True:
    try:
        message = connection.recv()
    except EOFError:
        break
    if isinstance(message, Share):
        shared = {message.name: pickle.loads(message.pickled)}
        continue
    for piece in message.pieces:
        connection.send(CallAnswer(message.number, (message.function, shared[message.shared], piece, len(shared))))
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logs go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch):
    """Puts a program in the place of the child."""
    return lambda code: monkeypatch.setattr(processes, "START", BEGIN + code)


def added(shared: int, piece: int) -> int:
    """A call that may fail, and may be the last of its process."""
    if piece == 13:
        raise DataError("expected no 13, got 13")
    if piece == 14:
        raise ZeroDivisionError("fourteen")
    return shared + piece


def test_answers_come_in_order_and_what_is_shared_travels_once(child, temporary: Path) -> None:
    child(SERVE)
    first, second = ["first"], ["second"]
    with ray_map("auto", Resources()) as mapped:
        assert mapped.cpus == 7
        name = f"{added.__module__}:added"
        assert list(mapped(added, first, [1, 2])) == [(name, first, 1, 1), (name, first, 2, 1)]
        assert [answer[2] for answer in mapped(added, first, [])] == []
        assert [answer[1:3] for answer in mapped(added, second, [3])] == [(second, 3)]
    assert list(temporary.iterdir()) == []


def test_answers_that_nobody_waited_for_are_not_the_next_batchs(child) -> None:
    child(SERVE)
    with ray_map("auto", Resources()) as mapped:
        begun = mapped(added, 0, [1, 2, 3])
        assert next(begun)[2] == 1
        assert [answer[2] for answer in mapped(added, 0, [4, 5])] == [4, 5]


def test_a_refusal_is_the_error_that_it_was(child, temporary: Path) -> None:
    child("connection.send(Refused('expected a Ray cluster at there'))")
    with pytest.raises(InputError, match="a Ray cluster at there"), ray_map("auto", Resources()):
        raise AssertionError
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("when", "up"), [("before it is up", ""), ("later", "connection.send(Up(1))")])
def test_its_death_is_one_sentence_that_names_the_log(child, temporary: Path, when: str, up: str) -> None:
    child(f"{up}\nprint('the raylet is dead'); sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ClusterError) as died, ray_map("auto", Resources()) as mapped:
        list(mapped(added, 0, [1]))
    (log,) = temporary.glob("gapsack-*-ray.log")
    assert "it was killed (signal 9); it printed last: the raylet is dead" in str(died.value), when
    assert str(log) in str(died.value)


@pytest.mark.long
def test_rays_own_workers_answer_and_fail_as_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with ray_map(None, Resources(cpus=1)) as mapped:
        assert list(mapped(added, 100, list(range(12)))) == list(range(100, 112))
        assert list(mapped(added, 7, [1])) == [8]
        with pytest.raises(InputError, match="expected no 13, got 13"):
            list(mapped(added, 7, [1, 13, 2]))
        with pytest.raises(ClusterError, match="got ZeroDivisionError: fourteen"):
            list(mapped(added, 7, [14]))
        assert list(mapped(added, 7, [2])) == [9]
