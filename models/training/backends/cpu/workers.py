"""Tasks of one computation spread over the cores; who takes which task never changes what it computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import count
from threading import Lock
from typing import TypeVar

import numpy as np
from numba import config
from numpy.typing import NDArray

from gapsack.selection.memory import on_a_line

Piece = TypeVar("Piece")

_turns = Lock()


def run(work: Callable[[Piece, NDArray[np.float32]], None], tasks: Sequence[Piece], scratch_size: int = 0) -> None:
    """Call `work(task, scratch)` for every task, in as many threads as numba may use (NUMBA_NUM_THREADS).

    `work` should leave Python's lock alone most of the time. `scratch`: float32 [scratch_size] of the thread's own,
    beginning on a line of the cache, its content arbitrary. The calling thread works too. Computations of several
    callers take turns, since each has use for every core; a `work` that calls `run` would wait for itself.
    """
    numbers = count()  # its `next` is one step of the interpreter, so no two threads get the same number

    def take() -> None:
        scratch = aligned(scratch_size)
        while (number := next(numbers)) < len(tasks):
            work(tasks[number], scratch)

    with _turns:
        helpers: list[Future[None]] = [_pool().submit(take) for _ in range(min(threads(), len(tasks)) - 1)]
        try:
            take()
        finally:
            for helper in helpers:
                helper.result()


def threads() -> int:
    """How many threads compute."""
    found: int = config.NUMBA_NUM_THREADS
    return found


def aligned(*shape: int) -> NDArray[np.float32]:
    """Uninitialised float32 that begins on a line of the cache; TensorFlow takes such a result as it lies."""
    return on_a_line(4 * math.prod(shape)).view(np.float32).reshape(shape)


def shards(size: int, step: int) -> list[tuple[int, int]]:
    """(start, stop) of shards of at most `step` that cover `size`."""
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def evenly(size: int, most: int, multiple: int = 1) -> list[tuple[int, int]]:
    """(start, stop) of as few shards of at most `most` as will do, of nearly one size, multiples, larger first."""
    units = -(-size // multiple)
    count = -(-units // max(1, most // multiple))
    ends = [min(size, multiple * -(-units * (index + 1) // count)) for index in range(count)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def thread_shards(size: int, multiple: int = 1) -> list[tuple[int, int]]:
    """(start, stop) of a few shards for each thread, so that all end together; their sizes are multiples."""
    step = -(-size // (4 * threads() * multiple)) * multiple
    return shards(size, step)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="products")
