"""Evaluating a search's subsets on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gapsack.selection.blend.evaluate import BlendTask, Evaluator, Scored
from gapsack.selection.blend.runner import Executor
from gapsack.sweep.grid.schema import Resources

TASKS_A_CALL = 16
"""The most. Pieces take milliseconds; many small ones together spare Ray's own work."""

CALLS_A_CPU = 4
"""Calls that each CPU gets of a batch that has enough pieces: so that none waits long for another's last call."""


@contextmanager
def ray_executor(address: str | None) -> Iterator[Executor | None]:
    """What maps a search's evaluator over tasks on the cluster at `address`; None, for threads here, without one.

    Raises:
        InputError: nothing answers at `address`.
        ClusterError: Ray died.
    """
    if address is None:
        yield None
        return
    from gapsack.sweep.cluster.ray_map import ray_map

    with ray_map(address, Resources()) as mapped:

        def run(evaluator: Evaluator, tasks: Sequence[BlendTask]) -> Iterator[Scored]:
            # The evaluator holds the videos' arrays; it is the same object from call to call, and travels once.
            size = tasks_a_call(len(tasks), mapped.cpus)
            chunks = [tasks[start : start + size] for start in range(0, len(tasks), size)]
            for results in mapped(answered, evaluator, chunks):
                yield from results

        yield run


def tasks_a_call(tasks: int, cpus: int) -> int:
    """How many tasks of a batch go to a worker at a time."""
    return min(max(tasks // (CALLS_A_CPU * max(cpus, 1)), 1), TASKS_A_CALL)


def answered(evaluator: Evaluator, tasks: Sequence[BlendTask]) -> list[Scored]:
    """Evaluate tasks, in a worker process."""
    return [evaluator(task) for task in tasks]
