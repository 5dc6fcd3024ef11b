"""Bytes of a file, local or remote.

A local file is read with the operating system's own calls. TensorFlow is imported only for a path with a scheme that
`tf.io.gfile` opens (gs://, s3://, hdfs://, ram://), so that a reader of local files starts at once.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

THREADS = 16
"""Files that are looked at side by side: most of the time is waiting."""


def is_local(path: str) -> bool:
    """Whether the path names a file of this machine's own file system."""
    return "://" not in path


def match(pattern: str) -> list[str]:
    """Files that match a pattern (`*`, `?`, `[…]`), in no particular order."""
    if is_local(pattern):
        return [path for path in glob.glob(pattern) if Path(path).is_file()]  # noqa: PTH207  (patterns may be absolute)
    return [str(path) for path in _gfile().glob(pattern)]


def file_bytes(path: str) -> int:
    """Size of a file.

    Raises:
        DataError: it cannot be opened.
    """
    with opened(path) as source:
        return source.size_bytes


class OpenFile(Protocol):
    """An open file."""

    size_bytes: int

    @property
    def descriptor(self) -> int | None:
        """The system's number of a local file."""

    def read_into(self, target: NDArray[np.uint8], offset: int) -> int:
        """Fill `target` with the file's bytes from `offset` on; how many there were, fewer only at the file's end."""


@contextmanager
def opened(path: str) -> Iterator[OpenFile]:
    """The file, open for the time of the context; `DataError` when it cannot be opened or read."""
    try:
        with _Local(path) if is_local(path) else _Remote(path) as source:
            yield source
    except _errors(path) as error:
        raise DataError(f"The data file must be readable, got {type(error).__name__} ({error}) at {path}.") from error


class Stamp(NamedTuple):
    """What tells without reading a file whether somebody wrote to it; `modified_ns` is 0 where nobody says when."""

    size_bytes: int
    modified_ns: int


def stamps(paths: Sequence[str]) -> dict[str, Stamp]:
    """The stamps of files by path; `DataError` when one is not there."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="stamps") as pool:
        return dict(zip(paths, pool.map(_stamp, paths), strict=True))


def _stamp(path: str) -> Stamp:
    try:
        if is_local(path):
            about = Path(path).stat()
            return Stamp(about.st_size, about.st_mtime_ns)
        remote = _gfile().stat(path)
        return Stamp(int(remote.length), int(remote.mtime_nsec))
    except _errors(path) as error:
        raise DataError(f"The data file must be readable, got {type(error).__name__} ({error}) at {path}.") from error


def sizes_bytes(paths: Sequence[str]) -> list[int]:
    """Bytes of files; `DataError` when one cannot be opened."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sizes") as pool:
        return list(pool.map(file_bytes, paths))


class _Local:
    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor: int = os.open(path, os.O_RDONLY)
        self.size_bytes = os.fstat(self.descriptor).st_size

    def read_into(self, target: NDArray[np.uint8], offset: int) -> int:
        filled = 0
        while filled < target.size:
            got = os.preadv(self.descriptor, [target[filled:].data], offset + filled)
            if got == 0:
                break
            filled += got
        return filled

    def __enter__(self) -> _Local:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


class _Remote:
    descriptor = None

    def __init__(self, path: str) -> None:
        self.size_bytes = int(_gfile().stat(path).length)
        self._file = _gfile().GFile(path, "rb")

    def read_into(self, target: NDArray[np.uint8], offset: int) -> int:
        if offset >= self.size_bytes:  # which TensorFlow takes for an error
            return 0
        self._file.seek(offset)
        data = np.frombuffer(self._file.read(target.size), np.uint8)
        target[: data.size] = data
        return data.size

    def __enter__(self) -> _Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _errors(path: str) -> tuple[type[Exception], ...]:
    """What reading may raise; TensorFlow has errors of its own for what it reads."""
    if is_local(path):
        return (OSError,)
    import tensorflow as tf

    return (OSError, tf.errors.OpError)


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile
