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

_ROWS, _VECTORS = TILING.product
_PANEL = _VECTORS * LANES  # columns of a tile
_UPSTREAM_SIZE = 2**16  # float32 values of upstream gradients that stay in the second-level cache: 256 KB
_WHOLE_SIZE = 2**17  # up to here rows are not cut: memory likes them whole better than the cache half empty
_STRETCH = 512 * _ROWS  # rows of a task: the upstream gradients are packed once for all of them
_GROUPS = 16  # of rows, whose left factors are packed together

_tile = tiles.adam_tile(_ROWS, _VECTORS)


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


class _State(NamedTuple):
    """What an update changes, all [rows, columns]."""

    matrix: Floats
    m: Floats
    v: Floats


class _Waiting(NamedTuple):
    """A tile whose products are summed, and which Adam has yet to change: where it begins and ends."""

    row: int
    last_row: int
    column: int
    stop: int


def update(matrix: Floats, m: Floats, v: Floats, left: Floats, upstream: Floats, step: AdamStep) -> None:
    """Change matrix, m and v, all [rows, columns], in place.

    `left` [B, rows] and `upstream` [B, columns]: what went into the product with the matrix, and the gradient of what
    came out.
    """
    videos, (rows, columns) = len(left), matrix.shape
    all_panels = -(-columns // _PANEL)
    size = all_panels * videos * _PANEL
    blocks = 1 if size <= _WHOLE_SIZE else -(-size // _UPSTREAM_SIZE)
    panels = -(-all_panels // blocks)
    # Few blocks of columns are cut into as many stretches of rows as keep all threads busy to the end.
    stretch = min(_STRETCH, -(-rows * blocks // (8 * workers.threads() * _ROWS)) * _ROWS)
    tasks = [(*r, *c) for c in workers.stretches(columns, panels * _PANEL) for r in workers.stretches(rows, stretch)]
    state = _State(matrix, m, v)

    def block(task: tuple[int, int, int, int], scratch: Floats) -> None:
        right = scratch[: panels * videos * _PANEL].reshape(panels, videos, _PANEL)
        numbers = scratch[right.size : right.size + _GROUPS * videos * _ROWS].reshape(_GROUPS, videos, _ROWS)
        products = scratch[right.size + numbers.size :].reshape(_ROWS, _PANEL)
        _update_block(state, left, upstream, *task, right, numbers, products, step)

    workers.run(block, tasks, videos * (panels * _PANEL + _GROUPS * _ROWS) + _ROWS * _PANEL)


@njit(nogil=True, cache=True)
def _update_block(
    state: _State,
    left: Floats,
    upstream: Floats,
    row: int,
    last_row: int,
    first: int,
    stop: int,
    right: Floats,
    numbers: Floats,
    products: Floats,
    step: AdamStep,
) -> None:
    """Rows row … last_row-1 of columns first … stop-1.

    A tile's products wait until those of the next one are summed: Adam's loads, roots and quotients take turns with
    them.
    """
    products[:] = 0
    columns = state.matrix.shape[1]
    w, m, v = state.matrix.ctypes.data, state.m.ctypes.data, state.v.ctypes.data
    panel_bytes, to = 4 * _PANEL * len(left), products.ctypes.data
    strips, panels = -(-(last_row - row) // _ROWS), -(-(stop - first) // _PANEL)
    waiting = _Waiting(row, row, first, first)
    _pack_upstream(upstream, first, stop, right)
    for tile in range(strips * panels + 1):  # in the last turn no products are summed
        strip, panel = tile // panels, tile % panels
        top, start = row + strip * _ROWS, first + panel * _PANEL
        videos = len(left) if strip < strips else 0
        if videos and panel == 0 and strip % _GROUPS == 0:
            _pack_left(left, top, last_row, numbers)
        source, vector = numbers[strip % _GROUPS].ctypes.data, right.ctypes.data + panel * panel_bytes
        if (waiting.stop - waiting.column) % LANES:
            _update_rest(state, waiting, products, step)
        height, changed = waiting.last_row - waiting.row, (waiting.stop - waiting.column) // LANES
        at = waiting.row * columns + waiting.column
        # After the last columns come the next rows, from the first column on.
        following = top * columns + start + _PANEL if panel + 1 < panels else (top + _ROWS) * columns + first
        w_at, m_at, v_at, ahead = w + 4 * at, m + 4 * at, v + 4 * at, 4 * (following - at)
        _tile(
            source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, to,
            w_at, m_at, v_at, 4 * columns, height, changed, ahead, step,
        )  # fmt: skip
        waiting = _Waiting(top, min(top + _ROWS, last_row), start, min(start + _PANEL, stop))


@njit(nogil=True, cache=True)
def _update_rest(state: _State, waiting: _Waiting, products: Floats, step: AdamStep) -> None:
    """Adam on the last columns, which do not fill a vector."""
    first = waiting.stop - (waiting.stop - waiting.column) % LANES
    for row in range(waiting.row, waiting.last_row):
        w, m, v = state.matrix[row], state.m[row], state.v[row]
        for column in range(first, waiting.stop):
            g = step.scale * products[row - waiting.row, column - waiting.column] + step.penalty * w[column]
            m[column] += (g - m[column]) * step.new_m
            v[column] += (g * g - v[column]) * step.new_v
            w[column] = step.keep * w[column] - step.rate * m[column] / (np.sqrt(v[column]) + step.epsilon)


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
    """The next rows of the matrix from `row` on, columns of the left factor, as [groups, B, _ROWS] and zeros."""
    for group in range(len(numbers)):
        start = row + group * _ROWS
        height = max(0, min(_ROWS, last_row - start))
        for video in range(len(left)):
            for index in range(height):
                numbers[group, video, index] = left[video, start + index]
            for index in range(height, _ROWS):
                numbers[group, video, index] = 0
