"""Reading .npz archives of plain arrays from anywhere: what is wrong with one is told, whatever it is.

numpy's own reader raises a dozen kinds of error, and believes a header that asks for more than the file can hold. Here
an array's header is held against the bytes that are there before anything is set aside for it, and nothing is ever
unpickled.

A large array that is stored as it is, as numpy.savez does, may be mapped: its checksum is taken in pieces, and then it
is read-only memory of the file, which the system brings in and takes back as it needs. The file must not be cut or
written to while it is mapped: the system ends a process (SIGBUS) that touches what is no longer there. Files that
are replaced, as gapsack writes all of its own, stay whole for who has them mapped.
"""

from __future__ import annotations

import lzma
import math
import mmap
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.lib import format as npy

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from numpy.typing import NDArray

T = TypeVar("T")

CHUNK_BYTES = 2**24
ENDING = ".npy"
MAPPED_BYTES = 2**24
"""Arrays from this size on are mapped where they can be; a smaller one costs less than the descriptor of its file."""

_LOCAL_HEADER_BYTES = 30  # of a zip member, before its name; the lengths of name and extra field are its last words
ENCRYPTED = 0x1
"""The bit of a zip member's flags that says so."""

_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError)
"""What zipfile and its decompressors raise for bytes of a member, or its header, that are not what they should be."""

_OTHER_KINDS = ((b"\x93NUMPY", "a single array (.npy)"), (b"\x80", "a pickle, which is never loaded"))
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzArchive:
    """An open .npz.

    Attributes:
        path: where it lies.
        names: of its arrays.
    """

    def __init__(self, path: Path | str, file: zipfile.ZipFile, error: type[InputError]) -> None:
        """An archive that is open already, which need not be a file of this machine; ``path`` is what errors name."""
        self.path, self._file, self._error = path, file, error
        self._members = {
            info.filename.removesuffix(ENDING): info for info in file.infolist() if info.filename.endswith(ENDING)
        }
        self.names = tuple(self._members)
        self._mapping: mmap.mmap | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One array. An InputError says what is wrong with it."""
        return self._opened(name, lambda stream, size_bytes: self._array(name, stream, size_bytes))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one array, by its header alone; an InputError as for the array."""
        return self.header(name)[0]

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of one array, by its header alone; an InputError as for the array."""
        shape, _, dtype = self._opened(name, lambda stream, _size_bytes: self._header(name, stream))
        return shape, dtype

    def mapped(self, name: str) -> NDArray[Any]:
        """One array, read-only memory of the file if it is large and stored as it is, else read; errors as for that."""
        info = self._members.get(name)
        if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size < MAPPED_BYTES:
            return self[name]
        shape, fortran, dtype, header_bytes = self._opened(
            name, lambda stream, size_bytes: (*self._checked_header(name, stream, size_bytes), stream.tell())
        )
        memory = self._memory()
        if memory is None:
            return self[name]
        start = self._start(memory, info)
        self._check_bytes(name, memoryview(memory)[start : start + info.file_size], info)
        array: NDArray[Any] = np.ndarray(shape, dtype, memory, start + header_bytes, order="F" if fortran else "C")
        return array

    def _memory(self) -> mmap.mmap | None:
        """The whole file, mapped; None where the system has no room, or no descriptor, for a further mapping."""
        if self._mapping is None and self._file.fp is not None:
            try:
                self._mapping = mmap.mmap(self._file.fp.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError:
                return None
        return self._mapping

    @staticmethod
    def _start(memory: mmap.mmap, info: zipfile.ZipInfo) -> int:
        """Where a member's bytes begin; zipfile has opened it, and so checked its local header."""
        lengths = memory[info.header_offset + _LOCAL_HEADER_BYTES - 4 : info.header_offset + _LOCAL_HEADER_BYTES]
        name_bytes, extra_bytes = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
        return info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes

    def _check_bytes(self, name: str, held: memoryview, info: zipfile.ZipInfo) -> None:
        if len(held) != info.file_size:
            raise self._refused(name, f"only {len(held)} of {info.file_size} bytes")
        checksum = 0
        for start in range(0, len(held), CHUNK_BYTES):
            checksum = zlib.crc32(held[start : start + CHUNK_BYTES], checksum)
        if checksum != info.CRC:
            raise self._refused(name, f"damaged bytes (Bad CRC-32 for file {info.filename!r})")

    def _opened(self, name: str, read: Callable[[IO[bytes], int], T]) -> T:
        """What `read` makes of an array's stream and its bytes."""
        info = self._members.get(name)
        if info is None:
            raise self._error(f"{self.path}: expected the array {name}; got {_listed(self.names)}.")
        if info.flag_bits & ENCRYPTED:
            raise self._refused(name, "one that is encrypted")
        try:
            with self._file.open(info) as stream:
                return read(stream, info.file_size)
        except _DAMAGES as damage:
            raise self._refused(name, f"damaged bytes ({damage})") from damage
        except NotImplementedError as unknown:
            raise self._refused(name, f"one packed in a way that is not known here ({unknown})") from unknown
        except OSError as unreadable:
            raise self._refused(name, f"one that cannot be read ({unreadable.strerror or unreadable})") from unreadable
        except MemoryError as huge:
            raise self._refused(name, f"one of {info.file_size} bytes, more than this machine's memory") from huge

    def _array(self, name: str, stream: IO[bytes], size_bytes: int) -> NDArray[Any]:
        shape, fortran, dtype = self._checked_header(name, stream, size_bytes)
        wanted = math.prod(shape) * dtype.itemsize
        values = np.empty(wanted, np.uint8)
        view, filled = values.data, 0
        while block := stream.read(CHUNK_BYTES):
            view[filled : filled + len(block)] = block
            filled += len(block)
        if filled != wanted:
            raise self._refused(name, f"only {filled} of {wanted} bytes")
        return np.ndarray(shape, dtype, view, order="F" if fortran else "C")

    def _checked_header(
        self, name: str, stream: IO[bytes], size_bytes: int
    ) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        """The header of an array of plain values that takes as many bytes as there are."""
        shape, fortran, dtype = self._header(name, stream)
        held, wanted = size_bytes - stream.tell(), math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise self._refused(name, "Python objects, which are never loaded")
        if held != wanted or any(length < 0 for length in shape):
            raise self._refused(name, f"a header that says {dtype} {shape}, {wanted} bytes, before {held} bytes")
        return shape, fortran, dtype

    def _header(self, name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        try:
            read = _HEADERS.get(npy.read_magic(stream))
            if read is not None:
                return read(stream)
        except (zipfile.BadZipFile, zlib.error, OSError):
            raise
        except Exception as broken:  # what numpy's parser of Python literals raises is no part of its contract
            raise self._refused(name, "a header that does not parse") from broken
        raise self._refused(name, "a version of the format that plain arrays do not need")

    def _refused(self, name: str, found: str) -> InputError:
        return self._error(f"{self.path}: expected the plain array {name}; got {found}.")


@contextmanager
def open_npz(path: str | PathLike[str], *, error: type[InputError] = InputError) -> Iterator[NpzArchive]:
    """An archive to read arrays from one by one.

    Raises:
        InputError: (`error`) there is no such file, or it is no archive; or, from a block's reading, no such array.
    """
    place = Path(path)
    try:
        opened = zipfile.ZipFile(place)
    except FileNotFoundError as missing:
        raise error(f"{path}: expected this file, an .npz archive; it is not there.") from missing
    except OSError as unreadable:
        raise error(f"{path}: expected an .npz archive; got {unreadable.strerror or unreadable}.") from unreadable
    except Exception as broken:  # a damaged directory of a zip file breaks zipfile in many ways
        raise error(f"{path}: expected an .npz archive of plain arrays; got {_kind(place)}.") from broken
    with opened:
        yield NpzArchive(place, opened, error)


def read_npz(
    path: str | PathLike[str],
    names: Sequence[str] = (),
    *,
    error: type[InputError] = InputError,
    mapped: bool = False,
) -> dict[str, NDArray[Any]]:
    """Arrays of an archive by name: all of them, or those that are named; with ``mapped`` as `NpzArchive.mapped`.

    Raises:
        InputError: (`error`) one of them is not there or cannot be read, or the file is no archive; names the file.
    """
    with open_npz(path, error=error) as archive:
        missing = [name for name in names if name not in archive.names]
        if missing:
            raise error(
                f"{path}: expected the arrays {', '.join(names)}; {', '.join(missing)} not there, "
                f"got {_listed(archive.names)}."
            )
        return {name: archive.mapped(name) if mapped else archive[name] for name in names or archive.names}


def _kind(path: Path) -> str:
    """What a file is that is no archive."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        return "an empty file"
    if start.startswith(b"PK\x03\x04"):
        return "one whose end is missing or damaged"
    return next((kind for magic, kind in _OTHER_KINDS if start.startswith(magic)), "another kind of file")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
