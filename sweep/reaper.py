"""Ends what a sweep's driver leaves behind, however it died. Started by `sweep.ray_session`; standard library only.

Ray's own processes watch their parent, but after the driver is killed some of them stay for more than a minute, and
a worker that is busy in native code may stay for good, with its GPU memory. This script runs beside the driver and
holds the reading end of a pipe to it. When the driver closes the pipe, or dies and the kernel closes it, the script
kills every process that carries the driver's mark in its environment, and deletes Ray's temporary folder.

Processes are found by `/proc`, thus on Linux only; elsewhere just the folder is deleted.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

MARK = "GAPSACK_RAY_SESSION"
"""The environment variable that all processes of a session inherit; its value is the session's own."""

PATIENCE_SECONDS = 10.0


def marked_processes(mark: str, proc: Path = Path("/proc")) -> list[int]:
    """Process ids that carry `mark` in their environment, this process left out."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
        if wanted in environment and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def kill_marked(mark: str) -> None:
    """Kill marked processes until none is left: a dying parent may just have started another child."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (processes := marked_processes(mark)) and time.monotonic() < deadline:
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def main(mark: str, folder: str) -> None:
    """Wait for the driver's end, then clear up after it."""
    sys.stdin.buffer.read()
    kill_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
