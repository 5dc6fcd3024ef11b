"""Calls that workers of Ray answer, on this machine or on a cluster; Ray itself lives in a child (docs/adr/0024)."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.messages import CallAnswer, CallBatch, CallFailed, MapJob, Refused, Share, Up
from gapsack.sweep.cluster.process import RayProcess, ray_process
from gapsack.sweep.errors import ClusterError
from gapsack.sweep.grid.schema import Resources

Work = Callable[[Any, Any], Any]
"""A function of a module that workers can import, of the shared object and a piece of the work."""


class RayMap:
    """Workers that answer calls.

    Attributes:
        cpus: Of all workers together.
    """

    def __init__(self, process: RayProcess, cpus: int) -> None:
        self._process = process
        self.cpus = cpus
        self._shared: tuple[object, str] | None = None
        self._batches = 0

    def __call__(self, work: Work, shared: object, pieces: Sequence[Any]) -> Iterator[Any]:
        """What `work(shared, piece)` returns for each piece, in their order; who stops iterating stops the rest.

        The shared object travels once, as long as it is the same one from call to call.

        Raises:
            InputError: A call raised one.
            ClusterError: A call raised anything else, or Ray died.
        """
        if self._shared is None or self._shared[0] is not shared:
            self._shared = shared, uuid.uuid4().hex
            self._process.send(Share(self._shared[1], cloudpickle.dumps(shared)))
        self._batches += 1
        number = self._batches
        self._process.send(CallBatch(number, f"{work.__module__}:{work.__qualname__}", self._shared[1], pieces))
        left = len(pieces)
        while left:
            message = received(self._process)
            if isinstance(message, CallAnswer) and message.batch == number:
                yield message.value
                left -= 1
            elif isinstance(message, CallFailed) and message.batch == number:
                raise (InputError if message.is_input else ClusterError)(message.reason)


@contextmanager
def ray_map(address: str | None, resources: Resources, at_once: int | None = None) -> Iterator[RayMap]:
    """Workers of a Ray cluster, or of Ray on this machine without an address; nothing of them outlives the block.

    Args:
        address: Of the cluster.
        resources: Of a worker.
        at_once: Calls that run at once, whatever CPUs there are; None asks for a worker's CPUs each.

    Raises:
        InputError: Nothing answers at the address, or a worker needs more than there is.
        ClusterError: Ray died before it was there.
    """
    descriptor, name = tempfile.mkstemp(prefix="gapsack-", suffix="-ray.log")
    os.close(descriptor)
    with ray_process(
        RayProcess, lambda session: MapJob(session, address, resources, at_once), address, Path(name)
    ) as process:
        first = received(process)
        if isinstance(first, Refused):
            raise InputError(first.reason)
        assert isinstance(first, Up)
        yield RayMap(process, first.cpus)


def received(process: RayProcess) -> object:
    """The next message, however long it takes.

    Raises:
        ClusterError: There will be none.
    """
    while (message := process.receive()) is None:
        if process.died:
            raise ClusterError(
                f"expected the process of Ray to live until all is done, but it {process.ending()}; "
                f"{process.last_words()}"
            )
    return message
