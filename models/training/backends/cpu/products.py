"""Products of a batch with a large matrix: forward, and the gradient of the batch. float32, C-contiguous.

The matrix [rows, columns] is read from memory once, whatever the batch. Forward, a block of it is copied on its way
into panels as wide as a tile, which stay in the second-level cache while every row of the batch passes over them;
backward, its rows are read as they lie and the other factor, [columns, batch], stays there.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import tiles, workers
from gapsack.models.training.backends.cpu.simd import TILING, padded
from gapsack.models.training.backends.cpu.transpose import transpose
from gapsack.models.training.backends.cpu.vectors import SIMD_WIDTH
from gapsack.selection.compiled import jit

Floats = NDArray[np.float32]

_ROWS, _VECTORS = TILING.product
PANEL = _VECTORS * SIMD_WIDTH  # columns of a tile
_PANELS = max(1, 528 // PANEL)  # of a block: with 256 rows half a megabyte, half of the second-level cache
_DEPTH = 256  # rows of the matrix in a block
_TASKS = 8  # a narrow matrix is cut into shards of rows to have so many, whatever the number of threads
_PANEL_TURNS = 3  # 2**3 to fetch a panel's row in: more than its lines, so that it comes at the pace it is used at
_SPAN = 1024  # columns of the matrix at a time, backward: a third of a megabyte of the other factor
_SPAN_TURNS = 7  # 2**7 half lines: a span of a row
_WIDE = 4  # times as many columns as rows, from which on tasks are columns backward

_copy_vector = tiles.copy_tile(SIMD_WIDTH)
# Tiles of one, two, three vectors: numba takes no list of them.
_full_1, _full_2, _full_3 = (tiles.product_tile(_ROWS, min(width, _VECTORS)) for width in (1, 2, 3))
_single_1, _single_2, _single_3 = (tiles.product_tile(1, min(width, _VECTORS)) for width in (1, 2, 3))
_packing_1, _packing_2, _packing_3 = (tiles.packing_tile(_ROWS, min(width, _VECTORS)) for width in (1, 2, 3))


def product(batch: Floats, matrix: Floats) -> tuple[Floats, np.float32]:
    """batch [B, rows] @ matrix [rows, columns] -> [B, columns], and the sum of the matrix's squares."""
    videos, (rows, columns) = len(batch), matrix.shape
    by_columns = workers.evenly(columns, _PANELS * PANEL, PANEL)
    panels = -(-by_columns[0][1] // PANEL)
    by_rows = workers.evenly(rows, max(2 * _DEPTH, -(-rows * len(by_columns) // _TASKS)))
    tasks = [(n, *r, *c) for c in by_columns for n, r in enumerate(by_rows)]
    sums_of_shards, squares = workers.aligned(len(by_rows), videos, columns), np.zeros(len(tasks))

    def block(index: int, scratch: Floats) -> None:
        shard_of_rows, start, end, first, stop = tasks[index]
        packed = scratch[: panels * _DEPTH * PANEL].reshape(panels, _DEPTH, PANEL)
        sums = scratch[packed.size :].reshape(videos, panels * PANEL)
        out = sums_of_shards[shard_of_rows]
        squares[index] = _product_block(batch, matrix, out, start, end, first, stop, packed, sums)

    workers.run(block, range(len(tasks)), panels * PANEL * (_DEPTH + videos))
    out = sums_of_shards[0]
    if len(by_rows) > 1:
        out = sums_of_shards.sum(axis=0, out=workers.aligned(videos, columns))
    return out, np.float32(squares.sum())


def product_with_transpose(upstream: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """upstream [B, columns] @ matrix.T -> [B, rows], the gradient of `product` in its batch; and `gram(upstream)`."""
    by_columns = matrix.shape[1] >= _WIDE * len(matrix)
    return (_transpose_by_columns if by_columns else _transpose_by_rows)(upstream, matrix)


def _transpose_by_rows(upstream: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """Every task has some rows of the matrix, and reads all of the upstream gradient."""
    (videos, columns), rows = upstream.shape, len(matrix)
    transposed = workers.aligned(columns, padded(videos, SIMD_WIDTH))
    found = gram(upstream, transposed)
    out = workers.aligned(videos, rows)
    tasks = workers.thread_shards(rows, _ROWS)

    def some_rows(task: tuple[int, int], scratch: Floats) -> None:
        sums = scratch[: (task[1] - task[0]) * transposed.shape[1]].reshape(-1, transposed.shape[1])
        _sum_rows(matrix, transposed, sums, *task)
        transpose(sums[:, :videos], out[:, slice(*task)])

    workers.run(some_rows, tasks, (tasks[0][1] - tasks[0][0]) * transposed.shape[1])
    return out, found


def _transpose_by_columns(upstream: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """Every task has some columns, and reads that part of the upstream gradient only; their sums are added."""
    (videos, columns), rows = upstream.shape, len(matrix)
    width = padded(videos, SIMD_WIDTH)
    tasks = workers.evenly(columns, 2 * _SPAN, SIMD_WIDTH)
    sums, grams = workers.aligned(len(tasks), rows, width), np.zeros((len(tasks), videos, width), np.float32)

    def some_columns(index: int, scratch: Floats) -> None:
        begin, end = tasks[index]
        sums[index] = 0
        for start, stop in workers.shards(end - begin, _SPAN):
            first, last = begin + start, begin + stop
            transposed = scratch[: (last - first) * width].reshape(-1, width)
            _gram_of_columns(upstream, first, last, transposed, grams[index])
            _add_rows(matrix, first, transposed, sums[index], 0, rows)

    workers.run(some_columns, range(len(tasks)), _SPAN * width)
    out = workers.aligned(videos, rows)

    def some_rows(task: tuple[int, int], _scratch: Floats) -> None:
        transpose(sums[:, slice(*task), :videos].sum(axis=0), out[:, slice(*task)])

    workers.run(some_rows, workers.thread_shards(rows, SIMD_WIDTH))
    return out, _whole(grams.sum(axis=0))


def gram(factor: Floats, transposed: Floats | None = None) -> Floats:
    """factor [B, columns] @ factor.T -> [B, B]; `transposed` takes its transpose [columns, B padded to vectors]."""
    return _grams([factor], transposed)[0]


def _grams(factors: Sequence[Floats], transposed: Floats | None = None) -> list[Floats]:
    """`gram` of each, all of the same B; `transposed` is that of the only one."""
    videos, width = len(factors[0]), padded(len(factors[0]), SIMD_WIDTH)
    tasks = [(factor, shard) for factor in factors for shard in workers.evenly(factor.shape[1], 2 * _SPAN, SIMD_WIDTH)]
    sums = np.zeros((len(tasks), videos, width), np.float32)

    def some_columns(index: int, scratch: Floats) -> None:
        factor, shard = tasks[index]
        place = scratch.reshape(-1, width) if transposed is None else transposed[slice(*shard)]
        _gram_of_columns(factor, *shard, place, sums[index])

    workers.run(some_columns, range(len(tasks)), 0 if transposed is not None else 2 * _SPAN * width)
    found = []
    for factor in factors:
        own = [index for index, task in enumerate(tasks) if task[0] is factor]
        found.append(_whole(sums[own].sum(axis=0)))
    return found


def _whole(sums: Floats) -> Floats:
    """The gram [B, B] of which `_add_gram` summed the upper half, [B, padded]."""
    upper = np.triu(sums[:, : len(sums)])
    return upper + np.triu(upper, 1).T


class Gradient(NamedTuple):
    """left.T @ upstream + penalty * W, that of a matrix W, by what its norm can be had from.

    Attributes:
        left: [B, rows].
        upstream: [B, columns].
        upstream_gram: upstream @ upstream.T.
        product: left @ W.
        penalty: see above.
        weight_square: |W|^2.
    """

    left: Floats
    upstream: Floats
    upstream_gram: Floats
    product: Floats
    penalty: float
    weight_square: float


def squared_norms(gradients: Sequence[Gradient]) -> Floats:
    """Sum of each gradient's squares, one a gradient.

    |left.T U|^2 = sum((left left.T) * (U U.T)), and <left.T U, W> = sum(U * (left W)).
    """
    # Several matrices may have the same left factor, and not every layer has a row a video.
    lefts = {(gradient.left.ctypes.data, gradient.left.shape): gradient.left for gradient in gradients}
    grams: dict[tuple[int, tuple[int, ...]], Floats] = {}
    for rows in {shape[0] for _, shape in lefts}:
        alike = {key: left for key, left in lefts.items() if len(left) == rows}
        grams |= dict(zip(alike, _grams(list(alike.values())), strict=True))
    found = np.empty(len(gradients), np.float32)
    for place, (left, upstream, upstream_gram, product, penalty, weight_square) in enumerate(gradients):
        left_gram = grams[left.ctypes.data, left.shape]
        square = float(np.vdot(left_gram.astype(np.float64), upstream_gram.astype(np.float64)))
        if penalty:
            square += 2 * penalty * float(np.vdot(upstream, product)) + penalty**2 * float(weight_square)
        found[place] = max(square, 0.0)  # rounding could make it a little less than nothing
    return found


@jit()
def _product_block(
    batch: Floats,
    matrix: Floats,
    out: Floats,
    start: int,
    end: int,
    first: int,
    stop: int,
    packed: Floats,
    sums: Floats,
) -> float:
    """Columns first … stop-1 of the product over rows start … end-1; `packed` [panels, depth, PANEL], `sums` [B, …].

    Returns the sum of the squares of that part of the matrix.
    """
    squares = 0.0
    videos, columns = len(batch), matrix.shape[1]
    panels = -(-(stop - first) // PANEL)
    sums[:] = 0
    for top in range(start, end, _DEPTH):
        depth = min(_DEPTH, end - top)
        for panel in range(panels):
            column = first + panel * PANEL
            source = matrix.ctypes.data + 4 * (top * columns + column)
            later = source + 4 * PANEL if panel + 1 < panels else source + 4 * (_DEPTH * columns - panel * PANEL)
            scalars, to = batch.ctypes.data + 4 * top, sums.ctypes.data + 4 * panel * PANEL
            width, done = min(_VECTORS, (stop - column) // SIMD_WIDTH), 0
            if videos < _ROWS or (width < _VECTORS and (stop - column) % SIMD_WIDTH):
                width = _VECTORS
                squares += _pack_padded(matrix, top, column, min(column + PANEL, stop), packed[panel], depth)
            else:
                done = _ROWS
                squares += _pack_and_multiply(
                    width, scalars, 4 * batch.shape[1], source, 4 * columns, to, 4 * sums.shape[1], depth,
                    packed[panel].ctypes.data,
                )  # fmt: skip
            _multiply(width, scalars, batch, done, packed[panel].ctypes.data, to, sums, depth, later, 4 * columns)
    for video in range(videos):
        source, to = sums[video].ctypes.data, out[video].ctypes.data + 4 * first
        filled = (stop - first) // SIMD_WIDTH * SIMD_WIDTH
        for column in range(0, filled, SIMD_WIDTH):
            _copy_vector(source + 4 * column, to + 4 * column)
        for column in range(filled, stop - first):
            out[video, first + column] = sums[video, column]
    return squares


@jit()
def _multiply(
    width: int,
    scalars: int,
    batch: Floats,
    video: int,
    packed: int,
    to: int,
    sums: Floats,
    depth: int,
    later: int,
    later_row: int,
) -> None:
    """The tiles of a packed panel, `width` vectors wide, for the videos from `video` on.

    The matrix comes from memory at the pace of the first tile alone, so the next panel is fetched while the others are
    computed, some rows in each. Whole rows: where they lie a power of two apart, memory gives single lines of many rows
    at half the pace.
    """
    batch_row, sum_row = 4 * batch.shape[1], 4 * sums.shape[1]
    packed_row = 4 * SIMD_WIDTH * width
    fetched = 0  # rows
    while video < len(batch):
        whole = video + _ROWS <= len(batch)
        row, out, ahead = scalars + video * batch_row, to + video * sum_row, later + fetched * later_row
        _tile(
            width, whole, row, batch_row, packed, packed_row, out, sum_row, depth, ahead, later_row, _PANEL_TURNS
        )  # fmt: skip
        video += _ROWS if whole else 1
        fetched = min(fetched + (depth >> _PANEL_TURNS), depth)


@jit()
def _pack_padded(matrix: Floats, row: int, first: int, stop: int, panel: Floats, depth: int) -> float:
    """Columns first … stop-1 as a panel that ends with zeros, by themselves; returns the sum of their squares."""
    panel[:] = 0
    squares = 0.0
    for index in range(depth):
        for column in range(stop - first):
            value = matrix[row + index, first + column]
            panel[index, column] = value
            squares += value * value
    return squares


@jit()
def _sum_rows(matrix: Floats, transposed: Floats, sums: Floats, first: int, stop: int) -> None:
    """Rows first … stop-1 of the matrix by `transposed` [columns, padded] -> `sums` [rows, padded]."""
    columns = len(transposed)
    sums[:] = 0
    for start in range(0, columns, _SPAN):
        _add_rows(matrix, start, transposed[start : min(start + _SPAN, columns)], sums, first, stop)


@jit()
def _add_rows(matrix: Floats, column: int, transposed: Floats, sums: Floats, first: int, stop: int) -> None:
    """Rows first … stop-1 of the matrix, columns from `column` on, by as many rows of `transposed`, added to `sums`."""
    depth, width = transposed.shape
    row_bytes, vector_bytes = 4 * matrix.shape[1], 4 * width
    row = first
    while row < stop:
        scalars = matrix.ctypes.data + row * row_bytes + 4 * column
        to = sums.ctypes.data + (row - first) * vector_bytes
        row += _add_strip(
            scalars, row_bytes, stop - row, transposed.ctypes.data, to, width // SIMD_WIDTH, vector_bytes, depth
        )


@jit()
def _gram_of_columns(factor: Floats, begin: int, end: int, transposed: Floats, sums: Floats) -> None:
    """Columns begin … end-1 transposed into the first rows of `transposed`, and added to `sums`."""
    for first in range(begin, end, _SPAN // 2):
        last = min(first + _SPAN // 2, end)
        place = transposed[first - begin : last - begin]
        transpose(factor[:, first:last], place)
        _add_gram(factor, first, place, sums)


@jit()
def _add_gram(factor: Floats, first: int, transposed: Floats, sums: Floats) -> None:
    """Columns from `first` on of the factor by their transpose `transposed`, added to `sums`: its upper half alone."""
    depth, width = transposed.shape
    row_bytes, vector_bytes = 4 * factor.shape[1], 4 * width
    row = 0
    while row < len(factor):
        vectors = row // SIMD_WIDTH
        scalars = factor.ctypes.data + row * row_bytes + 4 * first
        vector = transposed.ctypes.data + vectors * 4 * SIMD_WIDTH
        to = sums.ctypes.data + row * vector_bytes + vectors * 4 * SIMD_WIDTH
        left = width // SIMD_WIDTH - vectors
        row += _add_strip(scalars, row_bytes, len(factor) - row, vector, to, left, vector_bytes, depth)


@jit()
def _add_strip(
    scalars: int, row_bytes: int, rows: int, vector: int, to: int, vectors: int, vector_bytes: int, depth: int
) -> int:
    """A tile's rows, or one where there are fewer left, by all vectors of videos; returns how many rows."""
    whole = rows >= _ROWS
    later, later_row = scalars + _ROWS * row_bytes, row_bytes  # the next strip, which the first tile fetches
    while vectors:
        # Two vectors and two are better than three and one.
        width = 2 if vectors == _VECTORS + 1 else min(_VECTORS, vectors)
        _tile(
            width, whole, scalars, row_bytes, vector, vector_bytes, to, vector_bytes, depth,
            later, later_row, _SPAN_TURNS,
        )  # fmt: skip
        later, later_row = to, 0
        vector, to = vector + 4 * SIMD_WIDTH * width, to + 4 * SIMD_WIDTH * width
        vectors -= width
    return _ROWS if whole else 1


@jit()
def _tile(
    width: int,
    whole: bool,
    scalars: int,
    scalar_row: int,
    vector: int,
    vector_step: int,
    out: int,
    out_row: int,
    count: int,
    later: int,
    later_row: int,
    turns: int,
) -> None:
    """A tile of `width` vectors and `_ROWS` rows, or one if not `whole`; see `tiles.product_tile`."""
    if whole:
        if width == 1:
            _full_1(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)
        elif width == 2:
            _full_2(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)
        else:
            _full_3(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)
    elif width == 1:
        _single_1(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)
    elif width == 2:
        _single_2(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)
    else:
        _single_3(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, later, later_row, turns)


@jit()
def _pack_and_multiply(
    width: int,
    scalars: int,
    scalar_row: int,
    vector: int,
    vector_step: int,
    out: int,
    out_row: int,
    count: int,
    packed: int,
) -> float:
    """The first tile of a panel, which is copied from the matrix meanwhile; returns the sum of its squares."""
    squares: float
    if width == 1:
        squares = _packing_1(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, packed)
    elif width == 2:
        squares = _packing_2(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, packed)
    else:
        squares = _packing_3(scalars, scalar_row, 4, vector, vector_step, out, out_row, count, packed)
    return squares
