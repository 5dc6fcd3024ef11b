"""A lease is held by one, kept by renewal, lost when its holder is gone for long, never taken from the living."""

import json
import os
import threading
import time

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.lease import LeaseTimes, is_leased, leased
from gapsack.sweep.storage.objects import ObjectStore
from gapsack.sweep.storage.stores import FolderStore

TIMES = LeaseTimes(beat=0.02, stale=0.5, watch=0.1)
ELSEWHERE = {"token": "another", "host": "another-host", "pid": 1}


@pytest.fixture(params=["folder", "objects"])
def store(request, tmp_path):
    return FolderStore(tmp_path / "run") if request.param == "folder" else ObjectStore(f"memory://bucket{tmp_path}")


def never():
    pytest.fail("nobody took the lease")


def put(store, **values):
    store.write("lock", json.dumps(ELSEWHERE | values).encode())


def test_a_lease_is_held_for_the_time_of_the_block_and_renewed(store):
    assert not is_leased(store, "lock", TIMES)
    with leased(store, "lock", never, TIMES):
        first = store.read("lock")
        assert is_leased(store, "lock", TIMES)
        deadline = time.monotonic() + 20
        while store.read("lock") == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert store.read("lock") != first
        with pytest.raises(InputError, match=rf"another process is running {store.address} \(process {os.getpid()} on"):
            leased(store, "lock", never, TIMES).__enter__()
    assert store.read("lock") is None


@pytest.mark.parametrize("problem", [OSError(5, "away"), InputError("expected rights to s3://bucket, got: expired")])
def test_what_refuses_for_a_while_does_not_end_the_renewals(store, monkeypatch, problem):
    read, refused = type(store).read, threading.Event()

    def refuse(_store, _name):
        refused.set()
        raise problem

    with leased(store, "lock", never, TIMES):
        monkeypatch.setattr(type(store), "read", refuse)
        assert refused.wait(20)
        monkeypatch.setattr(type(store), "read", read)
        first, deadline = store.read("lock"), time.monotonic() + 20
        while store.read("lock") == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert store.read("lock") != first


def test_one_that_is_renewed_on_another_machine_is_respected(store):
    put(store, renewed=time.time())
    assert is_leased(store, "lock", TIMES)
    with pytest.raises(InputError, match="process 1 on another-host"), leased(store, "lock", never, TIMES):
        pass


@pytest.mark.parametrize("content", [json.dumps(ELSEWHERE | {"renewed": 0.0}), "{"])
def test_one_that_nobody_renews_is_taken(store, content):
    store.write("lock", content.encode())
    assert not is_leased(store, "lock", TIMES)
    with leased(store, "lock", never, TIMES):
        assert is_leased(store, "lock", TIMES)


def test_one_whose_process_of_this_machine_is_gone_is_taken_at_once(store):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    put(store, host=os.uname().nodename, pid=child, renewed=time.time())
    started = threading.Event()
    with leased(store, "lock", never, LeaseTimes(watch=600)):
        started.set()
    assert started.is_set()


def test_a_clock_that_is_behind_takes_nothing_from_who_lives(store):
    """Its time is long past, and yet it is renewed while we watch."""
    put(store, renewed=1.0)
    writer = threading.Timer(0.05, lambda: put(store, renewed=2.0))
    writer.start()
    with pytest.raises(InputError, match="another-host"), leased(store, "lock", never, LeaseTimes(watch=2.0)):
        pass
    writer.join()


def test_a_holder_that_slept_too_long_is_told_and_leaves_the_lease_to_its_new_holder(store):
    lost = threading.Event()
    with leased(store, "lock", lost.set, TIMES):
        deadline = time.monotonic() + 20
        while not lost.wait(0.05) and time.monotonic() < deadline:  # who looked just before writes once more
            put(store, renewed=time.time())
        assert lost.is_set()
    assert json.loads(store.read("lock"))["token"] == "another"


def test_of_many_who_want_it_at_once_one_gets_it(store):
    together, over, outcomes = threading.Barrier(8), threading.Barrier(8), []

    def take():
        together.wait(20)
        try:
            with leased(store, "lock", never, LeaseTimes(watch=1.0)):  # a file without its content yet is watched
                outcomes.append("held")
                over.wait(20)
        except InputError:
            outcomes.append("refused")
            over.wait(20)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + ["refused"] * 7
