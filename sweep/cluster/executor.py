"""Evaluating a search's subsets on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gapsack.selection.blend.evaluate import Evaluator, Scored, Task
from gapsack.selection.blend.runner import Executor
from gapsack.sweep.grid.schema import Resources

TASKS_A_CALL = 16
"""Evaluations take milliseconds to seconds; fewer a call would be spent on Ray's own work."""


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
        def evaluate(evaluator: Evaluator, tasks: Sequence[Task]) -> list[Scored]:
            return [evaluator(task) for task in tasks]

        shipped: dict[int, tuple[Evaluator, object]] = {}

        def run(evaluator: Evaluator, tasks: Sequence[Task]) -> Iterator[Scored]:
            # The evaluator holds the videos' arrays; it is the same object from call to call, and travels once.
            kept = shipped.get(id(evaluator))
            if kept is None or kept[0] is not evaluator:
                kept = shipped[id(evaluator)] = (evaluator, ray.put(evaluator))
            chunks = [tasks[start : start + TASKS_A_CALL] for start in range(0, len(tasks), TASKS_A_CALL)]
            for results in [evaluate.remote(kept[1], chunk) for chunk in chunks]:
                yield from ray.get(results)

        yield run


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
