"""Batches made ahead by threads, and the way back when one of them meets a faulty record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from gapsack.sweep.data.stream.blocks import RewindError, cut
from gapsack.sweep.data.stream.prefetch import Prefetch

if TYPE_CHECKING:
    from gapsack.sweep.data.stream.blocks import Cut
    from gapsack.sweep.data.stream.places import Place
    from gapsack.sweep.data.stream.windows import Windows

T = TypeVar("T")


class Stream(Iterator[T], Generic[T]):
    """What `gather` makes of each batch of `batch_size` records from `place` on, in order; at most `depth` ahead.

    Batches are cut before their records are checked, as if all were good. When `gather` finds that one is not
    (`RewindError`), what was made ahead is dropped, and the stream goes on from that batch with the windows of its
    faulty records checked: once a window at most, `rewinds` times so far. Nothing of it shows in what comes out.

    `wait_seconds` is how long the consumer has waited so far.
    """

    def __init__(
        self,
        windows: Windows,
        gather: Callable[[Cut], T],
        place: Place,
        *,
        batch_size: int,
        threads: int,
        depth: int,
    ) -> None:
        self.rewinds = 0
        self._windows, self._gather, self._batch_size = windows, gather, batch_size
        self._threads, self._depth = threads, depth
        self._doubtful: frozenset[tuple[int, int]] = frozenset()
        self._waited_seconds = 0.0
        self._ahead = self._begin(place)

    def __next__(self) -> T:
        while True:
            try:
                return next(self._ahead)
            except RewindError as found:  # all threads have ended
                place, windows = found.place, found.windows
            self.rewinds += 1
            self._waited_seconds += self._ahead.wait_seconds
            self._doubtful = windows | {key for key in self._doubtful if key >= place.start.key}
            self._ahead = self._begin(place)

    @property
    def wait_seconds(self) -> float:
        """Seconds that the consumer has waited."""
        return self._waited_seconds + self._ahead.wait_seconds

    def close(self) -> None:
        """Stop the threads and wait for them; later `next` ends at once. May be called twice."""
        self._ahead.close()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, place: Place) -> Prefetch[T]:
        return Prefetch(self._tasks(place, self._doubtful), threads=self._threads, depth=self._depth)

    def _tasks(self, place: Place, doubtful: frozenset[tuple[int, int]]) -> Iterator[Callable[[], T]]:
        spans = self._windows.spans(place, doubtful, self._threads)
        try:
            for batch in cut(spans, self._batch_size, place.batch):
                yield partial(self._gather, batch)
        finally:
            spans.close()
