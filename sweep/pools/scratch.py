"""A folder for what is not ready yet, which goes with its process: at the block's end, or at the next one's beginning.

It is locked while it is in use. The system drops the lock of a process that dies, however it dies, so that the next
one for the same name knows what nobody uses any more.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_NAME_BYTES = 200
"""What the folder's own name takes of the name at most."""


@contextmanager
def scratch_folder(place: Path, name: str) -> Iterator[Path]:
    """A new hidden folder below `place` for work on `name`, for the time of the block; nobody else may look into it.

    Raises:
        OSError: it cannot be made.
    """
    folder, descriptor = _new(place, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(place: Path, name: str) -> None:
    """Remove the scratch folders for `name` below `place` that no living process holds.

    Where the file system has no locks, or others' files may not be touched, they stay.
    """
    pattern = re.compile(rf"\.{re.escape(_short(name))}\.[0-9a-f]{{8}}\.scratch")
    try:
        found = [path for path in place.iterdir() if pattern.fullmatch(path.name) and path.is_dir()]
    except OSError:  # there is no such place, or one may not list it
        return
    for path in found:
        with suppress(OSError):  # locked, or gone meanwhile
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)


def _new(place: Path, name: str) -> tuple[Path, int]:
    """A new folder, and the descriptor whose lock says that somebody uses it."""
    while True:
        folder = place / f".{_short(name)}.{secrets.token_hex(4)}.scratch"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # taken for abandoned before it was locked
            continue
        with suppress(OSError):  # a file system without locks, where nothing is taken for abandoned either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():
            return folder, descriptor
        os.close(descriptor)


def _short(name: str) -> str:
    return os.fsencode(name)[:LONGEST_NAME_BYTES].decode("utf-8", "ignore")
