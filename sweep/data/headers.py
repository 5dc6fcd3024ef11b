"""Compiled walk over TFRecord headers: where records begin and end, and the checksums stored with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BYTES, FOOTER_BYTES = 12, 4
MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF
_CASTAGNOLI = 0x82F63B78  # the polynomial of CRC-32C, bits reversed


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_CASTAGNOLI), table >> 1)
    return table


_CRC_TABLE = _table()


@njit(cache=True, nogil=True)
def walk_headers(
    data: NDArray[np.uint8], at: int, filled: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
    """Walk from `at` over the records that lie wholly in data[:filled].

    Returns the payloads' spans int64 [n, 2]; the CRCs stored for them, unmasked, int64 [n]; where the walk ended; and
    how many bytes of `data` the next record needs, or -1 when the CRC of its length is wrong. A payload's CRC is not
    computed here: hardware does that many times faster than this table.
    """
    most = (filled - at) // (HEADER_BYTES + FOOTER_BYTES) + 1
    spans, crcs, count = np.empty((most, 2), np.int64), np.empty(most, np.int64), 0
    while True:
        start = at + HEADER_BYTES
        if start > filled:
            return spans[:count].copy(), crcs[:count].copy(), at, start + FOOTER_BYTES
        length = _little_endian(data, at, 8)
        if _crc(data, at, at + 8) != _unmask(_little_endian(data, at + 8, 4)) or not 0 <= length < 1 << 60:
            return spans[:count].copy(), crcs[:count].copy(), at, -1
        stop = start + length
        if stop + FOOTER_BYTES > filled:
            return spans[:count].copy(), crcs[:count].copy(), at, stop + FOOTER_BYTES
        spans[count, 0], spans[count, 1] = start, stop
        crcs[count] = _unmask(_little_endian(data, stop, 4))
        count += 1
        at = stop + FOOTER_BYTES


@njit(cache=True, nogil=True)
def _little_endian(data: NDArray[np.uint8], at: int, count: int) -> np.int64:
    value = np.int64(0)
    for i in range(count):
        value |= np.int64(data[at + i]) << np.int64(8 * i)
    return value


@njit(cache=True, nogil=True)
def _crc(data: NDArray[np.uint8], start: int, stop: int) -> np.int64:
    state = np.int64(_U32)
    for at in range(start, stop):
        state = np.int64(_CRC_TABLE[(state ^ data[at]) & 0xFF]) ^ state >> 8
    return state ^ _U32


@njit(cache=True, nogil=True)
def _unmask(masked: np.int64) -> np.int64:
    rotated = masked - MASK_DELTA & _U32
    return (rotated >> 17 | rotated << 15) & _U32
