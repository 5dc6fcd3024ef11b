"""Work done ahead by threads, handed over in order."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Iterator[T], Generic[T]):
    """Runs an ordered series of tasks in threads, at most `depth` ahead, and yields their results in order.

    The number of threads changes when a result is ready, never what it is. An exception of the series or of a task is
    raised where its result would have come. `wait_seconds` is how long the consumer has waited so far.
    """

    def __init__(self, tasks: Iterable[Callable[[], T]], *, threads: int, depth: int) -> None:
        self.wait_seconds = 0.0
        self._tasks = iter(tasks)
        self._ready: queue.SimpleQueue[Future[T] | None] = queue.SimpleQueue()
        self._slots = threading.Semaphore(depth)
        self._stopping = False
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="batch")
        self._feeder = threading.Thread(target=self._feed, name="batch-feeder", daemon=True)
        self._feeder.start()

    def __next__(self) -> T:
        if self._stopping:
            raise StopIteration
        began = time.perf_counter()
        future = self._ready.get()
        try:
            if future is not None:
                return future.result()
        except BaseException:
            self.close()
            raise
        finally:
            del future  # which holds the error, which holds this frame: a circle that would keep a batch's memory
            self._slots.release()
            self.wait_seconds += time.perf_counter() - began
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Stop the threads and wait for them; later `next` ends at once. May be called twice."""
        self._stopping = True
        self._slots.release()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._feeder is not threading.current_thread():
            self._feeder.join()

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _feed(self) -> None:
        """Hand tasks to the pool as slots come free; the series itself is walked here, off the consumer's thread."""
        try:
            for task in self._tasks:
                self._slots.acquire()
                if self._stopping:
                    break
                self._ready.put(self._pool.submit(task))
            self._ready.put(None)
        except BaseException as error:  # delivered to the consumer, who raises it
            failed: Future[T] = Future()
            failed.set_exception(error)
            self._ready.put(failed)
        finally:
            close = getattr(self._tasks, "close", None)
            if close is not None:
                close()
