"""Whole objects below a URL, by fsspec: an object store as a `Store`, and as what folders are compared with.

What is wrong for good (no bucket, no credentials, no rights) is told at once. What may pass, such as a server that is
busy or a connection that is lost, is tried again, beyond what the driver of the storage does by itself.
"""

from __future__ import annotations

import errno
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from gapsack.selection.errors import InputError
from gapsack.selection.files import whole_file
from gapsack.sweep.storage.remote import file_system, os_errors

PATIENCE_SECONDS = 120.0
"""How long a request is tried again that a server or the network did not let through, where nothing else is set."""
PATIENCE_VARIABLE = "GAPSACK_STORAGE_PATIENCE"
"""The environment variable that says how many seconds it is in place of these."""
_LONGEST_PAUSE_SECONDS = 15.0

_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "DefaultCredentialsError",
)
"""Of botocore and google-auth, by name: neither need be installed."""
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_FINAL_NUMBERS = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EREMCHG, errno.ENOSPC, errno.EDQUOT)
"""What storage says of a request that is wrong, or sent to the wrong place, and a system of a disk that is full."""
_WRONG_REQUEST = ("ParamValidationError", "ValueError", "TypeError", "NotImplementedError")
_PASSING_STATUS = (408, 429)
"""Of HTTP: too slow, and too often; others from 400 to 499 are the asker's."""
_TAGS = ("ETag", "etag", "generation", "md5Hash", "created", "LastModified", "mtime")
"""By what drivers tell one content of an object from another."""

_Answer = TypeVar("_Answer")


class StorageAwayError(OSError):
    """What lies at a URL could not be reached for as long as there was patience: it may be there again later.

    Its arguments are those of an OSError: a number, what was met, and the URL.
    """

    def __str__(self) -> str:
        """As a sentence."""
        return f"expected {self.filename} to answer, got {self.strerror}"


def patience_seconds() -> float:
    """How long storage is waited for, by the environment.

    Raises:
        InputError: what is set there is no time.
    """
    given = os.environ.get(PATIENCE_VARIABLE)
    try:
        seconds = PATIENCE_SECONDS if given is None else float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise InputError(f"expected in ${PATIENCE_VARIABLE} seconds, 0 or more, got {given!r}")
    return seconds


@dataclass(frozen=True)
class ObjectStat:
    """An object as it is listed: something that another content would not have, and its size."""

    tag: str
    size_bytes: int


class ObjectStore:
    """Objects below a URL, as a `Store`: names have slashes in them, and each object is there whole or not at all.

    Args:
        url: What all names are below, such as s3://bucket/runs/mine.
        patience: For how many seconds a request is tried again; `patience_seconds` if omitted.

    Raises:
        InputError: what opens such URLs is not installed.
    """

    def __init__(self, url: str, patience: float | None = None) -> None:
        self._url = url.rstrip("/")
        self._fs, path = file_system(self._url)
        self._root = path.rstrip("/")
        self._patience = patience_seconds() if patience is None else patience

    @property
    def address(self) -> str:
        """The URL."""
        return self._url

    def read(self, name: str) -> bytes | None:
        """What an object holds; None where there is none."""
        try:
            return bytes(self._ask(name, lambda: self._fs.cat_file(self._path(name))))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write an object; one that is there is replaced."""
        self._put(name, lambda: self._fs.pipe_file(self._path(name), content))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one; whether it was written. Of many who try at once, one does.

        The server decides: S3 by `If-None-Match: *`, Google's storage by the generation 0. A request that was tried
        again may find what its own first try has written, so that contents should not be alike.
        """
        try:
            self._put(name, lambda: self._fs.pipe_file(self._path(name), content, mode="create"))
        except OSError as error:
            if not _is_taken(error):
                raise
            return self.read(name) == content
        return True

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        try:
            self._ask(name, lambda: self._fs.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def names(self) -> list[str]:
        """Names of the objects that lie directly below the URL."""
        return sorted(name for name in self.listed(depth=1) if "/" not in name)

    def listed(self, name: str = "", depth: int | None = None) -> dict[str, ObjectStat]:
        """All objects whose names begin with `name/`, and that of this name itself; with what is known of each."""
        path = self._path(name)
        found = self._ask(name, lambda: self._fs.find(path, maxdepth=depth, detail=True))
        return {
            full[len(self._root) + 1 :]: _stat(info)
            for full, info in found.items()
            if full.startswith(f"{self._root}/") and not full.endswith("/") and info.get("type", "file") == "file"
        }

    def stat(self, name: str) -> ObjectStat | None:
        """What is known of an object; None where there is none."""
        try:
            info = self._ask(name, lambda: self._fs.info(self._path(name)))
        except FileNotFoundError:
            return None
        return _stat(info) if info.get("type", "file") == "file" else None

    def fetch(self, name: str, path: Path) -> None:
        """Write an object to a file, which appears whole; FileNotFoundError where there is no such object."""
        with whole_file(path) as file:
            self._ask(name, lambda: self._fs.get_file(self._path(name), file.name))

    def send(self, name: str, path: Path) -> None:
        """Write a file to an object, which appears whole."""
        self._put(name, lambda: self._fs.put_file(str(path), self._path(name)))

    def _put(self, name: str, call: Callable[[], Any]) -> None:
        try:
            self._ask(name, call)
        except FileNotFoundError as error:
            raise InputError(f"expected a bucket that is there for {self._url}, got none: {error.strerror}") from error

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _ask(self, name: str, call: Callable[[], _Answer]) -> _Answer:
        url = f"{self._url}/{name}" if name else self._url
        return patiently(url, call, patience=self._patience, errors=_told)


def patiently(
    url: str,
    call: Callable[[], _Answer],
    *,
    patience: float | None = None,
    errors: Callable[[str], AbstractContextManager[None]] = os_errors,
) -> _Answer:
    """The answer to a request, which is made again as long as what goes wrong may pass.

    Args:
        url: What is asked for.
        call: Asks.
        patience: For how many seconds; `patience_seconds` if omitted.
        errors: Makes of what a driver raises an OSError, or what else is to leave at once.

    Raises:
        StorageAwayError: it did not pass.
    """
    most = patience_seconds() if patience is None else patience
    began, pause = time.monotonic(), 0.5
    while True:
        try:
            with errors(url):
                return call()
        except _FINAL:
            raise
        except OSError as error:
            if _is_final(error):
                raise
            waited = time.monotonic() - began
            if waited + pause > most:
                met = f"none for {waited:.0f} seconds: {error.strerror or error}"
                raise StorageAwayError(error.errno or errno.EIO, met, url) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What a driver raises, as an OSError; as an InputError where a person has to do something."""
    try:
        with os_errors(url):
            yield
    except PermissionError as refused:
        raise InputError(f"expected rights to {url}, got: {refused}") from refused
    except OSError as error:
        if any(type(each).__name__ in _NO_CREDENTIALS for each in (error, error.__cause__)):
            raise InputError(
                f"expected credentials for {url} (such as AWS_ACCESS_KEY_ID, AWS_PROFILE or "
                f"GOOGLE_APPLICATION_CREDENTIALS), got none: {error.__cause__}"
            ) from error
        if error.filename is None:
            raise type(error)(error.errno or errno.EIO, error.strerror or str(error), url) from error
        raise


def _is_taken(error: OSError) -> bool:
    """Whether a request to create says that another one has done so, or does so at this moment."""
    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
    return isinstance(error, FileExistsError) or code in ("PreconditionFailed", "ConditionalRequestConflict", "412")


def _is_final(error: OSError) -> bool:
    """Whether the same request would only fail again."""
    cause = error.__cause__
    status = getattr(cause, "status", None)  # of HTTP
    wrong = isinstance(status, int) and 400 <= status < 500 and status not in _PASSING_STATUS
    wrong = wrong or type(cause).__name__ in (*_WRONG_REQUEST, *_NO_CREDENTIALS)
    return wrong or error.errno in _FINAL_NUMBERS or _is_taken(error)


def _stat(info: dict[str, Any]) -> ObjectStat:
    tag = next((info[key] for key in _TAGS if info.get(key) is not None), "")
    # Some drivers list a time as a number, and tell it of one object as a date.
    told = str(tag.timestamp()) if isinstance(tag, datetime) else str(tag)
    return ObjectStat(told, int(info.get("size") or 0))
