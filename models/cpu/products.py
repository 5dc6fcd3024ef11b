"""Products of a batch with a large matrix: forward, and the gradient of the batch. float32, C-contiguous.

The matrix [rows, columns] is read from memory once, whatever the batch. Forward, a block of it is copied on its way
into panels as wide as a tile, which stay in the second-level cache while every row of the batch passes over them;
backward, its rows are read as they lie and the other factor, [columns, batch], stays there.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cpu import tiles, workers
from models.cpu.lanes import TILING
from models.cpu.turning import turn
from models.cpu.vectors import LANES

Floats = NDArray[np.float32]

_ROWS, _VECTORS = TILING.product
PANEL = _VECTORS * LANES  # columns of a tile
_PANELS = max(1, 480 // PANEL)  # of a block: with 256 rows half a megabyte, half of the second-level cache
_DEPTH = 256  # rows of the matrix in a block
_SPAN = 1024  # columns of the matrix at a time, backward: a third of a megabyte of the other factor
_WIDEST = len(TILING.rows_by_vectors)  # vectors of videos that a tile of the backward product holds

_full_tile, _single_tile = tiles.product_tile(_ROWS, _VECTORS), tiles.product_tile(1, _VECTORS)
_packing_tile, _packing_single = tiles.packing_tile(_ROWS, _VECTORS), tiles.packing_tile(1, _VECTORS)


def product(batch: Floats, matrix: Floats) -> tuple[Floats, np.float32]:
    """batch [B, rows] @ matrix [rows, columns] -> [B, columns], and the sum of the matrix's squares."""
    videos, columns = len(batch), matrix.shape[1]
    out, squares = np.empty((videos, columns), np.float32), np.zeros(columns)
    panels = min(_PANELS, -(-columns // (PANEL * workers.threads())))

    def block(task: tuple[int, int], scratch: Floats) -> None:
        packed = scratch[: panels * _DEPTH * PANEL].reshape(panels, _DEPTH, PANEL)
        sums = scratch[packed.size :].reshape(videos, panels * PANEL)
        squares[task[0]] = _product_block(batch, matrix, out, *task, packed, sums)

    workers.run(block, workers.stretches(columns, panels * PANEL), panels * PANEL * (_DEPTH + videos))
    return out, np.float32(squares.sum())


def product_with_transpose(upstream: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """upstream [B, columns] @ matrix.T -> [B, rows], the gradient of `product` in its batch; and `gram(upstream)`."""
    turned = _turned(upstream)
    return _times_turned(matrix, turned, len(upstream)), _times_turned(upstream, turned, len(upstream))


def gram(factor: Floats) -> Floats:
    """factor [B, columns] @ factor.T -> [B, B]."""
    return _times_turned(factor, _turned(factor), len(factor))


def _times_turned(matrix: Floats, turned: Floats, videos: int) -> Floats:
    """(matrix [rows, columns] @ turned [columns, padded]).T without the padding: [videos, rows]."""
    rows, padded = len(matrix), turned.shape[1]
    out = np.empty((videos, rows), np.float32)
    groups = even_groups(padded // LANES, _WIDEST)
    tasks = workers.shares(rows, TILING.rows_by_vectors[groups[0] - 1])

    def some_rows(task: tuple[int, int], scratch: Floats) -> None:
        sums = scratch[: (task[1] - task[0]) * padded].reshape(-1, padded)
        sums[:] = 0
        first = 0
        for group in groups:
            _TRANSPOSED[group - 1](matrix, turned, sums, *task, first)
            first += group * LANES
        turn(sums[:, :videos], out[:, slice(*task)])

    workers.run(some_rows, tasks, (tasks[0][1] - tasks[0][0]) * padded)
    return out


def squared_norm(
    left: Floats, upstream: Floats, upstream_gram: Floats, product: Floats, penalty: float, weight_square: float
) -> np.float32:
    """|left.T @ upstream + penalty * W|^2, where product = left @ W and weight_square = |W|^2, from these alone.

    |left.T U|^2 = sum((left left.T) * (U U.T)), and <left.T U, W> = sum(U * (left W)).
    """
    square = float(np.vdot(gram(left).astype(np.float64), upstream_gram.astype(np.float64)))
    if penalty:
        square += 2 * penalty * float(np.vdot(upstream, product)) + penalty**2 * float(weight_square)
    return np.float32(max(square, 0.0))  # rounding could make it a little less than nothing


def even_groups(count: int, most: int) -> list[int]:
    """`count` cut into as few groups of at most `most` as will do, of nearly one size, larger ones first."""
    groups = -(-count // most)
    return [count // groups + (index < count % groups) for index in range(groups)]


def _turned(upstream: Floats) -> Floats:
    """upstream.T [columns, padded], zero beyond the batch."""
    videos, columns = upstream.shape
    padded = -(-videos // LANES) * LANES
    turned = workers.aligned(columns * padded).reshape(columns, padded)

    def some_columns(task: tuple[int, int], _scratch: Floats) -> None:
        turn(upstream[:, slice(*task)], turned[slice(*task)])

    workers.run(some_columns, workers.shares(columns, 16))
    return turned


@njit(nogil=True, cache=True)
def _product_block(
    batch: Floats, matrix: Floats, out: Floats, first: int, stop: int, packed: Floats, sums: Floats
) -> float:
    """Columns first … stop-1 of the product; `packed` [panels, depth, PANEL], `sums` [B, panels * PANEL].

    Returns the sum of these columns' squares.
    """
    squares = 0.0
    videos, rows = batch.shape
    columns = matrix.shape[1]
    panels = -(-(stop - first) // PANEL)
    sums[:] = 0
    for start in range(0, rows, _DEPTH):
        depth = min(_DEPTH, rows - start)
        for panel in range(panels):
            source = matrix.ctypes.data + 4 * (start * columns + first + panel * PANEL)
            later = source + 4 * PANEL if panel + 1 < panels else source + 4 * (_DEPTH * columns - panel * PANEL)
            numbers, to = batch.ctypes.data + 4 * start, sums.ctypes.data + 4 * panel * PANEL
            done = 0
            if first + (panel + 1) * PANEL > stop:
                squares += _pack_padded(matrix, start, first + panel * PANEL, stop, packed[panel], depth)
            else:
                done = _ROWS if videos >= _ROWS else 1
                squares += _pack_and_multiply(numbers, batch, source, matrix, packed[panel], to, sums, depth)
            _multiply(numbers, batch, done, packed[panel], to, sums, depth, later, 4 * columns)
    for video in range(videos):
        out[video, first:stop] = sums[video, : stop - first]
    return squares


@njit(nogil=True, cache=True)
def _pack_and_multiply(
    numbers: int, batch: Floats, source: int, matrix: Floats, panel: Floats, to: int, sums: Floats, depth: int
) -> float:
    """The first tile of a panel, which is copied from the matrix meanwhile; returns the sum of its squares."""
    batch_row, matrix_row, sum_row = 4 * batch.shape[1], 4 * matrix.shape[1], 4 * sums.shape[1]
    squares: float
    if len(batch) >= _ROWS:
        squares = _packing_tile(numbers, batch_row, 4, source, matrix_row, to, sum_row, depth, panel.ctypes.data)
    else:
        squares = _packing_single(numbers, batch_row, 4, source, matrix_row, to, sum_row, depth, panel.ctypes.data)
    return squares


@njit(nogil=True, cache=True)
def _multiply(
    numbers: int,
    batch: Floats,
    video: int,
    panel: Floats,
    to: int,
    sums: Floats,
    depth: int,
    later: int,
    later_row: int,
) -> None:
    """The tiles of a packed panel for the videos from `video` on.

    The matrix comes from memory at the pace of the first tile alone, so the next panel's rows are fetched while the
    others are computed, a column of lines in each.
    """
    batch_row, sum_row, packed = 4 * batch.shape[1], 4 * sums.shape[1], panel.ctypes.data
    line = 0
    while video < len(batch):
        whole = video + _ROWS <= len(batch)
        row, out = numbers + video * batch_row, to + video * sum_row
        if whole:
            _full_tile(row, batch_row, 4, packed, 4 * PANEL, out, sum_row, depth, later + line, later_row)
        else:
            _single_tile(row, batch_row, 4, packed, 4 * PANEL, out, sum_row, depth, later + line, later_row)
        video += _ROWS if whole else 1
        line = min(line + 64, 4 * PANEL)


@njit(nogil=True, cache=True)
def _pack_padded(matrix: Floats, row: int, first: int, stop: int, panel: Floats, depth: int) -> float:
    """The last columns of a matrix, as a panel that ends with zeros; returns the sum of their squares."""
    panel[:] = 0
    squares = 0.0
    for index in range(depth):
        for column in range(stop - first):
            value = matrix[row + index, first + column]
            panel[index, column] = value
            squares += value * value
    return squares


def _transposed(width: int) -> Callable[[Floats, Floats, Floats, int, int, int], None]:
    """The backward product for tiles of so many vectors of videos."""
    height = TILING.rows_by_vectors[width - 1]
    full, single = tiles.product_tile(height, width), tiles.product_tile(1, width)

    @njit(nogil=True)
    def add(matrix: Floats, turned: Floats, sums: Floats, first: int, stop: int, video: int) -> None:
        columns, row_bytes = matrix.shape[1], 4 * matrix.shape[1]
        turned_bytes = 4 * turned.shape[1]
        for start in range(0, columns, _SPAN):
            depth = min(_SPAN, columns - start)
            vector = turned.ctypes.data + 4 * video + start * turned_bytes
            row = first
            while row < stop:
                numbers = matrix.ctypes.data + row * row_bytes + 4 * start
                to = sums.ctypes.data + 4 * video + (row - first) * turned_bytes
                if row + height <= stop:
                    full(numbers, row_bytes, 4, vector, turned_bytes, to, turned_bytes, depth, to, 0)
                    row += height
                else:
                    single(numbers, row_bytes, 4, vector, turned_bytes, to, turned_bytes, depth, to, 0)
                    row += 1

    compiled: Callable[[Floats, Floats, Floats, int, int, int], None] = add
    return compiled


_TRANSPOSED = [_transposed(width) for width in range(1, _WIDEST + 1)]
