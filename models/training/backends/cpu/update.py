"""Adam on large matrices whose gradients are products of two batches, without ever storing those; and on small tensors.

What must move is the matrix and both moments, in and out: 24 bytes a weight, at the pace of memory. The products, 2 B
operations a weight, are done meanwhile.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import tiles, workers
from gapsack.models.training.backends.cpu.simd import TILING
from gapsack.models.training.backends.cpu.vectors import SIMD_WIDTH
from gapsack.selection.compiled import jit

Floats = NDArray[np.float32]

_ROWS, _VECTORS = TILING.product
_PANEL = _VECTORS * SIMD_WIDTH  # columns of a tile
_UPSTREAM_SIZE = 2**16  # float32 values of upstream gradients that stay in the second-level cache: 256 KB
_WHOLE_SIZE = 2**17  # up to here rows are not cut: memory likes them whole better than the cache half empty
_SHARD_ROWS = 512 * _ROWS  # rows of a task: the upstream gradients are packed once for all of them
_GROUPS = 16  # of rows, whose left factors are packed together

_tile = tiles.adam_tile(_ROWS, _VECTORS)
_copy_rows, _copy_panel = tiles.copy_tile(_ROWS), tiles.copy_tile(_PANEL)


class AdamStep(NamedTuple):
    """Scalars of one update, all float32: the gradient is `scale` * left.T @ upstream + `penalty` * matrix.

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


class Update(NamedTuple):
    """Matrix, m and v, all [rows, columns], to be changed in place.

    `left` [B, rows] and `upstream` [B, columns]: what went into the product with the matrix, and the gradient of what
    came out.
    """

    matrix: Floats
    m: Floats
    v: Floats
    left: Floats
    upstream: Floats
    step: AdamStep


class SmallUpdate(NamedTuple):
    """Tensor, m, v and the gradient, all of one shape; the first three are changed in place.

    The gradient is taken times the `scale` of `step`, whose `penalty` is of no account.
    """

    tensor: Floats
    m: Floats
    v: Floats
    gradient: Floats
    step: AdamStep


class _Task(NamedTuple):
    """Rows row … last_row-1 of columns first … stop-1, in so many panels."""

    of: Update
    row: int
    last_row: int
    first: int
    stop: int
    panels: int


def update(updates: Sequence[Update], small: Sequence[SmallUpdate] = ()) -> None:
    """Do them all; cores go on to the next matrix while others end the last one."""
    large = [task for one in updates for task in _tasks(one)]

    def block(task: _Task | SmallUpdate, scratch: Floats) -> None:
        if isinstance(task, SmallUpdate):
            tensor, m, v, gradient = (array.reshape(-1) for array in (task.tensor, task.m, task.v, task.gradient))
            _update_small(tensor, m, v, gradient, task.step)
            return
        one, videos = task.of, len(task.of.left)
        right = scratch[: task.panels * videos * _PANEL].reshape(task.panels, videos, _PANEL)
        scalars = scratch[right.size : right.size + _GROUPS * videos * _ROWS].reshape(_GROUPS, videos, _ROWS)
        products = scratch[right.size + scalars.size :][: _ROWS * _PANEL].reshape(_ROWS, _PANEL)
        state = _State(one.matrix, one.m, one.v)
        _update_block(state, one.left, one.upstream, *task[1:-1], right, scalars, products, one.step)

    sizes = [len(task.of.left) * (task.panels * _PANEL + _GROUPS * _ROWS) + _ROWS * _PANEL for task in large]
    tasks: list[_Task | SmallUpdate] = [*large, *small]
    workers.run(block, tasks, max(sizes, default=0))


def _tasks(one: Update) -> list[_Task]:
    videos, (rows, columns) = len(one.left), one.matrix.shape
    all_panels = -(-columns // _PANEL)
    size = all_panels * videos * _PANEL
    blocks = 1 if size <= _WHOLE_SIZE else -(-size // _UPSTREAM_SIZE)
    panels = -(-all_panels // blocks)
    # Few blocks of columns are cut into as many shards of rows as keep all threads busy to the end.
    shard = min(_SHARD_ROWS, -(-rows * blocks // (8 * workers.threads() * _ROWS)) * _ROWS)
    by_columns, by_rows = workers.shards(columns, panels * _PANEL), workers.shards(rows, shard)
    return [_Task(one, *r, *c, panels) for c in by_columns for r in by_rows]


@jit()
def _update_small(tensor: Floats, m: Floats, v: Floats, gradient: Floats, step: AdamStep) -> None:
    for i in range(len(tensor)):
        tensor[i], m[i], v[i] = _changed(tensor[i], m[i], v[i], step.scale * gradient[i], step)


@jit()
def _changed(weight: Any, m: Any, v: Any, gradient: Any, step: AdamStep) -> tuple[Any, Any, Any]:
    """A weight and its moments after Adam, as `models.training.arithmetic.adam` puts it."""
    new_m = m + (gradient - m) * step.new_m
    new_v = v + (gradient * gradient - v) * step.new_v
    return step.keep * weight - step.rate * new_m / (np.sqrt(new_v) + step.epsilon), new_m, new_v


@jit()
def _update_block(
    state: _State,
    left: Floats,
    upstream: Floats,
    row: int,
    last_row: int,
    first: int,
    stop: int,
    right: Floats,
    scalars: Floats,
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
    packed_left, packed_right, to = scalars.ctypes.data, right.ctypes.data, products.ctypes.data
    strips, panels = -(-(last_row - row) // _ROWS), -(-(stop - first) // _PANEL)
    strip, panel = 0, 0
    waiting = _Waiting(row, row, first, first)
    _pack_upstream(upstream, first, stop, right)
    for _ in range(strips * panels + 1):  # in the last turn no products are summed
        top, start = row + strip * _ROWS, first + panel * _PANEL
        videos = len(left) if strip < strips else 0
        if videos and panel == 0 and strip % _GROUPS == 0:
            _pack_left(left, top, last_row, scalars)
        source = packed_left + strip % _GROUPS * 4 * _ROWS * len(left)
        vector = packed_right + panel * 4 * _PANEL * len(left)
        if (waiting.stop - waiting.column) % SIMD_WIDTH:
            _update_rest(state, waiting, products, step)
        height, changed = waiting.last_row - waiting.row, (waiting.stop - waiting.column) // SIMD_WIDTH
        at = waiting.row * columns + waiting.column
        # After the last columns come the next rows, from the first column on.
        following = top * columns + start + _PANEL if panel + 1 < panels else (top + _ROWS) * columns + first
        w_at, m_at, v_at, ahead = w + 4 * at, m + 4 * at, v + 4 * at, 4 * (following - at)
        _tile(
            source, 4, 4 * _ROWS, vector, 4 * _PANEL, videos, to,
            w_at, m_at, v_at, 4 * columns, height, changed, ahead, step,
        )  # fmt: skip
        waiting = _Waiting(top, min(top + _ROWS, last_row), start, min(start + _PANEL, stop))
        panel += 1
        if panel == panels:
            strip, panel = strip + 1, 0


@jit()
def _update_rest(state: _State, waiting: _Waiting, products: Floats, step: AdamStep) -> None:
    """Adam on the last columns, which do not fill a vector."""
    first = waiting.stop - (waiting.stop - waiting.column) % SIMD_WIDTH
    for row in range(waiting.row, waiting.last_row):
        w, m, v = state.matrix[row], state.m[row], state.v[row]
        for column in range(first, waiting.stop):
            product = products[row - waiting.row, column - waiting.column]
            gradient = step.scale * product + step.penalty * w[column]
            w[column], m[column], v[column] = _changed(w[column], m[column], v[column], gradient, step)


@jit()
def _pack_upstream(upstream: Floats, first: int, stop: int, right: Floats) -> None:
    """Columns first … stop-1 as panels [panels, B, _PANEL], the last one filled with zeros."""
    row_bytes = 4 * upstream.shape[1]
    for panel in range(-(-(stop - first) // _PANEL)):
        start = first + panel * _PANEL
        source, to = upstream.ctypes.data + 4 * start, right.ctypes.data + 4 * panel * len(upstream) * _PANEL
        for video in range(len(upstream)):
            if start + _PANEL <= stop:
                _copy_panel(source + video * row_bytes, to + 4 * _PANEL * video)
            else:
                right[panel, video, : stop - start] = upstream[video, start:stop]
                right[panel, video, stop - start :] = 0


@jit()
def _pack_left(left: Floats, row: int, last_row: int, scalars: Floats) -> None:
    """The next rows of the matrix from `row` on, columns of the left factor, as [groups, B, _ROWS] and zeros."""
    row_bytes = 4 * left.shape[1]
    for group in range(min(len(scalars), -(-(last_row - row) // _ROWS))):
        start = row + group * _ROWS
        source, to = left.ctypes.data + 4 * start, scalars.ctypes.data + 4 * group * len(left) * _ROWS
        for video in range(len(left)):
            if start + _ROWS <= last_row:
                _copy_rows(source + video * row_bytes, to + 4 * _ROWS * video)
            else:
                scalars[group, video, : last_row - start] = left[video, start:last_row]
                scalars[group, video, last_row - start :] = 0
