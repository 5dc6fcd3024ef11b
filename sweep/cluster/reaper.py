"""Ends what a sweep's driver leaves behind, however it died. Started by `sweep.cluster.session`; standard library only.

Ray's own processes watch their parent, but after the driver is killed some of them stay for more than a minute, and
a worker that is busy in native code may stay for good, with its GPU memory. This script runs beside the driver and
holds the reading end of a pipe to it. When the driver closes the pipe, or dies and the kernel closes it, the script
kills every process that carries the driver's mark in its environment, and deletes the session's temporary folders. A
process to which Ray gave a title may have lost the mark, since the title is written over where the environment was; it
is known by its files in Ray's folder.

Processes are found by `/proc`, thus on Linux only; elsewhere just the folders are deleted.
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

RAYS_TITLE = b"ray::"
PATIENCE_SECONDS = 10.0


def marked_processes(mark: str, session_folder: str, proc: Path = Path("/proc")) -> list[int]:
    """Process ids that carry `mark` in their environment, or Ray's title and open files of the session's folder.

    This process is left out.
    """
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            mine = _carries(folder, mark) or _is_rays(folder, session_folder)
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
        if mine and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def _carries(process: Path, mark: str) -> bool:
    return f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0")


def _is_rays(process: Path, session_folder: str) -> bool:
    if not (process / "cmdline").read_bytes().startswith(RAYS_TITLE):
        return False
    for file in (process / "fd").iterdir():
        try:
            if Path(session_folder) in file.readlink().parents:
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def kill_marked(mark: str, session_folder: str) -> None:
    """Kill marked processes until none is left: a dying parent may just have started another child."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (processes := marked_processes(mark, session_folder)) and time.monotonic() < deadline:
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def main(mark: str, folder: str, *others: str) -> None:
    """Wait for the driver's end, then clear up after it: processes, Ray's folder and others of the session."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # sent to all processes of a job, and meant for it
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill_marked(mark, folder)
    for path in (folder, *others):
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
