from __future__ import annotations

import ctypes
import gc
import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from gapsack.sweep.data.storage import mapping
from gapsack.sweep.data.storage.mapping import FileMemory

SIZE_BYTES = 3 * mmap.PAGESIZE + 10


@pytest.fixture(autouse=True, params=["owner", "others"])
def who_reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells only a file's owner which pages are in memory."""
    if request.param == "others":
        monkeypatch.setattr(os, "geteuid", lambda: -1)


pytestmark = pytest.mark.skipif(mapping._libc is None, reason="files are mapped on Linux only")


def write(path: Path, value: int = 0) -> bytes:
    content = (np.arange(SIZE_BYTES) % 251 + value).astype(np.uint8).tobytes()
    path.write_bytes(content)
    return content


def mapped(memory: FileMemory, path: Path, offset: int, size_bytes: int) -> np.ndarray | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return memory.mapped(descriptor, offset, size_bytes)
    finally:
        os.close(descriptor)


def mappings_of(path: Path) -> int:
    gc.collect()
    return Path("/proc/self/maps").read_text().count(str(path))


@pytest.mark.parametrize("offset", [0, 5, mmap.PAGESIZE, mmap.PAGESIZE + 1, SIZE_BYTES - 1])
def test_the_bytes_are_the_files(tmp_path: Path, offset: int) -> None:
    content = write(tmp_path / "a")
    memory = FileMemory()
    for size_bytes in (1, SIZE_BYTES - offset):
        found = mapped(memory, tmp_path / "a", offset, size_bytes)
        assert found is not None
        assert found.tobytes() == content[offset : offset + size_bytes]


def test_what_lies_beyond_the_end_has_to_be_read(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "empty").touch()
    assert mapped(FileMemory(), tmp_path / "a", 10, SIZE_BYTES - 9) is None
    assert mapped(FileMemory(), tmp_path / "empty", 0, 0) is None


def test_what_is_not_in_memory_yet_has_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a")

    def all_there_but_the_second(_address: int, _size_bytes: int, resident: int) -> int:
        ctypes.memmove(resident, bytes([1, 0, 1, 1]), 4)
        return 0

    monkeypatch.setattr(mapping._libc, "mincore", all_there_but_the_second)
    monkeypatch.setattr(mapping._libc, "madvise", lambda *_: -1)
    assert mapped(FileMemory(), tmp_path / "a", 0, SIZE_BYTES) is None


def test_pages_that_cannot_be_brought_in_have_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is cut after it was mapped: touching its pages would end the process."""
    write(tmp_path / "a")
    memory = FileMemory()
    descriptor = os.open(tmp_path / "a", os.O_RDWR)
    about = os.fstat(descriptor)
    assert memory.mapped(descriptor, 0, SIZE_BYTES) is not None
    os.ftruncate(descriptor, mmap.PAGESIZE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda _: about)
        assert memory.mapped(descriptor, 0, SIZE_BYTES) is None
        assert memory.mapped(descriptor, 0, mmap.PAGESIZE) is not None
    os.close(descriptor)


def test_mappings_are_kept_up_to_a_size_and_end_with_their_last_view(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / name)
    memory = FileMemory(kept_bytes=2 * SIZE_BYTES)
    view = mapped(memory, tmp_path / "a", 0, 10)
    mapped(memory, tmp_path / "b", 0, 10)
    mapped(memory, tmp_path / "a", 20, 10)
    assert [mappings_of(tmp_path / name) for name in "abc"] == [1, 1, 0]
    mapped(memory, tmp_path / "c", 0, 10)
    assert [mappings_of(tmp_path / name) for name in "abc"] == [1, 0, 1]
    mapped(memory, tmp_path / "b", 0, 10)
    assert mappings_of(tmp_path / "a") == 1  # which `view` still needs
    assert view is not None
    del view
    assert mappings_of(tmp_path / "a") == 0
    del memory
    assert [mappings_of(tmp_path / name) for name in "abc"] == [0, 0, 0]


def test_a_file_that_was_written_anew_is_mapped_anew(tmp_path: Path) -> None:
    memory = FileMemory()
    for value in (0, 1):
        content = write(tmp_path / "new", value)
        os.utime(tmp_path / "new", ns=(0, value))
        (tmp_path / "new").replace(tmp_path / "a")
        found = mapped(memory, tmp_path / "a", 0, SIZE_BYTES)
        assert found is not None
        assert found.tobytes() == content
