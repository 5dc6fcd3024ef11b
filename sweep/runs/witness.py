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

WITNESS_FILE = "witness"
"""A file of the run folder; what is in it is another one for each start of a driver."""

PATIENCE_SECONDS = 10.0
"""Network file systems show a new file to other machines some seconds later."""
_LOOK_SECONDS = 0.5


def leave_witness(run_folder: Path) -> str:
    """Write the file anew; what is in it."""
    token = secrets.token_hex(16)
    replace_text(run_folder / WITNESS_FILE, token)
    return token


def refuse_another_folder(run_folder: Path, token: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Raise InputError, with the node and the path, where the run's folder here is not the one of its driver."""
    path = run_folder / WITNESS_FILE
    until = time.monotonic() + patience_seconds
    while (got := _read(path)) != token:
        if time.monotonic() >= until:
            found = "that of another start" if got is not None else "none there"
            raise InputError(
                f"expected on the node {os.uname().nodename} the run's folder {run_folder} as its driver sees it (the "
                f"file {WITNESS_FILE} that this driver wrote), got {found}: storage must be a folder that all nodes see"
            )
        time.sleep(_LOOK_SECONDS)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
