"""Who holds a run: a lock on a file, which the operating system lets go of when its holder dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapsack.selection.errors import InputError


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; InputError when what is there is no file."""
    if not path.exists():
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise InputError(
            f"expected the file that a driver locks at {path}, got {error.strerror}: move away what is there"
        ) from error
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock alone.

    Raises:
        InputError: another process holds it; names the folder that it lies in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise InputError(f"expected the file that a driver locks at {path}, got a folder: move it away")
    # Opened without truncating: the file never changes, only its lock does. Children must not inherit the descriptor,
    # or a worker that outlives the driver would keep the run held (Python sets close-on-exec).
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"expected a run that nobody drives, but another process is running {path.parent}"
            ) from error
        yield
