"""Arrays in npz files, read without trust: whatever is wrong is a sentence that names the file and the array."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ZIP, _NPY = b"PK", b"\x93NUMPY"
_ENDING = ".npy"
_ENCRYPTED = 0x1

_UNREADABLE = (
    # What numpy, zipfile and its decompressors raise for bytes that are not what they should be.
    *(OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


class NpzFile:
    """An open npz file, as `opened_npz` gives it."""

    def __init__(self, path: str, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._members = {
            member.filename.removesuffix(_ENDING): member
            for member in archive.infolist()
            if member.filename.endswith(_ENDING)
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its arrays, in their order."""
        return tuple(self._members)

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array, without reading it; errors as for `array`."""
        with self._member(name) as member:
            version = npy.read_magic(member)
            readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
            if version not in readers:
                raise ValueError(f"the version {version} of the npy format, which plain arrays do not need")
            shape, _, dtype = readers[version](member)
            return tuple(shape), dtype

    def array(self, name: str) -> NDArray[Any]:
        """An array.

        Raises:
            DataError: there is none of that name, or it cannot be read: objects, damage, a password.
        """
        with self._member(name) as member:
            found: NDArray[Any] = npy.read_array(member, allow_pickle=False)
            if member.read(1):  # which checks the CRC as well
                raise ValueError("bytes beyond the array's end")
            return found

    @contextmanager
    def _member(self, name: str) -> Iterator[IO[bytes]]:
        if name not in self._members:
            raise DataError(f"{self.path}: expected an array {name}, got {', '.join(self.names) or 'no arrays'}")
        member = self._members[name]
        if member.flag_bits & _ENCRYPTED:
            raise DataError(f"{self.path}: expected an archive without a password, got an encrypted array {name}")
        try:
            with self._archive.open(member) as file:
                yield file
        except _UNREADABLE as error:
            raise DataError(f"{self.path}: expected a readable array {name}, got {_said(error)}") from error


@contextmanager
def opened_npz(path: str) -> Iterator[NpzFile]:
    """The npz file, local or remote, open for the time of the context.

    Raises:
        DataError: it cannot be opened or is no npz file.
    """
    with _opened(path) as file:
        start = file.read(len(_NPY))
        if start == _NPY:
            raise DataError(f"{path}: expected an npz file of named arrays (numpy.savez), got a single array (.npy)")
        if not start.startswith(_ZIP):
            got = "an empty file" if not start else f"a file that begins with {start!r}"
            raise DataError(f"{path}: expected an npz file (numpy.savez), got {got}")
        try:
            archive = zipfile.ZipFile(file)
        except _UNREADABLE as error:
            raise DataError(f"{path}: expected a whole npz file, got {_said(error)}; is it truncated?") from error
        with archive:
            yield NpzFile(path, archive)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if not storage.is_local(path):
        with storage.opened(path) as source:
            content = np.empty(source.size_bytes, np.uint8)
            source.read_into(content, 0)
        yield io.BytesIO(content.tobytes())
        return
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115  (paths are text here; closed below)
    except OSError as error:
        raise DataError(f"{path}: expected a readable data file, got {_said(error)}") from error
    with file:
        yield file


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
