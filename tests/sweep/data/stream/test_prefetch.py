from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gapsack.sweep.data.stream.prefetch import Prefetch


def batch_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batch")]


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order(threads: int) -> None:
    def task(i: int) -> Callable[[], int]:
        return lambda: (time.sleep(0.002 * (i % 3)), i)[1]

    with Prefetch((task(i) for i in range(30)), threads=threads, depth=4) as results:
        assert list(results) == list(range(30))
        assert next(results, "ended") == "ended"
    assert batch_threads() == []


def test_never_more_than_depth_ahead() -> None:
    begun = []

    def tasks() -> Iterator[Callable[[], int]]:
        for i in range(100):
            yield lambda i=i: (begun.append(i), i)[1]

    with Prefetch(tasks(), threads=2, depth=3) as results:
        for i in range(10):
            assert next(results) == i
            time.sleep(0.01)
            assert len(begun) <= i + 1 + 3


def test_errors_come_where_the_result_would_have_come() -> None:
    def failing() -> int:
        raise ValueError("of a task")

    results = Prefetch([lambda: 1, failing, lambda: 3], threads=2, depth=3)
    assert next(results) == 1
    with pytest.raises(ValueError, match="of a task"):
        next(results)
    assert next(results, None) is None

    def series() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise ValueError("of the series")

    results = Prefetch(series(), threads=1, depth=1)
    assert next(results) == 1
    with pytest.raises(ValueError, match="of the series"):
        next(results)
    assert batch_threads() == []


def test_close_ends_the_series_and_its_threads() -> None:
    closed = threading.Event()

    def endless() -> Iterator[Callable[[], int]]:
        try:
            while True:
                yield lambda: 1
        finally:
            closed.set()

    results = Prefetch(endless(), threads=2, depth=2)
    assert next(results) == 1
    results.close()
    results.close()
    assert closed.is_set()
    assert batch_threads() == []
    assert next(results, None) is None


def test_waiting_is_counted() -> None:
    gate = threading.Event()
    threading.Timer(0.05, gate.set).start()
    with Prefetch([lambda: gate.wait(5)], threads=1, depth=1) as results:
        assert next(results)
        assert 0.01 < results.wait_seconds < 5
