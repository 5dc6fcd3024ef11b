"""Bytes of a file, local or remote.

A local file is read with the operating system's own calls, one at a URL by fsspec. That is imported for URLs alone, so
that a reader of local files starts at once. A file that does not answer there is asked for again, as the storage of
runs is; then a `StorageAwayError` says so.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gapsack.sweep.errors import DataError
from gapsack.sweep.storage.objects import StorageAwayError, patiently
from gapsack.sweep.storage.remote import file_system, is_url, os_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

THREADS = 16
"""Files that are looked at side by side: most of the time is waiting."""


def is_local(path: str) -> bool:
    """Whether the path names a file of this machine's own file system."""
    return not is_url(path)


def match(pattern: str) -> list[str]:
    """Files that match a pattern (`*`, `?`, `[…]`), in no particular order; `DataError` where nobody answers."""
    if is_local(pattern):
        return [path for path in glob.glob(pattern) if Path(path).is_file()]  # noqa: PTH207  (patterns may be absolute)
    try:
        with os_errors(pattern):  # and no patience: a person waits, who may have named another server than is meant
            system, known = file_system(pattern)
            found = system.glob(known, detail=True)
    except FileNotFoundError:  # a bucket or folder that is not there
        return []
    except OSError as error:
        raise DataError(f"The data files must be there to be listed, got {_told(error)} at {pattern}.") from error
    head = pattern.removesuffix(known.lstrip("/"))  # the scheme, and a host where drivers know paths without it
    return [head + path.lstrip("/") for path, about in found.items() if about["type"] == "file"]


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
    except StorageAwayError:  # which says nothing of the file
        raise
    except OSError as error:
        raise DataError(f"The data file must be readable, got {_told(error)} at {path}.") from error


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
        system, known = file_system(path)
        remote = patiently(path, lambda: system.info(known))
        return Stamp(int(remote["size"]), _modified_ns(remote))
    except StorageAwayError:
        raise
    except OSError as error:
        raise DataError(f"The data file must be readable, got {_told(error)} at {path}.") from error


def _modified_ns(about: dict[str, Any]) -> int:
    """When a remote file was written, as its driver calls it; 0 where it does not say."""
    found = next((about[key] for key in ("LastModified", "mtime", "created") if key in about), None)
    seconds = found.timestamp() if isinstance(found, datetime) else found
    return int(seconds * 1e9) if isinstance(seconds, int | float) else 0


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
    """A file at a URL. Each call of `read_into` is one request: who reads much at once waits once."""

    descriptor = None

    def __init__(self, path: str) -> None:
        self._url = path
        self._system, self._known = file_system(path)
        self.size_bytes = int(patiently(path, lambda: self._system.info(self._known))["size"])

    def read_into(self, target: NDArray[np.uint8], offset: int) -> int:
        if offset >= self.size_bytes or not target.size:  # for which there is no range to ask for
            return 0
        end = min(offset + target.size, self.size_bytes)
        content = patiently(self._url, lambda: self._system.cat_file(self._known, start=offset, end=end))
        data = np.frombuffer(content, np.uint8)
        target[: data.size] = data
        return data.size

    def __enter__(self) -> _Remote:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open between two requests."""


def _told(error: OSError) -> str:
    return f"{type(error).__name__} ({error})"
