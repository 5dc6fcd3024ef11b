"""What a child does that has Ray's workers answer calls (`sweep.cluster.ray_map` starts it).

Importing this module imports Ray.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.messages import CallAnswer, CallBatch, CallFailed, MapJob, Share, Up
from gapsack.sweep.cluster.ray import end_without_node, ray_session
from gapsack.sweep.cluster.signals import disregard_signals

LOOK_SECONDS = 0.5
"""How often the child looks up from waiting for a worker: for its driver, and for a node that has died."""

_here: dict[str, Any] = {}
"""In a worker, the object that calls share; it may keep what it finds out from call to call."""


def answer_calls(job: MapJob, connection: Connection) -> None:
    """Start Ray, and answer batches until the driver closes the connection.

    Raises:
        InputError: a worker needs more than there is, or no cluster answers.
    """
    cpus = 0.0 if job.at_once else float(job.resources.cpus)
    gpus = 0.0 if job.resources.gpus == "auto" else float(job.resources.gpus)
    with ray_session(job.session, job.resources, {"CPU": cpus, "GPU": gpus}, address=job.address):
        disregard_signals()  # Ray has put a handler of its own in place
        connection.send(Up(int(ray.cluster_resources().get("CPU", 1))))
        call = ray.remote(num_cpus=cpus, num_gpus=gpus)(called)
        shared: dict[str, Any] = {}
        try:
            while True:
                message = connection.recv()
                if isinstance(message, Share):
                    shared = {message.name: ray.put(pickle.loads(message.pickled))}
                else:
                    _Batch(message, call, shared, connection).answer(job.at_once, watch_node=job.address is None)
        except (EOFError, ConnectionError):
            return


def called(function: str, name: str, kept: list[Any], piece: Any) -> Any:
    """Make a call, in a worker.

    Args:
        function: As `module:function`.
        name: Of the shared object.
        kept: Its reference, in a list so that Ray does not fetch it for each call.
        piece: Of the work.
    """
    if name not in _here:
        _here.clear()  # one piece of work at a time
        _here[name] = ray.get(kept[0])
    module, attribute = function.split(":")
    return getattr(import_module(module), attribute)(_here[name], piece)


class _Batch:
    """A batch that is being answered."""

    def __init__(self, batch: CallBatch, call: Any, shared: dict[str, Any], connection: Connection) -> None:
        self._batch, self._call, self._shared, self._connection = batch, call, shared, connection
        self._waiting: list[Any] = []
        self._begun = 0

    def answer(self, at_once: int | None, *, watch_node: bool) -> None:
        """Send the answers in order, as long as nothing else is wanted."""
        self._begin(at_once)
        while self._waiting:
            ready, _ = ray.wait(self._waiting[:1], timeout=LOOK_SECONDS)
            self._begin(at_once)
            if self._connection.poll():  # another batch, or the driver is gone
                break
            if not ready:
                if watch_node:
                    end_without_node()
                continue
            try:
                self._connection.send(CallAnswer(self._batch.number, ray.get(self._waiting[0])))
            except RayError as error:
                self._connection.send(_failure(self._batch.number, error))
                break
            del self._waiting[0]
            self._begin(at_once)
        for reference in self._waiting:
            ray.cancel(reference)

    def _begin(self, at_once: int | None) -> None:
        """Begin as many calls as may run."""
        pieces, name = self._batch.pieces, self._batch.shared
        running = 0
        if at_once is not None and self._waiting:
            _, unready = ray.wait(self._waiting, num_returns=len(self._waiting), timeout=0)
            running = len(unready)
        while self._begun < len(pieces) and (at_once is None or running < at_once):
            kept = [self._shared[name]]
            self._waiting.append(self._call.remote(self._batch.function, name, kept, pieces[self._begun]))
            self._begun += 1
            running += 1


def _failure(batch: int, error: Exception) -> CallFailed:
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, InputError):
        return CallFailed(batch, str(cause), is_input=True)
    text = " ".join(str(cause).split())[:500]
    return CallFailed(batch, f"expected a worker to do its part, got {type(cause).__name__}: {text}", is_input=False)
