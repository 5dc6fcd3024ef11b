"""A folder that mirrors a URL: each side's changes reach the other, whole, in an order that another can go on from."""

import shutil
import uuid

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.storage import mirror as mirrors
from gapsack.sweep.storage.mirror import mirror_at
from gapsack.sweep.storage.objects import ObjectStore


@pytest.fixture(params=["s3", "memory"])
def url(request):
    name = uuid.uuid4().hex
    return f"memory://bucket/{name}" if request.param == "memory" else request.getfixturevalue("s3").bucket + name


@pytest.fixture
def mirror(tmp_path):
    with mirror_at(tmp_path / "mirror") as made:
        yield made


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_path_is_a_url_and_back(mirror):
    path = mirror.path("s3://bucket/runs/mine/")
    assert path == mirror.root / "s3" / "bucket" / "runs" / "mine"
    assert mirror.url(path / "pool") == "s3://bucket/runs/mine/pool"
    for wrong in ("s3://", "s3://bucket/../other", "s3://bucket//runs", "runs"):
        with pytest.raises(InputError):
            mirror.path(wrong)


def test_what_is_written_here_is_there_and_the_other_way_round(mirror, url, tmp_path):
    run = mirror.path(url)
    write(run, a="1", b__c="2", lock="own", tune__x="own")
    mirror.send(run)
    assert set(ObjectStore(url).listed()) == {"a", "b/c"}
    with mirror_at(tmp_path / "other") as other:
        there = other.path(url)
        other.bring(there)
        assert files(there) == {"a": "1", "b/c": "2"}
        write(there, a="3", d="4")
        (there / "b" / "c").unlink()
        other.send(there)
    mirror.bring(run)
    assert files(run) == {"a": "3", "d": "4", "lock": "own", "tune/x": "own"}


def test_only_what_has_changed_travels(mirror, url, monkeypatch):
    run, sent = mirror.path(url), []
    write(run, a="1", b="2")
    mirror.send(run)
    real = ObjectStore.send
    monkeypatch.setattr(ObjectStore, "send", lambda store, name, path: sent.append(name) or real(store, name, path))
    write(run, b="3")
    mirror.send(run)
    assert sent == ["b"]
    monkeypatch.setattr(ObjectStore, "fetch", lambda *_: pytest.fail("nothing has changed there"))
    mirror.bring(run)


def test_a_change_of_this_side_alone_is_kept_until_it_is_sent(mirror, url):
    run = mirror.path(url)
    write(run, a="1", b="1")
    mirror.send(run)
    write(run, a="here")
    ObjectStore(url).write("b", b"there")
    mirror.bring(run)
    assert files(run) == {"a": "here", "b": "there"}


def test_what_is_not_wanted_here_is_known_and_not_deleted_there(mirror, url):
    store, run = ObjectStore(url), mirror.path(url)
    store.write("small.json", b"{}")
    store.write("large.npz", b"12345")
    mirror.bring(run, lambda name: name.endswith(".json"))
    assert files(run) == {"small.json": "{}"}
    assert mirror.size_elsewhere(run / "large.npz") == 5
    assert mirror.size_elsewhere(run / "nothing") is None
    assert mirror.bytes_below(run) == 7
    mirror.send(run)
    assert set(store.listed()) == {"small.json", "large.npz"}


def test_a_mirror_of_which_files_were_deleted_has_them_again_and_deletes_nothing_there(mirror, url):
    run = mirror.path(url)
    write(run, a="1", b__c="2")
    mirror.send(run)
    shutil.rmtree(run)
    mirror.bring(run)
    mirror.send(run)
    assert files(run) == {"a": "1", "b/c": "2"}
    assert set(ObjectStore(url).listed()) == {"a", "b/c"}


def test_arrays_go_first_and_what_says_that_a_trial_is_done_last(mirror, url, monkeypatch):
    trial, done = mirror.path(url), []
    write(trial, **{"checkpoints__weights-1.npz": "w1", "checkpoints__state.npz": "s1"})
    mirror.send(trial)
    send, delete = ObjectStore.send, ObjectStore.delete
    monkeypatch.setattr(ObjectStore, "send", lambda store, name, path: done.append(name) or send(store, name, path))
    monkeypatch.setattr(ObjectStore, "delete", lambda store, name: done.append(f"-{name}") or delete(store, name))
    (trial / "checkpoints" / "weights-1.npz").unlink()
    write(trial, **{"checkpoints__weights-2.npz": "w2", "checkpoints__state.npz": "s2"})
    mirror.send(trial)
    assert done == ["weights-2.npz", "-weights-1.npz", "state.npz"]
    done.clear()
    shutil.rmtree(trial / "checkpoints")
    write(trial, **{"record.json": "{}", "weights.npz": "w", "config.json": "{}"})
    mirror.send(trial)
    assert done == ["weights.npz", "config.json", "record.json", "-state.npz", "-weights-2.npz"]


def test_a_folder_is_forgotten_there_whether_it_is_here_or_not(mirror, url):
    run, store = mirror.path(url), ObjectStore(url)
    store.write("checkpoints/state.npz", b"1")
    store.write("keep", b"2")
    mirror.bring(run, lambda name: "checkpoints" not in name)
    mirror.forget(run / "checkpoints")
    assert list(store.listed()) == ["keep"]


def test_a_bucket_that_is_not_there_is_one_sentence(mirror, s3):
    with pytest.raises(InputError, match=r"expected a bucket that is there for s3://no-such-bucket/runs, got none"):
        mirror.bring(mirror.path("s3://no-such-bucket/runs"))


def test_this_machines_own_files_are_known_by_their_names():
    assert all(mirrors._is_own(name) for name in ("lock", "run/lock.lease", ".a.1f.part", "run/tune/x", ".a.scratch/b"))
    assert not any(mirrors._is_own(name) for name in ("locks", "trials/a/record.json", "pool/labels.npz"))
