"""A command killed before its n-th sync to the disk, for every n that there is: python killing.py WORDS …

Prints a line a kill: what the command's folder holds then that is hidden, and how the same command, repeated, ends.
The folder, the working directory, is put in order before each.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from importlib import import_module
from pathlib import Path

from gapsack.sweep.cli.runs import app

# Once, before the first child: what commands import when they run.
MODULES = """
sweep.pools.join sweep.pools.predictions sweep.pools.tables sweep.cli.show.pools
sweep.data.videos sweep.teaching.teach sweep.teaching.teachers sweep.cluster.ray sweep.grid.read
"""
for module in MODULES.split():
    import_module(f"gapsack.{module}")


def give(words, killed_at=None):
    """Give the command in a process of its own, killed before that sync; its exit code, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    real, calls = os.fsync, iter(range(10_000))

    def fsync(file):
        if next(calls) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        real(file)

    os.fsync = fsync
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        app(words)
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(99)


def main():
    words, place = sys.argv[1:], Path.cwd()
    before = place.with_name(place.name + ".before")
    shutil.copytree(place, before)
    for number in range(10_000):
        if give(words, killed_at=number) != -signal.SIGKILL:
            return
        killed = [str(path.relative_to(place)) for path in place.rglob(".*")]
        again = give(words)
        hidden = [str(path.relative_to(place)) for path in place.rglob(".*")]
        files = {
            str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in place.rglob("*")
        }
        line = json.dumps({"killed": killed, "again": again, "hidden": hidden, "files": files})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # or the next child would write it too
        for path in place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(before, place, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
