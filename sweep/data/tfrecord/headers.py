"""Compiled walk over TFRecord headers: where records begin and end, and the checksums stored with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.compiled import jit
from gapsack.sweep.data.tfrecord.crc import MASK_DELTA, crc32c

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BYTES, FOOTER_BYTES = 12, 4
_U32 = 0xFFFFFFFF


@jit()
def walk_headers(
    data: NDArray[np.uint8], at: int, filled: int, crc_function: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]:
    """Walk from `at` over the records that lie wholly in data[:filled].

    Returns where the payloads begin and end and the CRCs stored for them, unmasked, int64 [n] each; where the walk
    ended; and how many bytes of `data` the next record needs, or -1 when the CRC of its length is wrong.
    """
    most = (filled - at) // (HEADER_BYTES + FOOTER_BYTES) + 1
    found, count = np.empty((3, most), np.int64), 0
    while True:
        start = at + HEADER_BYTES
        if start > filled:
            needed_bytes = start + FOOTER_BYTES
            break
        length = _little_endian(data, at, 8)
        if (
            crc32c(crc_function, data, at, at + 8) != _unmask(_little_endian(data, at + 8, 4))
            or not 0 <= length < 1 << 60
        ):
            needed_bytes = -1
            break
        stop = start + length
        needed_bytes = stop + FOOTER_BYTES
        if needed_bytes > filled:
            break
        found[0, count], found[1, count] = start, stop
        found[2, count] = _unmask(_little_endian(data, stop, 4))
        count += 1
        at = needed_bytes
    return found[0, :count].copy(), found[1, :count].copy(), found[2, :count].copy(), at, needed_bytes


@jit()
def _little_endian(data: NDArray[np.uint8], at: int, count: int) -> int:
    value = np.int64(0)
    for i in range(count):
        value |= np.int64(data[at + i]) << np.int64(8 * i)
    return int(value)


@jit()
def _unmask(masked: int) -> int:
    rotated = masked - MASK_DELTA & _U32
    return (rotated >> 17 | rotated << 15) & _U32
