"""Where the bytes of files lie while they are used: in the system's own cache if they are there, else in buffers.

Mapping saves the copy out of the page cache, which costs more than checking and parsing together. What is not in the
cache yet is better read, since the system reads a file ahead faster than it brings in the pages of a mapping.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.sweep.data.storage.buffers import Buffers
from gapsack.sweep.data.storage.guard import map_file

KEPT_BYTES = 32 * 2**30  # of address space, not of memory: its page tables take a 500th of it at most
_POPULATE_READ = 22  # MADV_POPULATE_READ of Linux 5.14; Python has no name for it
_Key = tuple[int, int, int, int]


class FileMemory:
    """Memory of the files of one reader. May be used from any thread.

    Mapped pages belong to the system's cache, which takes them back when it needs to; the mappings of the files used
    last are kept, up to `kept_bytes` of address space, since making one costs a third of copying it.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._buffers = Buffers()
        self._kept_bytes = kept_bytes
        self._mappings: dict[_Key, NDArray[np.uint8]] = {}  # the one used last comes last
        self._mapped_bytes = 0
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> NDArray[np.uint8]:
        """A buffer to read into."""
        return self._buffers.take(size_bytes)

    def mapped(self, descriptor: int, offset: int, size_bytes: int) -> NDArray[np.uint8] | None:
        """`size_bytes` of an open local file from `offset` on; None where they have to be read.

        All pages are in memory then: touching one that cannot be brought in, since the disk fails or somebody has cut
        the file, is an error that does not tell which, while reading does. A file that is cut later is met by
        `guard.whole_mappings`, in which these bytes have to be used.
        """
        if _libc is None:
            return None
        about = os.fstat(descriptor)
        whole = self._whole(descriptor, about)
        if whole is None or offset + size_bytes > whole.size:
            return None
        start = offset // mmap.PAGESIZE * mmap.PAGESIZE
        # The system tells the owner of a file which of its pages are there; others have to have them brought in.
        look = _are_there if about.st_uid == os.geteuid() else _bring_in
        there = look(whole.ctypes.data + start, offset + size_bytes - start)
        return whole[offset : offset + size_bytes] if there else None

    def _whole(self, descriptor: int, about: os.stat_result) -> NDArray[np.uint8] | None:
        key = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        with self._lock:
            found = self._mappings.pop(key, None)
            if found is None:
                memory = map_file(descriptor, about.st_size)
                found = None if memory is None else np.frombuffer(memory, np.uint8)
                self._mapped_bytes += 0 if found is None else found.size
            if found is not None:
                self._mappings[key] = found
            while self._mapped_bytes > self._kept_bytes:
                self._mapped_bytes -= self._mappings.pop(next(iter(self._mappings))).size
        return found


def _are_there(address: int, size_bytes: int) -> bool:
    resident = np.empty(-(-size_bytes // mmap.PAGESIZE), np.uint8)
    return _libc.mincore(address, size_bytes, resident.ctypes.data) == 0 and bool((resident & 1).all())


def _bring_in(address: int, size_bytes: int) -> bool:
    """Whether all pages are in memory, after fetching those that are not: slower, even where nothing is to be done."""
    return bool(_libc.madvise(address, size_bytes, _POPULATE_READ) == 0)


def _find_libc() -> Any:
    """The system's own functions: unlike Python's `madvise`, they let other threads run while pages come in."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    return libc


_libc = _find_libc()
