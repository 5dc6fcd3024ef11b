"""A matrix's transpose, a square of vectors at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu.tiles import transpose_tile
from gapsack.models.training.backends.cpu.vectors import SIMD_WIDTH
from gapsack.selection.compiled import jit


@jit()
def transpose(source: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """source [n, m] as out [at least m, at least n], with zeros where `out` is larger; rows without gaps inside.

    A square of vectors at a time, and what is left one by one.
    """
    rows, columns = source.shape
    source_row, out_row = source.strides[0], out.strides[0]
    whole_rows, whole_columns = rows // SIMD_WIDTH * SIMD_WIDTH, columns // SIMD_WIDTH * SIMD_WIDTH
    for row in range(0, whole_rows, SIMD_WIDTH):
        at, to = source.ctypes.data + row * source_row, out.ctypes.data + 4 * row
        for column in range(0, whole_columns, SIMD_WIDTH):
            transpose_tile(at + 4 * column, source_row, to + column * out_row, out_row)
        for column in range(whole_columns, columns):
            for n in range(row, row + SIMD_WIDTH):
                out[column, n] = source[n, column]
    for row in range(whole_rows, rows):
        for column in range(columns):
            out[column, row] = source[row, column]
    for column in range(columns):
        for row in range(rows, out.shape[1]):
            out[column, row] = 0
    out[columns:] = 0
