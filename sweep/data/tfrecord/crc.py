"""CRC-32C for compiled functions, which then check many records without holding Python's lock.

`google_crc32c` is a C library that uses the processor's own instruction (over 20 GB/s a core) behind a Python function
that takes one piece at a time. Compiled functions call the same library by the address of its function.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import google_crc32c
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba
from numba import carray, cfunc, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from gapsack.selection.compiled import jit
from gapsack.sweep.data.storage.copy import prefetch

CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, bits reversed, without its highest
MASK_DELTA = 0xA282EAD8  # TFRecord stores CRCs rotated and with this added
_U32 = 0xFFFFFFFF
_STEP_BYTES, _AHEAD_BYTES = 2048, 6144  # of the library; fastest of those tried, by half over no prefetching


@cache
def crc_function() -> int:
    """Address of a C function `uint32(uint32 crc, const uint8 *data, size_t count)` that goes on from the CRC so far.

    It is the library's, or a plain compiled one where there is no such library.
    """
    if google_crc32c.implementation == "c":
        from google_crc32c import _crc32c

        library = ctypes.CDLL(_crc32c.__file__)  # the extension of Python; the C library is linked to it
        if hasattr(library, "crc32c_extend"):
            return ctypes.cast(library.crc32c_extend, ctypes.c_void_p).value or 0
    return int(_plain_crc_function().address)


@cache
def _plain_crc_function() -> Any:
    """A byte at a time, by the table: tens of times slower."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(CASTAGNOLI), table >> 1)

    def extend(crc: Any, data: Any, count: int) -> Any:
        state = np.uint32(crc ^ _U32)
        for byte in carray(data, count):
            state = table[(state ^ byte) & 0xFF] ^ np.uint32(state >> 8)
        return np.uint32(state ^ _U32)

    return cfunc(types.uint32(types.uint32, types.CPointer(types.uint8), types.uintp))(extend)


@jit()
def crc32c(crc_function: int, data: NDArray[np.uint8], start: int, stop: int) -> np.int64:
    """CRC-32C of data[start:stop], a contiguous array; what follows a piece is fetched while the library works on it.

    `crc_function`: of `crc_function()`, which compiled functions cannot call.
    """
    crc, first = np.int64(0), data.ctypes.data
    for at in range(start, stop, _STEP_BYTES):
        prefetch(first + at + _AHEAD_BYTES, _STEP_BYTES)
        crc = _extend(crc_function, crc, first + at, min(_STEP_BYTES, stop - at))
    return np.int64(crc)


@intrinsic
def _extend(_typing: Any, function: Any, crc: Any, address: Any, count: Any) -> Any:
    signature = types.int64(types.intp, types.int64, types.intp, types.intp)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function, crc, address, count = arguments
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(word, [word, pointer, ir.IntType(64)])
        values = [builder.trunc(crc, word), builder.inttoptr(address, pointer), count]
        return builder.zext(builder.call(builder.inttoptr(function, kind.as_pointer()), values), ir.IntType(64))

    return signature, generate


def masked_crc(data: bytes) -> int:
    """The CRC of `data` as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return (crc >> 15 | crc << 17) + MASK_DELTA & _U32
