"""Vectors of float32 in LLVM's language: what numba's own loops do not keep in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba.core import cgutils

from gapsack.models.training.backends.cpu.simd import TILING

SIMD_WIDTH = TILING.simd_width
VECTOR_BYTES = 4 * SIMD_WIDTH

_FLOAT, _BYTE, _WORD, LONG = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(_FLOAT, SIMD_WIDTH)
_WORDS = ir.VectorType(_WORD, SIMD_WIDTH)
_UNDEFINED = ir.Constant(VECTOR, ir.Undefined)
_ZEROS = ir.Constant(VECTOR, [0.0] * SIMD_WIDTH)


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


def store(builder: Any, value: Any, address: Any, offset_bytes: int) -> None:
    """Write a vector, of any number of lanes, to any place."""
    builder.store(value, _pointer(builder, address, offset_bytes, value.type)).align = 4


def load_splat(builder: Any, address: Any) -> Any:
    """One float32 in all lanes."""
    return splat(builder, builder.load(_pointer(builder, address, 0, _FLOAT)))


def splat(builder: Any, scalar: Any) -> Any:
    """A scalar in all lanes."""
    first = builder.insert_element(_UNDEFINED, scalar, _WORD(0))
    return builder.shuffle_vector(first, _UNDEFINED, ir.Constant(_WORDS, [0] * SIMD_WIDTH))


def multiply_add(builder: Any, left: Any, right: Any, added: Any) -> Any:
    """left * right + added, rounded once."""
    return _call(builder, f"llvm.fma.v{SIMD_WIDTH}f32", VECTOR, [left, right, added])


def square_root(builder: Any, value: Any) -> Any:
    """Of every lane, rounded as IEEE asks for."""
    return _call(builder, f"llvm.sqrt.v{SIMD_WIDTH}f32", VECTOR, [value])


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """A square of as many vectors as each has lanes, rows to columns."""
    # Each stage swaps one bit of a row's number with the same bit of the lane's.
    step = 1
    while step < SIMD_WIDTH:
        low = [lane if not lane & step else SIMD_WIDTH + lane - step for lane in range(SIMD_WIDTH)]
        high = [lane + step if not lane & step else SIMD_WIDTH + lane for lane in range(SIMD_WIDTH)]
        found = list(rows)
        for n in range(SIMD_WIDTH):
            if not n & step:
                found[n] = _picked(builder, rows[n], rows[n + step], low)
                found[n + step] = _picked(builder, rows[n], rows[n + step], high)
        rows, step = found, 2 * step
    return rows


def total(builder: Any, value: Any) -> Any:
    """The sum of a vector's lanes as a scalar; halves are added first, in one order on every processor of its width."""
    parts = SIMD_WIDTH
    while parts > 1:
        parts //= 2
        low, high = list(range(parts)), list(range(parts, 2 * parts))
        value = builder.fadd(_picked(builder, value, value, low), _picked(builder, value, value, high))
    return builder.extract_element(value, _WORD(0))


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


def _prefetch(builder: Any, pointer: Any, *, write: int, locality: int) -> None:
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _WORD, _WORD, _WORD])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, _WORD(write), _WORD(locality), _WORD(1)])


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _pointer(builder: Any, address: Any, offset_bytes: int, kind: Any) -> Any:
    return builder.inttoptr(builder.add(address, LONG(offset_bytes)), kind.as_pointer())
