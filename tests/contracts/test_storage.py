"""What every storage of data files must do, run over this machine's files, memory, and S3 on loopback.

For a storage of another kind, say how a file gets there and what its paths begin with.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import DataError
from gapsack.sweep.storage.objects import PATIENCE_VARIABLE, StorageAwayError

CONTENT = np.random.default_rng(0).integers(0, 256, 100_003, dtype=np.uint8).tobytes()


class Place(NamedTuple):
    """A folder somewhere.

    Attributes:
        root: What paths in it begin with, with the separator.
        put: (path, content) -> a file is there.
    """

    root: str
    put: Callable[[str, bytes], object]


class StorageContract:
    """The suite; a subclass has a fixture `place`, of the scope "class"."""

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, place: Place) -> str:
        """Of a file with `CONTENT`."""
        place.put(f"{place.root}a-00.bin", CONTENT)
        return f"{place.root}a-00.bin"

    def test_a_file_has_its_size(self, path: str) -> None:
        assert storage.file_bytes(path) == len(CONTENT)
        assert storage.sizes_bytes([path, path]) == [len(CONTENT)] * 2
        assert storage.stamps([path])[path].size_bytes == len(CONTENT)

    @pytest.mark.parametrize(
        ("offset", "wanted"), [(0, 100_003), (0, 1), (7, 4096), (99_999, 4), (99_999, 100), (100_003, 5), (200_000, 5)]
    )
    def test_bytes_are_read_from_anywhere(self, path: str, offset: int, wanted: int) -> None:
        target = np.full(wanted, 7, np.uint8)
        with storage.opened(path) as file:
            assert file.size_bytes == len(CONTENT)
            got = file.read_into(target, offset)
        expected = CONTENT[offset : offset + wanted]
        assert (got, target[:got].tobytes()) == (len(expected), expected)
        assert (target[got:] == 7).all()

    def test_several_readers_do_not_disturb_each_other(self, path: str) -> None:
        def read(offset: int) -> bytes:
            target = np.empty(1000, np.uint8)
            with storage.opened(path) as file:
                file.read_into(target, offset)
            return target.tobytes()

        offsets = range(0, 99_000, 4_999)
        with ThreadPoolExecutor(8) as pool:
            for offset, found in zip(offsets, pool.map(read, offsets), strict=True):
                assert found == CONTENT[offset : offset + 1000]

    def test_patterns_name_files(self, place: Place, path: str) -> None:
        place.put(f"{place.root}a-01.bin", b"")
        place.put(f"{place.root}b.bin", b"x")
        assert sorted(storage.match(f"{place.root}a-*.bin")) == [path, f"{place.root}a-01.bin"]
        assert storage.match(f"{place.root}c*") == []
        assert storage.file_bytes(f"{place.root}a-01.bin") == 0

    def test_what_is_not_there_is_one_sentence_with_its_path(self, place: Place) -> None:
        missing = f"{place.root}missing.bin"
        for look in (storage.file_bytes, lambda path: storage.stamps([path]), lambda path: storage.sizes_bytes([path])):
            with pytest.raises(DataError, match=r"must be readable, got .*missing\.bin"):
                look(missing)


class TestThisMachine(StorageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Place:
        folder = tmp_path_factory.mktemp("files")
        return Place(f"{folder}/", lambda path, content: Path(path).write_bytes(content))


class TestMemory(StorageContract):
    """What fsspec opens without a server."""

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Place:
        fsspec = pytest.importorskip("fsspec")
        return Place("memory://contract/", fsspec.filesystem("memory").pipe_file)


class TestS3(StorageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, s3: Any) -> Place:
        import s3fs

        return Place(f"{s3.bucket}contract/", s3fs.S3FileSystem(use_listings_cache=False).pipe_file)

    @pytest.mark.parametrize("faults", [["503", "503"], ["lost", "lost"], ["slow"]], ids="-".join)
    def test_what_goes_wrong_for_a_moment_is_tried_again(self, path: str, s3: Any, faults: list[str]) -> None:
        target = np.empty(len(CONTENT), np.uint8)
        with storage.opened(path) as file:
            s3.faults[:] = faults
            assert file.read_into(target, 0) == len(CONTENT)
        assert s3.faults == []
        assert target.tobytes() == CONTENT

    def test_what_stays_wrong_is_one_sentence_with_its_path(
        self, path: str, s3: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PATIENCE_VARIABLE, "0")
        s3.away = True
        try:
            with pytest.raises(StorageAwayError, match=rf"^expected {path} to answer, got none for \d+ seconds: "):
                storage.file_bytes(path)
        finally:
            s3.away = False

    def test_what_comes_back_is_read_on(self, path: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """After longer than the driver itself asks again."""
        target, real = np.empty(len(CONTENT), np.uint8), time.sleep

        def comes_back(seconds: float) -> None:
            s3.away = False
            real(seconds)

        with storage.opened(path) as file:
            s3.away = True
            monkeypatch.setattr("gapsack.sweep.storage.objects.time.sleep", comes_back)
            assert file.read_into(target, 0) == len(CONTENT)
        assert target.tobytes() == CONTENT

    def test_a_bucket_that_is_not_there_has_no_files(self) -> None:
        assert storage.match("s3://no-such-bucket/*") == []


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"gcsfs for gs://bucket/a\*, .* pip install 'gapsack\[gcs\]'"):
        storage.match("gs://bucket/a*")
    with pytest.raises(InputError, match=r"expected s3://, gs:// .*, got nosuch://a"):
        storage.file_bytes("nosuch://a")


def test_a_remote_file_needs_no_tensorflow() -> None:
    """So that a worker that trains with JAX has none of it."""
    code = """
import sys, fsspec, numpy as np
from gapsack.sweep.data.storage import files
fsspec.filesystem("memory").pipe_file("memory://a/b", b"xyz")
[path] = files.match("memory://a/*")
with files.opened(path) as file:
    print(file.read_into(np.empty(3, np.uint8), 0), "tensorflow" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["3", "False"]
