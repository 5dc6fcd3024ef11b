"""Adam on a large matrix whose gradient is a product of two batches, without ever storing that gradient.

What must move is the matrix and both moments, in and out: 24 bytes a weight, at the pace of memory. The products, 2 B
operations a weight, are done meanwhile.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cpu import tiles, workers
from models.cpu.lanes import TILING
from models.cpu.vectors import LANES

Floats = NDArray[np.float32]

_ROWS, _VECTORS = TILING.update
_PANEL = _VECTORS * LANES  # columns of a tile
_UPSTREAM_SIZE = 2**16  # float32 values of upstream gradients that stay in the second-level cache: 256 KB
_STRETCH = 512 * _ROWS  # rows of a task: the upstream gradients are packed once for all of them
_GROUPS = 16  # of rows, whose left factors are packed together

_full_tile, _single_tile = tiles.adam_tile(_ROWS, _VECTORS), tiles.adam_tile(1, _VECTORS)
_full_vector, _single_vector = tiles.adam_tile(_ROWS, 1), tiles.adam_tile(1, 1)  # for what is left of a row
_gradient_vector = tiles.product_tile(1, 1)


class AdamStep(NamedTuple):
    """Numbers of one update, all float32: the gradient is `scale` * left.T @ upstream + `penalty` * matrix.

    `keep`: what the matrix is multiplied by first (1 - rate * decay). `rate`: the learning rate with Adam's bias
    corrections. `new_m`, `new_v`: 1 - beta1 and 1 - beta2.
    """

    scale: np.float32
    penalty: np.float32
    keep: np.float32
    rate: np.float32
    new_m: np.float32
    new_v: np.float32
    epsilon: np.float32


def update(matrix: Floats, m: Floats, v: Floats, left: Floats, upstream: Floats, step: AdamStep) -> None:
    """Change matrix, m and v, all [rows, columns], in place.

    `left` [B, rows] and `upstream` [B, columns]: what went into the product with the matrix, and the gradient of what
    came out.
    """
    videos, (rows, columns) = len(left), matrix.shape
    all_panels = -(-columns // _PANEL)
    blocks = -(-all_panels * videos * _PANEL // _UPSTREAM_SIZE)
    panels = -(-all_panels // blocks)
    width = panels * _PANEL
    # Few blocks of columns are cut into as many stretches of rows as keep all threads busy to the end.
    stretch = min(_STRETCH, -(-rows * blocks // (8 * workers.threads() * _ROWS)) * _ROWS)
    tasks = [(*r, *c) for c in workers.stretches(columns, width) for r in workers.stretches(rows, stretch)]

    def block(task: tuple[int, int, int, int], scratch: Floats) -> None:
        right = scratch[: panels * videos * _PANEL].reshape(panels, videos, _PANEL)
        numbers = scratch[right.size : right.size + _GROUPS * videos * _ROWS].reshape(_GROUPS, videos, _ROWS)
        gradient = scratch[right.size + numbers.size :]
        _update_block(matrix, m, v, left, upstream, *task, right, numbers, gradient, step)

    workers.run(block, tasks, videos * (panels * _PANEL + _GROUPS * _ROWS) + LANES)


@njit(nogil=True, cache=True)
def _update_block(
    matrix: Floats,
    m: Floats,
    v: Floats,
    left: Floats,
    upstream: Floats,
    row: int,
    last_row: int,
    first: int,
    stop: int,
    right: Floats,
    numbers: Floats,
    gradient: Floats,
    step: AdamStep,
) -> None:
    """Rows row … last_row-1 of columns first … stop-1."""
    row_bytes = 4 * matrix.shape[1]
    _pack_upstream(upstream, first, stop, right)
    for top in range(row, last_row, _ROWS):
        group = (top - row) // _ROWS % _GROUPS
        if group == 0:
            _pack_left(left, top, min(top + _GROUPS * _ROWS, last_row), numbers)
        height = min(_ROWS, last_row - top)
        at, source = top * row_bytes + 4 * first, numbers.ctypes.data + group * 4 * _ROWS * len(left)
        places = matrix.ctypes.data + at, m.ctypes.data + at, v.ctypes.data + at
        if height == _ROWS:
            _update_rows(source, right.ctypes.data, len(left), stop - first, places, row_bytes, step)
        else:
            for index in range(height):
                _update_row(source, right.ctypes.data, len(left), stop - first, places, index, row_bytes, step)
        if (stop - first) % LANES:
            start = first + (stop - first) // LANES * LANES
            for index in range(height):
                _update_rest(matrix, m, v, top, index, start, stop, numbers[group], right, first, gradient, step)


@njit(nogil=True, cache=True)
def _update_rows(
    source: int, right: int, videos: int, columns: int, places: tuple[int, int, int], row_bytes: int, step: AdamStep
) -> None:
    """As many rows as a tile has, by whole tiles and then by single vectors; `places`: where matrix, m and v begin."""
    w, m, v = places
    whole = columns // _PANEL
    for panel in range(whole):
        # After the last panel come the next rows, from the first column on.
        following = 4 * _PANEL if panel + 1 < whole else _ROWS * row_bytes - 4 * (whole - 1) * _PANEL
        at, vector = 4 * _PANEL * panel, right + 4 * _PANEL * videos * panel
        _full_tile(source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, w + at, m + at, v + at, row_bytes, following, step)
    for column in range(whole * _PANEL, columns - LANES + 1, LANES):
        at, vector = 4 * column, right + 4 * (whole * _PANEL * videos + column - whole * _PANEL)
        _full_vector(
            source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, w + at, m + at, v + at, row_bytes, _ROWS * row_bytes, step
        )


@njit(nogil=True, cache=True)
def _update_row(
    source: int,
    right: int,
    videos: int,
    columns: int,
    places: tuple[int, int, int],
    index: int,
    row_bytes: int,
    step: AdamStep,
) -> None:
    """One row of the last ones, which do not fill a tile."""
    w, m, v = places
    source, whole = source + 4 * index, columns // _PANEL
    for panel in range(whole):
        at, vector = index * row_bytes + 4 * _PANEL * panel, right + 4 * _PANEL * videos * panel
        _single_tile(source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, w + at, m + at, v + at, row_bytes, 0, step)
    for column in range(whole * _PANEL, columns - LANES + 1, LANES):
        at, vector = index * row_bytes + 4 * column, right + 4 * (whole * _PANEL * videos + column - whole * _PANEL)
        _single_vector(source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, w + at, m + at, v + at, row_bytes, 0, step)


@njit(nogil=True, cache=True)
def _pack_upstream(upstream: Floats, first: int, stop: int, right: Floats) -> None:
    """Columns first … stop-1 as panels [panels, B, _PANEL], the last one filled with zeros."""
    for panel in range(-(-(stop - first) // _PANEL)):
        start = first + panel * _PANEL
        width = min(_PANEL, stop - start)
        for video in range(len(upstream)):
            for column in range(width):
                right[panel, video, column] = upstream[video, start + column]
            for column in range(width, _PANEL):
                right[panel, video, column] = 0


@njit(nogil=True, cache=True)
def _pack_left(left: Floats, row: int, last_row: int, numbers: Floats) -> None:
    """Columns row … last_row-1 of the left factor (rows of the matrix) as [groups, B, _ROWS]."""
    for video in range(len(left)):
        for index in range(last_row - row):
            numbers[index // _ROWS, video, index % _ROWS] = left[video, row + index]


@njit(nogil=True, cache=True)
def _update_rest(
    matrix: Floats,
    m: Floats,
    v: Floats,
    top: int,
    index: int,
    start: int,
    stop: int,
    numbers: Floats,
    right: Floats,
    first: int,
    gradient: Floats,
    step: AdamStep,
) -> None:
    """The columns of a row that do not fill a vector: their gradient is stored for once."""
    gradient[:] = 0
    panel, column = (start - first) // _PANEL, (start - first) % _PANEL
    vector, to = right[panel].ctypes.data + 4 * column, gradient.ctypes.data
    _gradient_vector(numbers.ctypes.data + 4 * index, 0, 4 * _ROWS, vector, 4 * _PANEL, to, 0, len(numbers), to, 0)
    w, first_moment, second_moment = matrix[top + index], m[top + index], v[top + index]
    for column in range(start, stop):
        g = step.scale * gradient[column - start] + step.penalty * w[column]
        first_moment[column] += (g - first_moment[column]) * step.new_m
        second_moment[column] += (g * g - second_moment[column]) * step.new_v
        change = step.rate * first_moment[column] / (np.sqrt(second_moment[column]) + step.epsilon)
        w[column] = step.keep * w[column] - change
