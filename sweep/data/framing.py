"""TFRecord framing: length, its CRC, payload, its CRC (each CRC-32C, masked), one record after the other.

Layout: little-endian uint64 length, uint32 masked CRC of those 8 bytes, the payload, uint32 masked CRC of the payload.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import google_crc32c
import numpy as np

from sweep.data import storage
from sweep.data.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sweep.data.buffers import Buffers

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
OVERHEAD_BYTES = _HEADER.size + _FOOTER.size
_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF
PIECE_BYTES = 2**20  # read, checked and parsed before the next ones, while they are in the processor's cache


class Position(NamedTuple):
    """A place between two records of a file: its byte offset, and how many records lie before it."""

    offset: int = 0
    record_index: int = 0


class Run(NamedTuple):
    """Records whose CRCs are right: where their payloads lie in `Stretch.data`, and their index in the file.

    All int64 [n].
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    record_indices: NDArray[np.int64]


class Stretch:
    """The whole records in the `size_bytes` that follow `position` of a file, at least one, in one piece of memory.

    `runs` reads and checks them; after it, `faults` are the records left out and `after` is where the next stretch
    begins, None at the end of the file. A wrong payload CRC loses one record. After a wrong length CRC nothing says
    where the next record begins, so the rest of the file is lost; a file that ends within a record keeps all before it.
    """

    def __init__(self, file: str, position: Position, size_bytes: int, buffers: Buffers) -> None:
        self.file, self.faults = file, list[Fault]()
        self.after: Position | None = None
        self._position, self._size_bytes, self._buffers = position, size_bytes, buffers
        self._record_index = position.record_index
        self._at = self._filled = self._remaining_bytes = 0
        self._ended = False

    def runs(self) -> Iterator[Run]:
        """The records, a cacheful at a time; `DataError` when reading fails."""
        with storage.opened(self.file) as source:
            self._remaining_bytes = source.size_bytes - self._position.offset
            self.data = self._buffers.take(min(self._size_bytes, self._remaining_bytes))
            while not self._ended:
                self._read_piece(source)
                spans, needed_bytes = self._check()
                if needed_bytes is not None:
                    self._make_room(needed_bytes)
                if spans:
                    yield Run(*np.array(spans, np.int64).T.copy())

    def _read_piece(self, source: storage.Source) -> None:
        target = self.data[self._filled : self._filled + PIECE_BYTES]
        got = source.read_into(target, self._position.offset + self._filled)
        self._filled += got
        if got < target.size:  # somebody cuts the file while it is read
            self._remaining_bytes = self._filled

    def _check(self) -> tuple[list[tuple[int, int, int]], int | None]:
        """Step over the records that are there; also, how many bytes the next one needs, None when there is none."""
        data, crc, filled = self.data, google_crc32c.value, self._filled
        spans: list[tuple[int, int, int]] = []
        while self._at < self._remaining_bytes:
            at = self._at
            if at + _HEADER.size > filled:
                return spans, at + OVERHEAD_BYTES
            length, masked = _HEADER.unpack_from(data.data, at)
            if crc(data[at : at + 8]) != _unmask(masked):
                self._lose("length CRC", "the record's length is damaged, so the rest of the file is unreadable")
                break
            start, stop = at + _HEADER.size, at + _HEADER.size + length
            if stop + _FOOTER.size > filled:
                return spans, stop + _FOOTER.size
            if crc(data[start:stop]) == _unmask(_FOOTER.unpack_from(data.data, stop)[0]):
                spans.append((start, stop, self._record_index))
            else:
                self._lose("data CRC", "the bytes do not have the checksum that was stored with them")
            self._at, self._record_index = stop + _FOOTER.size, self._record_index + 1
        self._ended = True
        return spans, None

    def _make_room(self, needed_bytes: int) -> None:
        """See to it that the next record, which ends `needed_bytes` after the beginning, can be read, or end here."""
        if needed_bytes > self._remaining_bytes:
            there, whole = self._remaining_bytes - self._at, needed_bytes - self._at
            self._lose("truncated", f"the file ends after {there} of at least {whole} bytes")
            self._ended = True
        elif needed_bytes > self.data.size and self._at > 0:
            self.after = Position(self._position.offset + self._at, self._record_index)
            self._ended = True
        elif needed_bytes > self.data.size:  # one record is longer than a stretch
            self.data = self._buffers.take(needed_bytes)
            self._filled = 0

    def _lose(self, kind: str, detail: str) -> None:
        self.faults.append(Fault(kind, self.file, self._record_index, detail))


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
