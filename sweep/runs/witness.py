"""That a worker sees the run's folder: it reads there what the sweep's driver has written.

A node without the storage folder would make one of that name on its own disk, train to the end, and fail.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_text
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import send, store_at
from gapsack.sweep.storage.objects import StorageAwayError

WITNESS_FILE = "witness"
"""A file of the run folder; what is in it is another one for each start of a driver."""

PATIENCE_SECONDS = 10.0
"""Network file systems show a new file to other machines some seconds later."""
_LOOK_SECONDS = 0.5


def leave_witness(run_folder: Path) -> str:
    """Write the file anew; what is in it."""
    token = secrets.token_hex(16)
    replace_text(run_folder / WITNESS_FILE, token)
    send(run_folder)
    return token


def refuse_another_folder(run_folder: Path, token: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Raise InputError, with the node and the path, where the run's folder here is not the one of its driver."""
    until = time.monotonic() + patience_seconds
    while (got := _read(run_folder)) != token:
        if time.monotonic() >= until:
            found = "that of another start" if got is not None else "none there"
            raise InputError(
                f"expected on the node {os.uname().nodename} the run's folder {address_of(run_folder)} as its driver "
                f"sees it (the file {WITNESS_FILE} that this driver wrote), got {found}: storage must be a folder "
                "that all nodes see, or a bucket"
            )
        time.sleep(_LOOK_SECONDS)


def _read(run_folder: Path) -> str | None:
    try:
        content = store_at(run_folder).read(WITNESS_FILE)
    except StorageAwayError:  # which says nothing of what is there
        raise
    except OSError:
        return None
    return None if content is None else content.decode("utf-8", "replace")
