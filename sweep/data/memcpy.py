"""Memory access for compiled functions that plain indexing does two to three times slower.

Copies of a frame's kilobyte, and words at places that are no multiple of their size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LINE_BYTES = 64


@intrinsic
def copy_bytes(_typing: Any, target: Any, target_at: Any, source: Any, source_at: Any, count: Any) -> Any:
    """target[target_at : target_at + count] = source[source_at : source_at + count], for contiguous uint8 arrays.

    The spans must not overlap. Nothing is checked: the caller knows that both lie inside.
    """
    signature = types.void(target, types.intp, source, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, from_ = _places(context, builder, signature, arguments)
        cgutils.raw_memcpy(builder, to, from_, arguments[4], 1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _stream_line(_typing: Any, target: Any, target_at: Any, source: Any, source_at: Any) -> Any:
    """Copy 64 bytes to an aligned place, past the cache."""
    signature = types.void(target, types.intp, source, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        line = ir.VectorType(ir.IntType(8), LINE_BYTES).as_pointer()
        to, from_ = (builder.bitcast(place, line) for place in _places(context, builder, signature, arguments))
        value = builder.load(from_)
        value.align = 1
        store = builder.store(value, to, align=LINE_BYTES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return signature, generate


@njit(nogil=True, cache=True)
def stream_bytes(
    target: NDArray[np.uint8], target_at: int, source: NDArray[np.uint8], source_at: int, count: int
) -> None:
    """As `copy_bytes`, for a target that lies on 64-byte lines and is not read soon.

    Past the cache, memory need not be fetched before it is overwritten: a third of the traffic of a batch.
    """
    lines = count // LINE_BYTES * LINE_BYTES
    for at in range(0, lines, LINE_BYTES):
        _stream_line(target, target_at + at, source, source_at + at)
    copy_bytes(target, target_at + lines, source, source_at + lines, count - lines)


@intrinsic
def load_word(_typing: Any, source: Any, at: Any) -> Any:
    """The little-endian 32-bit word at any place of a uint8 array, as an int32; unchecked."""
    signature = types.int32(source, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        word = builder.load(builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(32).as_pointer()))
        word.align = 1
        return word

    return signature, generate


def _places(context: Any, builder: Any, signature: Any, arguments: Any) -> tuple[Any, Any]:
    """Pointers to where the target's and the source's bytes begin."""
    arrays = ((signature.args[0], arguments[0], arguments[1]), (signature.args[2], arguments[2], arguments[3]))
    to, from_ = (
        builder.gep(context.make_array(kind)(context, builder, array).data, [at]) for kind, array, at in arrays
    )
    return to, from_
