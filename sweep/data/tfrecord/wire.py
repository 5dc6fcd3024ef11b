"""Protobuf wire format, compiled: finds what a record holds without copying it.

The subset of https://protobuf.dev/programming-guides/encoding/ that `tf.train.Example` and `tf.train.SequenceExample`
need; fields may come in any order, unknown ones are skipped. A span is (start, stop) in `data`; a negative start tells
why there is none. Nothing is read outside [start, stop), whatever the bytes say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.compiled import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = -1
MALFORMED = -2
# A span is written twice below (`return MALFORMED, MALFORMED`) so that every branch has the same compiled type.

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


@jit()
def read_varint(data: NDArray[np.uint8], at: int, stop: int) -> tuple[np.int64, int]:
    """A base-128 integer (wrapped to int64) and the place after it; (0, MALFORMED) when it does not end in time."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < stop and shift < np.uint64(64):
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return np.int64(value), at
        shift += np.uint64(7)
    return np.int64(0), MALFORMED


@jit()
def read_field(data: NDArray[np.uint8], at: int, stop: int) -> Any:
    """Number, wire type, and the span of the value of the field at `at`; a negative span end when it is malformed."""
    tag, at = read_varint(data, at, stop)
    if at < 0 or tag < 8:
        return 0, 0, MALFORMED, MALFORMED
    wire, start = tag & 7, at
    if wire == DELIMITED:
        size, start = read_varint(data, at, stop)
        if start < 0 or size < 0 or size > stop - start:
            return 0, 0, MALFORMED, MALFORMED
        return tag >> 3, wire, start, start + size
    if wire == VARINT:
        _, end = read_varint(data, at, stop)
    elif wire == FIXED32:
        end = at + 4
    elif wire == FIXED64:
        end = at + 8
    else:
        end = MALFORMED
    if end < 0 or end > stop:
        return 0, 0, MALFORMED, MALFORMED
    return tag >> 3, wire, start, end


@jit()
def find_message(data: NDArray[np.uint8], at: int, stop: int, number: int) -> tuple[int, int]:
    """Span of the length-delimited field `number`, which may come once; ABSENT or MALFORMED otherwise."""
    found, found_stop = ABSENT, ABSENT
    while at < stop:
        field, wire, start, at = read_field(data, at, stop)
        if at < 0:
            return MALFORMED, MALFORMED
        if field == number:
            if wire != DELIMITED or found >= 0:
                return MALFORMED, MALFORMED
            found, found_stop = start, at
    return found, found_stop


@jit()
def find_entry(data: NDArray[np.uint8], at: int, stop: int, keys: NDArray[np.uint8], key: int) -> tuple[int, int]:
    """Span of the value of a key in a map (repeated field 1 of key = 1, value = 2); the last one, should two come.

    A row of `keys` is a key: how many letters it has, and then these.
    """
    found, found_stop = ABSENT, ABSENT
    while at < stop:
        field, wire, start, at = read_field(data, at, stop)
        if at < 0:
            return MALFORMED, MALFORMED
        if field != 1 or wire != DELIMITED:
            continue
        key_start, key_stop = find_message(data, start, at, 1)
        value_start, value_stop = find_message(data, start, at, 2)
        if MALFORMED in (key_start, value_start):
            return MALFORMED, MALFORMED
        if key_start >= 0 and value_start >= 0 and _equal(data, key_start, key_stop, keys, key):
            found, found_stop = value_start, value_stop
    return found, found_stop


@jit()
def _equal(data: NDArray[np.uint8], start: int, stop: int, keys: NDArray[np.uint8], key: int) -> bool:
    if stop - start != keys[key, 0]:
        return False
    for i in range(stop - start):  # noqa: SIM110  (compiled)
        if data[start + i] != keys[key, 1 + i]:
            return False
    return True


@jit()
def single_value(data: NDArray[np.uint8], start: int, stop: int, kind: int) -> tuple[int, int]:
    """Span of the one value in a `Feature` of the `kind` 1 (bytes) or 2 (packed floats)."""
    start, stop = find_message(data, start, stop, kind)
    if start < 0:
        return start, start
    start, stop = find_message(data, start, stop, 1)
    return start, stop


@jit()
def read_integers(data: NDArray[np.uint8], at: int, stop: int, out: NDArray[np.int64]) -> int:
    """Values of an `Int64List`, packed or not, into `out` as far as they fit; their number, or MALFORMED."""
    count = 0
    while at < stop:
        field, wire, start, at = read_field(data, at, stop)
        if at < 0 or (field == 1 and wire not in (VARINT, DELIMITED)):
            return MALFORMED
        while field == 1 and start < at:
            value, start = read_varint(data, start, at)
            if start < 0:
                return MALFORMED
            if count < out.size:
                out[count] = value
            count += 1
    return count
