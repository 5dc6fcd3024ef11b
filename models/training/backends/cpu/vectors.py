"""Vectors of float32 in LLVM's language: what numba's own loops do not keep in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba.core import cgutils

from gapsack.models.training.backends.cpu.lanes import TILING

LANES = TILING.lanes
VECTOR_BYTES = 4 * LANES

_FLOAT, _BYTE, _WORD, LONG = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(_FLOAT, LANES)
_BYTES, _WORDS = ir.VectorType(_BYTE, LANES), ir.VectorType(_WORD, LANES)
_UNDEFINED = ir.Constant(VECTOR, ir.Undefined)
_ZEROS = ir.Constant(VECTOR, [0.0] * LANES)
SIGN_BIT = 128

# Of `exponential`. Beyond lowest and highest the result is no normal float32.
_LOWEST, _HIGHEST = -87.3, 88.0
_OCTAVES_OF_ONE = 1.4426950408889634  # 1 / ln 2
_OCTAVE_HIGH, _OCTAVE_LOW = 0.693359375, -2.12194440e-4  # ln 2, the first exact when multiplied
# (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2 by its Taylor series, whose next term is below a quarter of a unit of e^r.
_TAIL = [1 / divisor for divisor in (5040, 720, 120, 24, 6, 2)]
_EXPONENT_BIAS, _EXPONENT_SHIFT = 127, 23


def load(builder: Any, address: Any, offset_bytes: int) -> Any:
    """A vector that may begin anywhere."""
    value = builder.load(_pointer(builder, address, offset_bytes, VECTOR))
    value.align = 4
    return value


def copy(builder: Any, source: Any, out: Any, count: int) -> None:
    """As many float32 values as are known beforehand, from one address to another."""
    kind = ir.VectorType(_FLOAT, count)
    value = builder.load(_pointer(builder, source, 0, kind))
    value.align = 4
    store(builder, value, out, 0)


def load_codes(builder: Any, address: Any, offset_bytes: int) -> Any:
    """Bytes q as the numbers q - 128, exactly."""
    value = builder.load(_pointer(builder, address, offset_bytes, _BYTES))
    value.align = 1
    signed = builder.xor(value, ir.Constant(_BYTES, [SIGN_BIT] * LANES))  # q - 128 as a signed byte
    return builder.sitofp(builder.sext(signed, _WORDS), VECTOR)


def store(builder: Any, value: Any, address: Any, offset_bytes: int) -> None:
    """Write a vector, of any number of lanes, to any place."""
    builder.store(value, _pointer(builder, address, offset_bytes, value.type)).align = 4


def load_splat(builder: Any, address: Any) -> Any:
    """One float32 in all lanes."""
    return splat(builder, builder.load(_pointer(builder, address, 0, _FLOAT)))


def splat(builder: Any, number: Any) -> Any:
    """A number in all lanes."""
    first = builder.insert_element(_UNDEFINED, number, _WORD(0))
    return builder.shuffle_vector(first, _UNDEFINED, ir.Constant(_WORDS, [0] * LANES))


def multiply_add(builder: Any, left: Any, right: Any, added: Any) -> Any:
    """left * right + added, rounded once."""
    return _call(builder, f"llvm.fma.v{LANES}f32", VECTOR, [left, right, added])


def square_root(builder: Any, value: Any) -> Any:
    """Of every lane, rounded as IEEE asks for."""
    return _call(builder, f"llvm.sqrt.v{LANES}f32", VECTOR, [value])


def constant(number: float) -> Any:
    """The same number in all lanes."""
    return ir.Constant(VECTOR, [_rounded(number)] * LANES)


def maximum(builder: Any, left: Any, right: Any) -> Any:
    """The greater of each two lanes; `right` where either is NaN."""
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


def exponential(builder: Any, x: Any) -> Any:
    """e^x within 2 units in the last place; below -87.3 that of -87.3, above 88 that of 88; of NaN, NaN."""
    x = maximum(builder, constant(_LOWEST), x)
    highest = constant(_HIGHEST)
    x = builder.select(builder.fcmp_ordered("<", highest, x), highest, x)
    octaves = multiply_add(builder, x, constant(_OCTAVES_OF_ONE), constant(0.5))
    octaves = _call(builder, f"llvm.floor.v{LANES}f32", VECTOR, [octaves])
    r = multiply_add(builder, octaves, constant(-_OCTAVE_HIGH), x)
    r = multiply_add(builder, octaves, constant(-_OCTAVE_LOW), r)
    tail = constant(_TAIL[0])
    for coefficient in _TAIL[1:]:
        tail = multiply_add(builder, tail, r, constant(coefficient))
    fraction = multiply_add(builder, builder.fmul(r, r), tail, builder.fadd(r, constant(1)))
    bias, shift = (ir.Constant(_WORDS, [value] * LANES) for value in (_EXPONENT_BIAS, _EXPONENT_SHIFT))
    power = builder.shl(builder.add(builder.fptosi(octaves, _WORDS), bias), shift)
    return builder.fmul(fraction, builder.bitcast(power, VECTOR))


def parted(builder: Any, mixed: list[Any]) -> list[Any]:
    """Of n vectors with lane i of kind i % n, counted through all of them, one vector of each kind."""
    count = len(mixed)
    return [_chosen(builder, mixed, [kind + count * lane for lane in range(LANES)]) for kind in range(count)]


def mixed(builder: Any, kinds: list[Any]) -> list[Any]:
    """The inverse of `parted`."""
    count = len(kinds)
    places = [number % count * LANES + number // count for number in range(count * LANES)]
    return [_chosen(builder, kinds, places[n * LANES : (n + 1) * LANES]) for n in range(count)]


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """A square of as many vectors as each has lanes, rows to columns."""
    # Each stage swaps one bit of a row's number with the same bit of the lane's.
    step = 1
    while step < LANES:
        low = [lane if not lane & step else LANES + lane - step for lane in range(LANES)]
        high = [lane + step if not lane & step else LANES + lane for lane in range(LANES)]
        found = list(rows)
        for n in range(LANES):
            if not n & step:
                found[n] = _picked(builder, rows[n], rows[n + step], low)
                found[n + step] = _picked(builder, rows[n], rows[n + step], high)
        rows, step = found, 2 * step
    return rows


def _chosen(builder: Any, sources: list[Any], lanes: list[int]) -> Any:
    """A vector of these lanes, counted through all sources."""
    result = _UNDEFINED
    for n, source in enumerate(sources):
        here = [LANES + lane - n * LANES if lane // LANES == n else place for place, lane in enumerate(lanes)]
        result = builder.shuffle_vector(result, source, ir.Constant(_WORDS, here))
    return result


def total(builder: Any, value: Any) -> Any:
    """The sum of a vector's lanes as a number; see `totals`."""
    return builder.extract_element(totals(builder, [value]), _WORD(0))


def totals(builder: Any, values: list[Any]) -> Any:
    """Sums of all lanes of each of these vectors, as one: 1, 2, 4 … of them, at most as many as there are lanes.

    Halves of a vector are added first, in the same order on every processor of this width.
    """
    parts = LANES  # of each sum, side by side
    while parts > 1:
        sources = LANES // parts if len(values) > 1 else values[0].type.count // parts
        pairs = list(zip(values[::2], values[1::2], strict=True)) if len(values) > 1 else [(values[0], values[0])]
        offsets = (0, values[0].type.count) if len(values) > 1 else (0,)
        places = [offset + n * parts + k for offset in offsets for n in range(sources) for k in range(parts // 2)]
        values = [
            builder.fadd(_picked(builder, *pair, places), _picked(builder, *pair, [p + parts // 2 for p in places]))
            for pair in pairs
        ]
        parts //= 2
    return values[0]


def _picked(builder: Any, left: Any, right: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_WORD, len(places)), places))


def prefetch_to_write(builder: Any, address: Any, offset_bytes: int) -> None:
    """Begin to fetch a line that will be changed; any address will do."""
    pointer = _pointer(builder, address, offset_bytes, _BYTE)
    _prefetch(builder, pointer, write=1, locality=2)


def prefetch_to_read(builder: Any, address: Any, offset_bytes: int) -> None:
    """Begin to fetch a line; any address will do."""
    _prefetch(builder, _pointer(builder, address, offset_bytes, _BYTE), write=0, locality=3)


def sums(builder: Any, rows: int, vectors: int) -> list[list[Any]]:
    """Places for a tile's sums, which begin with zeros, and which LLVM turns into registers."""
    places = [[cgutils.alloca_once(builder, VECTOR) for _ in range(vectors)] for _ in range(rows)]
    for row in places:
        for place in row:
            builder.store(_ZEROS, place)
    return places


def _rounded(number: float) -> float:
    """To float32, which is all that LLVM takes as one."""
    return float(np.float32(number))


def _prefetch(builder: Any, pointer: Any, *, write: int, locality: int) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _WORD, _WORD, _WORD])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, _WORD(write), _WORD(locality), _WORD(1)])


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _pointer(builder: Any, address: Any, offset_bytes: int, kind: Any) -> Any:
    return builder.inttoptr(builder.add(address, LONG(offset_bytes)), kind.as_pointer())
