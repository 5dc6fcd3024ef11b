"""What one use of Ray has on this machine: a mark on its processes, temporary folders, and who clears up both."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gapsack.sweep.cluster import reaper

LONGEST_TEMPORARY_PATH = 40
"""Ray puts Unix sockets about 65 characters below its folder, and their paths end at 107."""


@dataclass(frozen=True)
class Session:
    """The names of a session.

    Attributes:
        mark: Value of the environment variable `reaper.MARK` in each of its processes.
        folder: Ray's own files and sockets.
        temporary: What its processes write as temporary files; where the user's own lie, which may be a larger disk.
    """

    mark: str
    folder: Path
    temporary: Path


@contextmanager
def reaped_session() -> Iterator[Session]:
    """A new session; at the end, this process's sudden death included, `sweep.cluster.reaper` leaves nothing of it."""
    parent = tempfile.gettempdir()
    short = len(parent) <= LONGEST_TEMPORARY_PATH
    folder = Path(tempfile.mkdtemp(prefix="gapsack-", dir=parent if short else "/tmp"))
    temporary = folder / "tmp" if short else Path(tempfile.mkdtemp(prefix="gapsack-", dir=parent))
    temporary.mkdir(exist_ok=True)
    mark = uuid.uuid4().hex
    # -I: nothing on the script's path but the standard library. A session of its own: Ctrl-C must not reach it.
    command = [sys.executable, "-I", reaper.__file__, mark, str(folder), str(temporary)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield Session(mark, folder, temporary)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
