"""Objects below a URL: whole, created by one of many, asked for again where a server stumbles; errors as sentences."""

import sys
import threading
import uuid

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.objects import PATIENCE_VARIABLE, ObjectStore, StorageAwayError, patience_seconds


@pytest.fixture(params=["s3", "memory"])
def url(request):
    """Of a folder that nobody else has; memory:// stands for storage without a server here, as gs:// is."""
    name = uuid.uuid4().hex
    if request.param == "memory":
        return f"memory://bucket/{name}"
    return request.getfixturevalue("s3").bucket + name


def test_objects_are_written_read_listed_and_deleted_by_name(url):
    store = ObjectStore(f"{url}/")
    assert (store.address, store.read("a"), store.names(), store.listed(), store.stat("a")) == (url, None, [], {}, None)
    store.write("a", b"one")
    store.write("b/c", b"three")
    store.write("a", b"two!")
    assert (store.read("a"), store.names()) == (b"two!", ["a"])
    assert {name: stat.size_bytes for name, stat in store.listed().items()} == {"a": 4, "b/c": 5}
    assert list(store.listed("b")) == ["b/c"]
    assert store.listed()["a"] == store.stat("a")
    first = store.stat("a")
    store.write("a", b"four")
    assert store.stat("a") != first, "another content of the same size is told apart"
    store.delete("a")
    store.delete("a")
    assert (store.read("a"), list(store.listed())) == (None, ["b/c"])


def test_files_are_fetched_and_sent_whole(url, tmp_path):
    store, content = ObjectStore(url), bytes(range(256)) * 100
    (tmp_path / "here").write_bytes(content)
    store.send("there", tmp_path / "here")
    store.fetch("there", tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == content
    with pytest.raises(FileNotFoundError):
        store.fetch("missing", tmp_path / "new" / "missing")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_of_many_who_create_an_object_at_once_one_does(url):
    store, created = ObjectStore(url), []
    threads = [
        threading.Thread(target=lambda number=number: created.append((store.create("x", b"%d" % number), number)))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [number for was, number in created if was]
    assert store.read("x") == b"%d" % winner
    assert not store.create("x", b"later")


def test_a_create_whose_answer_was_lost_is_known_by_its_content(s3):
    store = ObjectStore(s3.bucket + uuid.uuid4().hex)
    s3.faults[:] = ["lost"]
    assert store.create("x", b"mine alone")
    assert store.read("x") == b"mine alone"
    assert s3.faults == []


@pytest.mark.parametrize("faults", [["503"], ["lost"], ["slow", "503"]], ids="-".join)
def test_what_goes_wrong_for_a_moment_is_asked_for_again(s3, tmp_path, faults):
    store = ObjectStore(s3.bucket + uuid.uuid4().hex)
    (tmp_path / "file").write_bytes(b"content" * 1000)
    s3.faults[:] = list(faults)
    store.send("x", tmp_path / "file")
    s3.faults[:] = list(faults)
    store.fetch("x", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content" * 1000
    s3.faults[:] = list(faults)
    assert list(store.listed()) == ["x"]


def test_a_driver_that_gives_up_is_asked_again_until_patience_ends(monkeypatch):
    store, left = ObjectStore("memory://bucket/patience", patience=30.0), [2]
    monkeypatch.setattr("gapsack.sweep.storage.objects.time.sleep", lambda _seconds: None)
    real = store._fs.cat_file

    def cat_file(path):
        if left[0]:
            left[0] -= 1
            raise ConnectionResetError("gone for a moment")
        return real(path)

    store.write("x", b"1")
    monkeypatch.setattr(store._fs, "cat_file", cat_file)
    assert (store.read("x"), left) == (b"1", [0])
    left[0] = 10**9
    with pytest.raises(
        StorageAwayError, match=r"^expected memory://bucket/patience/x to answer, got none for 0 seconds"
    ):
        ObjectStore("memory://bucket/patience", patience=0).read("x")


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (429, 3), (408, 3), (503, 3)])
def test_what_a_server_forbids_is_not_asked_for_again(monkeypatch, status, asked):
    class ClientResponseError(Exception):
        """As aiohttp's."""

    store, calls = ObjectStore("memory://bucket/status", patience=30.0), []
    monkeypatch.setattr("gapsack.sweep.storage.objects.time.sleep", lambda _seconds: None)

    def refuse(_path):
        calls.append(1)
        error = ClientResponseError("no")
        error.status = status if len(calls) < 3 else 400
        raise error

    monkeypatch.setattr(store._fs, "cat_file", refuse)
    with pytest.raises(OSError, match="ClientResponseError: no"):
        store.read("x")
    assert len(calls) == asked


def test_patience_is_set_by_the_environment(monkeypatch):
    monkeypatch.setenv(PATIENCE_VARIABLE, "7.5")
    assert patience_seconds() == 7.5
    for wrong in ("long", "-1", "inf", "nan"):
        monkeypatch.setenv(PATIENCE_VARIABLE, wrong)
        with pytest.raises(
            InputError, match=rf"expected in \$GAPSACK_STORAGE_PATIENCE seconds, 0 or more, got '{wrong}'"
        ):
            ObjectStore("memory://bucket/patience")


def test_what_is_wrong_for_good_is_one_sentence(s3, monkeypatch):
    with pytest.raises(InputError, match=r"expected a bucket that is there for s3://no-such-bucket/a, got none"):
        ObjectStore("s3://no-such-bucket/a").write("x", b"")
    with pytest.raises(InputError, match=r"expected a bucket that is there for s3://no-such-bucket/a, got none"):
        ObjectStore("s3://no-such-bucket/a").create("x", b"")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"gcsfs for gs://bucket/runs, .* pip install 'gapsack\[gcs\]'"):
        ObjectStore("gs://bucket/runs")


def test_without_credentials_or_rights_a_person_is_told_so(monkeypatch):
    class NoCredentialsError(Exception):
        """As botocore's."""

    store = ObjectStore("memory://bucket/rights")
    for error, told in (
        (NoCredentialsError("Unable to locate credentials"), r"expected credentials for memory://bucket/rights/x"),
        (PermissionError("Access Denied"), r"expected rights to memory://bucket/rights/x, got: Access Denied"),
    ):

        def refuse(_path, error=error):
            raise error

        monkeypatch.setattr(store._fs, "cat_file", refuse)
        with pytest.raises(InputError, match=told):
            store.read("x")
