"""Bytes of a file, local or remote.

A local file is read with the operating system's own calls. TensorFlow is imported only for a path with a scheme that
`tf.io.gfile` opens (gs://, s3://, hdfs://, ram://), so that a reader of local files starts at once.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from selection.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_local(path: str) -> bool:
    """Whether the path names a file of this machine's own file system."""
    return "://" not in path


def match(pattern: str) -> list[str]:
    """Files that match a pattern (`*`, `?`, `[…]`), in no particular order."""
    if is_local(pattern):
        return [path for path in glob.glob(pattern) if Path(path).is_file()]  # noqa: PTH207  (patterns may be absolute)
    return [str(path) for path in _gfile().glob(pattern)]


def size_bytes(path: str) -> int:
    """Length of a file; `DataError` when it cannot be opened."""
    try:
        return Path(path).stat().st_size if is_local(path) else int(_gfile().stat(path).length)
    except Exception as error:
        raise _unreadable(path, error) from error


def read(path: str, offset: int, count: int) -> NDArray[np.uint8]:
    """Up to `count` bytes from `offset` on; fewer only at the end of the file. `DataError` when reading fails."""
    try:
        if is_local(path):
            return _read_local(path, offset, count)
        with _gfile().GFile(path, "rb") as file:
            file.seek(offset)
            # A bytearray, because the compiled parser takes one kind of array only: one that can be written.
            return np.frombuffer(bytearray(file.read(count)), np.uint8)
    except Exception as error:
        raise _unreadable(path, error) from error


def _read_local(path: str, offset: int, count: int) -> NDArray[np.uint8]:
    data = np.empty(count, np.uint8)
    filled = 0
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while filled < count:
            got = os.preadv(descriptor, [data[filled:].data], offset + filled)
            if got == 0:
                break
            filled += got
    finally:
        os.close(descriptor)
    return data[:filled]


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


def _unreadable(path: str, error: Exception) -> DataError:
    return DataError(f"The data file must be readable, got {type(error).__name__} ({error}) at {path}.")
