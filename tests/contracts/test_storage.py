"""What every storage of data files must do, run over this machine's files and over TensorFlow's file systems.

For a storage of another kind, say how a file gets there and what its paths begin with.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import DataError

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

        offsets = range(0, 99_000, 997)
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


class TestTensorFlowsFileSystems(StorageContract):
    """Memory stands for object storage, which is read by the same calls."""

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Place:
        gfile = pytest.importorskip("tensorflow").io.gfile

        def put(path: str, content: bytes) -> None:
            with gfile.GFile(path, "wb") as file:
                file.write(content)

        return Place("ram://contract/", put)
