"""TFRecord framing: length, its CRC, payload, its CRC (each CRC-32C, masked), one record after the other.

Layout: little-endian uint64 length, uint32 masked CRC of those 8 bytes, the payload, uint32 masked CRC of the payload.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import google_crc32c
import numpy as np

from sweep.data import storage
from sweep.data.faults import Fault

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
OVERHEAD_BYTES = _HEADER.size + _FOOTER.size
_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF


class Position(NamedTuple):
    """A place between two records of a file: its byte offset, and how many records lie before it."""

    offset: int = 0
    record_index: int = 0


@dataclass(frozen=True)
class Stretch:
    """Consecutive records of one file, in one piece of memory.

    `data` uint8 [bytes]; `starts`, `stops` int64 [n]: where the payloads with a correct CRC lie in it;
    `record_indices` int64 [n]; `faults`: the records left out; `after`: where the next stretch begins, None at the end.
    """

    file: str
    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    record_indices: NDArray[np.int64]
    faults: tuple[Fault, ...]
    after: Position | None


def read_stretch(file: str, position: Position, size_bytes: int) -> Stretch:
    """Read the whole records that lie in the `size_bytes` after `position`, at least one, and check their CRCs.

    A wrong payload CRC loses one record. After a wrong length CRC nothing says where the next record begins, so the
    rest of the file is lost; a file that ends within a record keeps all before it. `DataError` when reading fails.
    """
    remaining_bytes = storage.size_bytes(file) - position.offset
    wanted_bytes = min(size_bytes, remaining_bytes)
    while True:
        data = storage.read(file, position.offset, wanted_bytes)
        if len(data) < wanted_bytes:  # somebody cuts the file while it is read
            remaining_bytes = len(data)
        walk = _Walk(file, data, position, remaining_bytes)
        if walk.wanted_bytes <= len(data):
            return walk.stretch()
        wanted_bytes = walk.wanted_bytes  # the first record is longer than a stretch


def frame_record(payload: bytes) -> bytes:
    """One record as TFRecord bytes."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _FOOTER.pack(_masked_crc(length)), payload, _FOOTER.pack(_masked_crc(payload))))


def _masked_crc(data: bytes) -> int:
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _U32


def _unmask(masked: int) -> int:
    rotated = masked - _MASK_DELTA & _U32
    return (rotated >> 17 | rotated << 15) & _U32


class _Walk:
    """Steps over the records in `data`, which begins at `position` of the file."""

    def __init__(self, file: str, data: NDArray[np.uint8], position: Position, remaining_bytes: int) -> None:
        self.file, self.data, self.position, self.remaining_bytes = file, data, position, remaining_bytes
        self.spans: list[tuple[int, int, int]] = []
        self.faults: list[Fault] = []
        self.at, self.record_index = 0, position.record_index
        self.wanted_bytes = 0  # set when not even one record fits
        self.ended = False
        self._run()

    def stretch(self) -> Stretch:
        starts, stops, indices = np.array(self.spans, np.int64).reshape(-1, 3).T.copy()
        after = None if self.ended else Position(self.position.offset + self.at, self.record_index)
        return Stretch(self.file, self.data, starts, stops, indices, tuple(self.faults), after)

    def _run(self) -> None:
        data, crc, size = self.data, google_crc32c.value, len(self.data)
        while self.at < self.remaining_bytes:
            at = self.at
            if at + _HEADER.size > size:
                self._cut_short(at + OVERHEAD_BYTES)
                return
            length, masked = _HEADER.unpack_from(data.data, at)
            if crc(data[at : at + 8]) != _unmask(masked):
                self._lose("length CRC", "the record's length is damaged, so the rest of the file is unreadable")
                self.ended = True
                return
            start, stop = at + _HEADER.size, at + _HEADER.size + length
            if stop + _FOOTER.size > size:
                self._cut_short(stop + _FOOTER.size)
                return
            if crc(data[start:stop]) == _unmask(_FOOTER.unpack_from(data.data, stop)[0]):
                self.spans.append((start, stop, self.record_index))
            else:
                self._lose("data CRC", "the bytes do not have the checksum that was stored with them")
            self.at, self.record_index = stop + _FOOTER.size, self.record_index + 1
        self.ended = True

    def _cut_short(self, needed_bytes: int) -> None:
        """The data ends within a record: at the end of the file, or at the end of what was read."""
        if needed_bytes > self.remaining_bytes:
            self._lose(
                "truncated", f"the file ends after {self.remaining_bytes - self.at} of {needed_bytes - self.at} bytes"
            )
            self.ended = True
        elif self.at == 0:
            self.wanted_bytes = needed_bytes

    def _lose(self, kind: str, detail: str) -> None:
        self.faults.append(Fault(kind, self.file, self.record_index, detail))
