"""TFRecord framing: length, its CRC, payload, its CRC (each CRC-32C, masked), one record after the other.

Layout: little-endian uint64 length, uint32 masked CRC of those 8 bytes, the payload, uint32 masked CRC of the payload.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from gapsack.sweep.data.faults import Fault
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.data.storage.magic import HEAD_BYTES, other_kind
from gapsack.sweep.data.tfrecord.crc import crc_function, masked_crc
from gapsack.sweep.data.tfrecord.headers import FOOTER_BYTES, HEADER_BYTES, walk_headers
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from gapsack.sweep.data.storage.mapping import FileMemory

OVERHEAD_BYTES = HEADER_BYTES + FOOTER_BYTES
PIECE_BYTES = 2**20  # read at a time, and walked while it is in the processor's cache


class Position(NamedTuple):
    """A place between two records of a file: its byte offset, and how many records lie before it."""

    offset: int = 0
    record_index: int = 0


class Run(NamedTuple):
    """Records that follow each other: where their payloads lie in `Stretch.data`, and the CRCs that they should have.

    All int64 [n]. `first_index`: the first one's index in the file.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    crcs: NDArray[np.int64]
    first_index: int


class Stretch:
    """The whole records in the `size_bytes` that follow `position` of a file, at least one, in one piece of memory.

    `runs` reads them; after it, `faults` are the records left out and `after` is where the next stretch begins, None
    at the end of the file. After a wrong length CRC nothing says where the next record begins, so the rest of the file
    is lost; a file that ends within a record keeps all before it. Whoever parses a payload checks its CRC.

    `file_bytes`: size of the file when it was opened before, None the first time, and then what it is once it is open.
    """

    def __init__(
        self, file: str, position: Position, size_bytes: int, memory: FileMemory, file_bytes: int | None = None
    ) -> None:
        self.file, self.faults = file, list[Fault]()
        self.after: Position | None = None
        self._position, self._size_bytes, self._memory = position, size_bytes, memory
        self._record_index = position.record_index
        self.file_bytes = file_bytes
        self._at = self._filled = self._remaining_bytes = 0
        self._ended = False

    def runs(self) -> Iterator[Run]:
        """The records, as far as the file has been read; `DataError` when reading fails, or the file's size changed."""
        with storage.opened(self.file) as source:
            if self.file_bytes not in (None, source.size_bytes) or source.size_bytes < self._position.offset:
                before = f"at least {self._position.offset}" if self.file_bytes is None else str(self.file_bytes)
                raise DataError(
                    f"Data files must stay as they are while they are read, got {self.file}, which had {before} bytes "
                    f"and now has {source.size_bytes}."
                )
            self.file_bytes = source.size_bytes
            self._remaining_bytes = source.size_bytes - self._position.offset
            self._begin(source, min(self._size_bytes, self._remaining_bytes))
            while not self._ended:
                if self._filled < self.data.size:
                    self._read_piece(source)
                starts, stops, crcs, self._at, needed_bytes = walk_headers(
                    self.data, self._at, self._filled, crc_function()
                )
                run = Run(starts, stops, crcs, self._record_index)
                self._record_index += starts.size
                self._go_on(source, needed_bytes)
                if starts.size:
                    yield run

    def _begin(self, source: storage.OpenFile, size_bytes: int) -> None:
        """Take memory for so many bytes, filled already where the file can be mapped."""
        mapped = None
        if source.descriptor is not None:
            mapped = self._memory.mapped(source.descriptor, self._position.offset, size_bytes)
        self.data = self._memory.take(size_bytes) if mapped is None else mapped
        self._filled = 0 if mapped is None else size_bytes

    def _read_piece(self, source: storage.OpenFile) -> None:
        # A remote file is asked for all of it at once: every request waits.
        piece_bytes = PIECE_BYTES if source.descriptor is not None else self.data.size
        target = self.data[self._filled : self._filled + piece_bytes]
        got = source.read_into(target, self._position.offset + self._filled)
        self._filled += got
        if got < target.size:  # somebody cuts the file while it is read
            self._remaining_bytes = self._filled

    def _go_on(self, source: storage.OpenFile, needed_bytes: int) -> None:
        """See to it that the next record, which ends after `needed_bytes` of the data, can be read, or end here."""
        self._ended = True
        if self._at == self._remaining_bytes:
            return
        if needed_bytes < 0:
            self._lose("length CRC", "the record's length is damaged, so the rest of the file is unreadable")
        elif needed_bytes > self._remaining_bytes:
            there, whole = self._remaining_bytes - self._at, needed_bytes - self._at
            self._lose("truncated", f"the file ends after {there} of at least {whole} bytes")
        elif needed_bytes > self.data.size and self._at > 0:
            self.after = Position(self._position.offset + self._at, self._record_index)
        else:
            self._ended = False
            if needed_bytes > self.data.size:  # one record is longer than a stretch
                self._begin(source, needed_bytes)

    def _lose(self, kind: str, detail: str) -> None:
        """The rest of the file, from the next record on, which tells what it is where it is no TFRecord file at all."""
        if self._position.offset + self._at == 0:
            found = other_kind(self.data[:HEAD_BYTES].tobytes())
            if found is not None:
                kind, detail = "no TFRecord file", f"expected TFRecords, got {found}"
        lost_bytes = self._remaining_bytes - self._at
        self.faults.append(Fault(kind, self.file, self._record_index, detail, lost_bytes))


def frame_record(payload: bytes) -> bytes:
    """One record as TFRecord bytes."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _masked_crc(length), payload, _masked_crc(payload)))


def _masked_crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc(data))
