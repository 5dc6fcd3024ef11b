"""Evaluating a search's subsets on a Ray cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gapsack.selection.blend.evaluate import BlendTask, Evaluator, Scored
from gapsack.selection.blend.runner import Executor
from gapsack.sweep.grid.schema import Resources

TASKS_A_CALL = 16
"""The most. Pieces take milliseconds; many small ones together spare Ray's own work."""

CALLS_A_CPU = 4
"""Calls that each CPU gets of a batch that has enough pieces: so that none waits long for another's last call."""

_here: dict[str, Evaluator] = {}
"""The evaluator of a worker process: it keeps what the requests of one blend share from call to call."""


@contextmanager
def ray_executor(address: str | None) -> Iterator[Executor | None]:
    """What maps a search's evaluator over tasks on the cluster at `address`; None, for threads here, without one.

    Raises:
        InputError: nothing answers at `address`.
    """
    if address is None:
        yield None
        return
    from gapsack.sweep.cluster.ray import ray_session
    from gapsack.sweep.cluster.session import reaped_session, session_variables

    with (
        reaped_session() as session,
        _environment(session_variables(session, address)),
        ray_session(session, Resources(), {"CPU": 1.0}, address=address),
    ):
        import ray

        @ray.remote
        def evaluate(name: str, kept: list[Any], tasks: Sequence[BlendTask]) -> list[Scored]:
            from gapsack.sweep.cluster.executor import answered

            return answered(name, kept, tasks)

        shipped: dict[int, tuple[Evaluator, str, object]] = {}

        def run(evaluator: Evaluator, tasks: Sequence[BlendTask]) -> Iterator[Scored]:
            # The evaluator holds the videos' arrays; it is the same object from call to call, and travels once.
            kept = shipped.get(id(evaluator))
            if kept is None or kept[0] is not evaluator:
                kept = shipped[id(evaluator)] = (evaluator, uuid.uuid4().hex, ray.put(evaluator))
            size = tasks_a_call(len(tasks), int(ray.cluster_resources().get("CPU", 1)))
            chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
            for results in [evaluate.remote(kept[1], [kept[2]], chunk) for chunk in chunks]:
                yield from ray.get(results)

        yield run


def tasks_a_call(tasks: int, cpus: int) -> int:
    """How many tasks of a batch go to a worker at a time."""
    return min(max(tasks // (CALLS_A_CPU * max(cpus, 1)), 1), TASKS_A_CALL)


def answered(name: str, kept: list[Any], tasks: Sequence[BlendTask]) -> list[Scored]:
    """Evaluate tasks in a worker process.

    Args:
        name: of the evaluator.
        kept: its reference, in a list so that Ray does not fetch it for each call.
        tasks: what to evaluate.
    """
    if name not in _here:
        import ray

        _here.clear()  # one search at a time
        _here[name] = ray.get(kept[0])
    return [_here[name](task) for task in tasks]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
