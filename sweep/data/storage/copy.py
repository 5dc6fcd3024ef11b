"""Memory access for compiled functions that plain indexing does two to three times slower, or not at all.

Copies of a frame's kilobyte from an address, words at places that are no multiple of their size, and hints of what is
read next. Nothing is checked: the caller knows that all of it lies inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from gapsack.selection.compiled import jit

LINE_BYTES = 64
_BYTE = ir.IntType(8)


@intrinsic
def copy_bytes(_typing: Any, target: Any, target_at: Any, address: Any, count: Any) -> Any:
    """target[target_at : target_at + count], a contiguous uint8 array, = the `count` bytes at `address`."""
    signature = types.void(target, types.intp, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = _place(context, builder, signature.args[0], arguments[:2])
        cgutils.raw_memcpy(builder, to, builder.inttoptr(arguments[2], _BYTE.as_pointer()), arguments[3], 1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _stream_line(_typing: Any, target: Any, target_at: Any, address: Any) -> Any:
    """Copy 64 bytes to an aligned place, past the cache."""
    signature = types.void(target, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line = ir.VectorType(_BYTE, LINE_BYTES).as_pointer()
        value = builder.load(builder.inttoptr(arguments[2], line))
        value.align = 1
        to = builder.bitcast(_place(context, builder, signature.args[0], arguments[:2]), line)
        store = builder.store(value, to, align=LINE_BYTES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return signature, generate


@jit()
def stream_bytes(target: NDArray[np.uint8], target_at: int, address: int, count: int) -> None:
    """As `copy_bytes`, for a target that lies on 64-byte lines and is not read soon.

    Past the cache, memory need not be fetched before it is overwritten: a third of the traffic of a batch.
    """
    lines = count // LINE_BYTES * LINE_BYTES
    for at in range(0, lines, LINE_BYTES):
        _stream_line(target, target_at + at, address + at)
    copy_bytes(target, target_at + lines, address + lines, count - lines)


@intrinsic
def _pointer(_typing: Any, address: Any) -> Any:
    signature = types.CPointer(types.uint8)(types.intp)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], _BYTE.as_pointer())

    return signature, generate


@jit()
def bytes_at(address: int, count: int) -> NDArray[np.uint8]:
    """The `count` bytes at `address`, as an array; something else has to keep them alive."""
    view: NDArray[np.uint8] = carray(_pointer(address), count)
    return view


@intrinsic
def load_byte(_typing: Any, address: Any) -> Any:
    """The byte at `address`, as a uint8."""
    signature = types.uint8(types.intp)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], _BYTE.as_pointer()))

    return signature, generate


@intrinsic
def load_word(_typing: Any, source: Any, at: Any) -> Any:
    """The little-endian 32-bit word at any place of a uint8 array, as an int32."""
    signature = types.int32(source, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = _place(context, builder, signature.args[0], arguments)
        word = builder.load(builder.bitcast(first, ir.IntType(32).as_pointer()))
        word.align = 1
        return word

    return signature, generate


@jit()
def prefetch(address: int, count: int) -> None:
    """Begin to fetch `count` bytes into the cache; any address will do, and nothing waits.

    The processor's own prefetching ends at every page.
    """
    for at in range(0, count, LINE_BYTES):
        _prefetch_line(address + at)


@intrinsic
def _prefetch_line(_typing: Any, address: Any) -> Any:
    signature = types.void(types.intp)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, into_every_cache, data = word(0), word(3), word(1)
        builder.call(function, [builder.inttoptr(arguments[0], _BYTE.as_pointer()), to_read, into_every_cache, data])
        return context.get_dummy_value()

    return signature, generate


def _place(context: Any, builder: Any, kind: Any, array_and_index: Any) -> Any:
    """Pointer to an element of an array."""
    array, index = array_and_index
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])
