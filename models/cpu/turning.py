"""Turning a matrix, rows to columns."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LINE = 16  # float32 values of a line of the cache


@njit(nogil=True, cache=True)
def turn(source: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """source [n, m] as out [at least m, at least n], with zeros where `out` is larger; a line of `out` at a time."""
    rows, columns = source.shape
    for start in range(0, rows, _LINE):
        for column in range(columns):
            for row in range(start, min(start + _LINE, rows)):
                out[column, row] = source[row, column]
    for column in range(columns):
        for row in range(rows, out.shape[1]):
            out[column, row] = 0
    out[columns:] = 0
