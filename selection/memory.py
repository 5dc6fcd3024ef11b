"""Memory that begins on a line of the processor's cache, as vectors and TensorFlow like it; memory of mapped files."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE_BYTES = 64
"""A line of the cache; TensorFlow uses the memory of an array that begins on one as it lies, and copies others."""


def on_a_line(size_bytes: int) -> NDArray[np.uint8]:
    """Uninitialised uint8 [size_bytes] that begins at a multiple of `LINE_BYTES`."""
    memory = np.empty(size_bytes + LINE_BYTES - 1, np.uint8)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + size_bytes]


def begins_on_a_line(array: NDArray[Any]) -> bool:
    """Whether an array's memory begins at a multiple of `LINE_BYTES`."""
    return array.ctypes.data % LINE_BYTES == 0


def let_go(array: NDArray[Any]) -> None:
    """Let the system have back what it brought in of the file that an array is mapped from; nothing for other arrays.

    The array stays as it is: what is looked at again comes from the file again, or from the system's cache of it. Pages
    of mapped files count as the process's memory as long as they are not needed elsewhere, though it is done with them.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # without it the system decides by itself
        base.madvise(mmap.MADV_DONTNEED)
