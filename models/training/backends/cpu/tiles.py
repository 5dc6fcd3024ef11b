"""Tiles: the innermost loops, each of whose results stays in a register until it is whole.

All of them add products of scalars and vectors, tile[m, n] += sum over t of scalar[m, t] * vector[t, n]. Scalars lie at
`scalars + m * scalar_row + t * scalar_step`, vectors at `vectors + t * vector_step`, one after the other; all of these
are addresses and distances in bytes. Nothing is checked: the caller knows that all of it lies inside.
"""

# ruff: noqa: PLR0917  (compiled functions take their arguments one by one, and no keywords)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gapsack.models.training.backends.cpu import vectors
from gapsack.models.training.backends.cpu.vectors import LONG, VECTOR_BYTES
from gapsack.selection.memory import LINE_BYTES


def product_tile(rows: int, width: int) -> Any:
    """Tile of `rows` x `width` vectors at `out` (rows `out_row` apart), to which the products are added.

    Meanwhile what is needed later is fetched: of the rows at `later`, `later + later_row` and so on, 2**`turns` half
    lines each, one with every t.
    """

    @intrinsic
    def tile(
        _typing: Any,
        scalars: Any,
        scalar_row: Any,
        scalar_step: Any,
        vector: Any,
        vector_step: Any,
        out: Any,
        out_row: Any,
        count: Any,
        later: Any,
        later_row: Any,
        turns: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            out, out_row, count, later, later_row, turns = arguments[5:]
            sums = _loaded(builder, rows, width, out, out_row)
            turn = builder.sub(builder.shl(LONG(1), turns), LONG(1))

            def fetch(index: Any, _values: list[Any]) -> None:
                row, half_lines = builder.lshr(index, turns), builder.and_(index, turn)
                across = builder.mul(half_lines, LONG(LINE_BYTES // 2))
                address = builder.add(builder.add(later, builder.mul(later_row, row)), across)
                vectors.prefetch_to_read(builder, address, 0)

            _add_products(builder, sums, _Factors(*arguments[:5]), LONG(0), count, seen=fetch)
            _stored(builder, sums, out, out_row)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 11), generate

    return tile


def packing_tile(rows: int, width: int) -> Any:
    """As `product_tile`; the vectors are copied to `packed` on their way, without gaps between rows.

    Returns the sum of the squares of all scalars in the vectors.
    """

    @intrinsic
    def tile(
        _typing: Any,
        scalars: Any,
        scalar_row: Any,
        scalar_step: Any,
        vector: Any,
        vector_step: Any,
        out: Any,
        out_row: Any,
        count: Any,
        packed: Any,
    ) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            out, out_row, count, packed = arguments[5:]
            sums = _loaded(builder, rows, width, out, out_row)
            squares = vectors.sums(builder, 1, 1)[0][0]

            def pack(index: Any, values: list[Any]) -> None:
                target = builder.add(packed, builder.mul(LONG(width * VECTOR_BYTES), index))
                for n, value in enumerate(values):
                    vectors.store(builder, value, target, n * VECTOR_BYTES)
                    builder.store(vectors.multiply_add(builder, value, value, builder.load(squares)), squares)

            _add_products(builder, sums, _Factors(*arguments[:5]), LONG(0), count, seen=pack)
            _stored(builder, sums, out, out_row)
            return vectors.total(builder, builder.load(squares))

        return types.float32(*[types.intp] * 9), generate

    return tile


def adam_tile(rows: int, width: int) -> Any:
    """Products of a tile into `products`, taking turns with Adam's update of the tile before, whose products are there.

    The gradient is `scale` * products + `penalty` * matrix. `matrix`, `m` and `v` are the addresses of the tile before
    (rows `matrix_row` apart), of which `height` rows of `changed` vectors are; as many at the distance
    `following` are fetched meanwhile. `step`: a tuple of float32, the fields of `update.AdamStep`. Rows of `products`
    lie without gaps.
    """

    @intrinsic
    def tile(
        _typing: Any,
        scalars: Any,
        scalar_row: Any,
        scalar_step: Any,
        vector: Any,
        vector_step: Any,
        count: Any,
        products: Any,
        matrix: Any,
        m: Any,
        v: Any,
        matrix_row: Any,
        height: Any,
        changed: Any,
        following: Any,
        step: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            factors, count, products = _Factors(*arguments[:5]), arguments[5], arguments[6]
            matrix, m, v, matrix_row, height, changed, following = arguments[7:14]
            constants = [vectors.splat(builder, scalar) for scalar in cgutils.unpack_tuple(builder, arguments[14])]
            sums = vectors.sums(builder, rows, width)
            share = builder.sdiv(count, LONG(rows * width))  # of the products, with each vector of Adam's
            done = cgutils.alloca_once_value(builder, LONG(0))
            with cgutils.for_range(builder, height) as row, cgutils.for_range(builder, changed) as column:
                across = builder.mul(LONG(VECTOR_BYTES), column.index)
                offset = builder.add(builder.mul(matrix_row, row.index), across)
                places = [builder.add(address, offset) for address in (matrix, m, v)]
                for place in places:
                    vectors.prefetch_to_write(builder, builder.add(place, following), 0)
                start = builder.load(done)
                builder.store(builder.add(start, share), done)
                _add_products(builder, sums, factors, start, builder.load(done))
                place = builder.add(products, builder.add(builder.mul(LONG(width * VECTOR_BYTES), row.index), across))
                _adam(builder, vectors.load(builder, place, 0), places, constants)
            _add_products(builder, sums, factors, builder.load(done), count)
            _stored(builder, sums, products, LONG(width * VECTOR_BYTES))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 14, step), generate

    return tile


def copy_tile(count: int) -> Any:
    """`count` scalars from the address `source` to `out`."""

    @intrinsic
    def tile(_typing: Any, source: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            vectors.copy(builder, arguments[0], arguments[1], count)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp), generate

    return tile


@intrinsic
def transpose_tile(_typing: Any, source: Any, source_row: Any, out: Any, out_row: Any) -> Any:
    """Write a square of as many rows as a vector has lanes, rows to columns; addresses, and distances of rows."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, source_row, out, out_row = arguments
        zero, places = LONG(0), range(vectors.SIMD_WIDTH)
        rows = [vectors.load(builder, _moved(builder, source, source_row, n, zero), 0) for n in places]
        for n, column in enumerate(vectors.transposed(builder, rows)):
            vectors.store(builder, column, _moved(builder, out, out_row, n, zero), 0)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


class _Factors:
    """Where the scalars and vectors of a tile lie."""

    def __init__(self, scalars: Any, scalar_row: Any, scalar_step: Any, vector: Any, vector_step: Any) -> None:
        self.scalars, self.scalar_row, self.scalar_step = scalars, scalar_row, scalar_step
        self.vector, self.vector_step = vector, vector_step


def _add_products(
    builder: Any,
    sums: list[list[Any]],
    factors: _Factors,
    start: Any,
    stop: Any,
    *,
    seen: Callable[[Any, list[Any]], None] | None = None,
) -> None:
    """The loop over t; `seen` is told every index and the vectors there."""
    row_offsets = [builder.mul(factors.scalar_row, LONG(row)) for row in range(len(sums))]
    with cgutils.for_range(builder, stop, start=start) as loop:
        scalars = builder.add(factors.scalars, builder.mul(factors.scalar_step, loop.index))
        vector = builder.add(factors.vector, builder.mul(factors.vector_step, loop.index))
        values = [vectors.load(builder, vector, n * VECTOR_BYTES) for n in range(len(sums[0]))]
        if seen is not None:
            seen(loop.index, values)
        for row, offset in zip(sums, row_offsets, strict=True):
            scalar = vectors.load_splat(builder, builder.add(scalars, offset))
            for place, value in zip(row, values, strict=True):
                builder.store(vectors.multiply_add(builder, scalar, value, builder.load(place)), place)


def _loaded(builder: Any, rows: int, width: int, out: Any, out_row: Any) -> list[list[Any]]:
    sums = vectors.sums(builder, rows, width)
    for row, places in enumerate(sums):
        address = builder.add(out, builder.mul(out_row, LONG(row)))
        for n, place in enumerate(places):
            builder.store(vectors.load(builder, address, n * VECTOR_BYTES), place)
    return sums


def _stored(builder: Any, sums: list[list[Any]], out: Any, out_row: Any) -> None:
    for row, places in enumerate(sums):
        address = builder.add(out, builder.mul(out_row, LONG(row)))
        for n, place in enumerate(places):
            vectors.store(builder, builder.load(place), address, n * VECTOR_BYTES)


def _adam(builder: Any, products: Any, places: list[Any], constants: list[Any]) -> None:
    """One vector of the matrix and of both moments, as `models.training.arithmetic.adam` puts it."""
    scale, penalty, keep, rate, new_m, new_v, epsilon = constants
    weight, m, v = (vectors.load(builder, place, 0) for place in places)
    gradient = vectors.multiply_add(builder, penalty, weight, builder.fmul(scale, products))
    m = vectors.multiply_add(builder, builder.fsub(gradient, m), new_m, m)
    v = vectors.multiply_add(builder, builder.fsub(builder.fmul(gradient, gradient), v), new_v, v)
    step = builder.fdiv(builder.fmul(rate, m), builder.fadd(vectors.square_root(builder, v), epsilon))
    weight = builder.fsub(builder.fmul(keep, weight), step)
    for value, place in zip((weight, m, v), places, strict=True):
        vectors.store(builder, value, place, 0)


def _moved(builder: Any, address: Any, stride: Any, index: int, offset: Any) -> Any:
    return builder.add(builder.add(address, builder.mul(stride, LONG(index))), offset)
