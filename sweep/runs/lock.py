"""Who holds a run: a lock on a file, which the operating system lets go of when its holder dies.

Some file systems that many machines share know no such locks. There a file is created if absent and renewed by its
holder (`sweep.storage.lease`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.lease import is_leased, leased
from gapsack.sweep.storage.mirrored import is_mirrored, store_at

_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""What file systems answer that have no locks: NFS without its lock service, Lustre without `flock`, some of FUSE."""


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; InputError when what is there is no file."""
    if is_leased(store_at(path.parent), _lease_name(path)):
        return True
    if is_mirrored(path) or not path.exists():
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _LOCKLESS:
            return False
        raise InputError(
            f"expected the file that a driver locks at {path}, got {error.strerror}: move away what is there"
        ) from error
    return False


@contextmanager
def locked(path: Path, notice: Callable[[str], None] = lambda _sentence: None) -> Iterator[None]:
    """Hold the lock alone.

    Where another takes it meanwhile, which only one without the system's locks can be, this process gets SIGTERM.

    Args:
        path: Of the file that is locked; made where it is missing.
        notice: Is told, in a sentence, where the file system has no locks.

    Raises:
        InputError: another process holds it; names the folder that it lies in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_mirrored(path):  # what drivers on all machines see is the lease alone
        with leased(store_at(path.parent), _lease_name(path), _end):
            yield
        return
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
        except OSError as error:
            if error.errno not in _LOCKLESS:
                raise
            notice(
                f"The file system of {path.parent} has no locks ({error.strerror}): the run is held by the file "
                f"{_lease_name(path)}, which its driver renews; after a driver was killed, the next waits a minute."
            )
        else:
            yield
            return
    with leased(store_at(path.parent), _lease_name(path), _end):
        yield


def _lease_name(path: Path) -> str:
    return f"{path.name}.lease"


def _end() -> None:
    """End this process in order: another one has its run."""
    os.kill(os.getpid(), signal.SIGTERM)
