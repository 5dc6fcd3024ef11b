"""Reading .npz archives of plain arrays from anywhere: what is wrong with one is told, whatever it is.

numpy's own reader raises a dozen kinds of error, and believes a header that asks for more than the file can hold. Here
an array's header is held against the bytes that are there before anything is set aside for it, and nothing is ever
unpickled.
"""

from __future__ import annotations

import math
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
ENCRYPTED = 0x1
"""The bit of a zip member's flags that says so."""

_OTHER_KINDS = ((b"\x93NUMPY", "a single array (.npy)"), (b"\x80", "a pickle, which is never loaded"))
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzArchive:
    """An open .npz.

    Attributes:
        path: where it lies.
        names: of its arrays.
    """

    def __init__(self, path: Path, file: zipfile.ZipFile, error: type[InputError]) -> None:
        self.path, self._file, self._error = path, file, error
        self._members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
        self.names = tuple(self._members)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One array. An InputError says what is wrong with it."""
        return self._opened(name, lambda stream, size_bytes: self._array(name, stream, size_bytes))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one array, by its header alone; an InputError as for the array."""
        return self._opened(name, lambda stream, _size_bytes: self._header(name, stream)[0])

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
        except (zipfile.BadZipFile, zlib.error, EOFError) as damage:
            raise self._refused(name, f"damaged bytes ({damage})") from damage
        except NotImplementedError as unknown:
            raise self._refused(name, f"one packed in a way that is not known here ({unknown})") from unknown
        except OSError as unreadable:
            raise self._refused(name, f"one that cannot be read ({unreadable.strerror or unreadable})") from unreadable
        except MemoryError as huge:
            raise self._refused(name, f"one of {info.file_size} bytes, more than this machine's memory") from huge

    def _array(self, name: str, stream: IO[bytes], size_bytes: int) -> NDArray[Any]:
        shape, fortran, dtype = self._header(name, stream)
        held, wanted = size_bytes - stream.tell(), math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise self._refused(name, "Python objects, which are never loaded")
        if held != wanted or any(length < 0 for length in shape):
            raise self._refused(name, f"a header that says {dtype} {shape}, {wanted} bytes, before {held} bytes")
        values = np.empty(wanted, np.uint8)
        view, filled = values.data, 0
        while block := stream.read(CHUNK_BYTES):
            view[filled : filled + len(block)] = block
            filled += len(block)
        if filled != wanted:
            raise self._refused(name, f"only {filled} of {wanted} bytes")
        return np.ndarray(shape, dtype, view, order="F" if fortran else "C")

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
    path: str | PathLike[str], names: Sequence[str] = (), *, error: type[InputError] = InputError
) -> dict[str, NDArray[Any]]:
    """Arrays of an archive by name: all of them, or those that are named.

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
        return {name: archive[name] for name in names or archive.names}


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
