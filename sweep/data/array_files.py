"""Arrays in npz files, local or remote, read without trust as all archives are (`selection.npz`)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

from gapsack.selection.npz import NpzArchive
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import DataError

_ZIP, _NPY = b"PK", b"\x93NUMPY"


@contextmanager
def opened_npz(path: str) -> Iterator[NpzArchive]:
    """The npz file, local or remote, open for the time of the context.

    Raises:
        DataError: it cannot be opened or is no npz file; or, from a block's reading, an array cannot be read.
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
        except Exception as error:  # a damaged directory of a zip file breaks zipfile in many ways
            raise DataError(f"{path}: expected a whole npz file, got {_said(error)}; is it truncated?") from error
        with archive:
            yield NpzArchive(path, archive, DataError)


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
