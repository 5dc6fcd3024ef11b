"""Memory that begins on a line of the processor's cache, as vectors and TensorFlow like it."""

from __future__ import annotations

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
