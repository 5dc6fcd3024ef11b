"""A Ray cluster on this machine whose nodes come and die on request: python -m benchmarks.ray_nodes.

Its nodes are real processes of Ray, in this process's care, so that Ray itself stays out of whoever asks (`RayNodes`).
The head trains nothing. It says its address first, and answers each line on its standard input: "add" starts a node
with one CPU, "kill 0" kills the oldest, with SIGKILL. At the end of its input it ends all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LEAN = {"object_store_memory": 80 * 2**20, "include_log_monitor": False}
"""What every node has: small, and without a process that shows workers' logs."""

HEAD = {"num_cpus": 0, "include_dashboard": False, "no_monitor": True, "_system_config": {"worker_niceness": 0}}
"""Trains nothing. Ray has workers wait for all other programs, for ever where those are many."""

TRIES = 5


class RayNodes:
    """Such a cluster, in a process of its own.

    Attributes:
        address: Of its head.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._answer()

    def add(self) -> None:
        """Start a node, and wait for it."""
        self._ask("add")

    def kill(self, place: int = 0) -> None:
        """Kill a node: the oldest, or another in the order of their age."""
        self._ask(f"kill {place}")

    def _ask(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("expected an answer of the cluster, got its end")
        return answer


@contextmanager
def ray_nodes(log: Path) -> Iterator[RayNodes]:
    """A cluster of a head alone, for the time of the block; what it and Ray print goes to `log`."""
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ray_nodes"],
            cwd=Path(__file__).parents[1],
            # Each node would count the whole machine's memory as its own, and end workers for that of others.
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        yield RayNodes(process)


def _started(cluster: Any, **settings: Any) -> Any:
    """A node that has come up; Ray gives each 30 seconds, which can be too few where all processors are busy."""
    for _ in range(TRIES - 1):
        try:
            return cluster.add_node(**LEAN, **settings)
        except Exception as error:  # a bare one is what Ray raises
            print(f"again: {error}", file=sys.stderr, flush=True)
    return cluster.add_node(**LEAN, **settings)


def main() -> None:
    """Answer until the input ends."""
    from ray.cluster_utils import Cluster

    answers, sys.stdout = sys.stdout, sys.stderr  # Ray prints too
    folder = tempfile.mkdtemp(dir="/tmp", prefix="ray-")  # sockets need short paths
    cluster: Any = Cluster()
    nodes = []
    try:
        _started(cluster, temp_dir=folder, **HEAD)
        print(cluster.address, file=answers, flush=True)
        for line in sys.stdin:
            command = line.split()
            if command[0] == "add":
                nodes.append(_started(cluster, num_cpus=1))
            else:
                cluster.remove_node(nodes.pop(int(command[1])), allow_graceful=False)
            print("done", file=answers, flush=True)
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
