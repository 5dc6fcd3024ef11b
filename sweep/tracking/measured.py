"""What was measured and is not sent: threads note it while trials run, and one that sends takes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from gapsack.sweep.tracking.store import MetricPoint


class MeasuredPoints:
    """Points that wait to be sent, by what they are about.

    Args:
        may_pass: whether what is sent may arrive when it is sent again after such an error.
    """

    def __init__(self, may_pass: Callable[[Exception], bool]) -> None:
        self._may_pass = may_pass
        self._waiting: dict[str, list[MetricPoint]] = {}
        self._changes = threading.Lock()

    def note(self, about: str, points: Iterable[MetricPoint]) -> None:
        """Have more of them wait."""
        with self._changes:
            self._waiting.setdefault(about, []).extend(points)

    def any_of(self, about: str) -> bool:
        """Whether anything waits."""
        return bool(self._waiting.get(about))

    @contextmanager
    def taken(self, about: str) -> Iterator[list[MetricPoint]]:
        """What waits, which no longer does; where the block fails and may be tried again, it does as before."""
        with self._changes:
            taken = self._waiting.pop(about, [])
        try:
            yield taken
        except Exception as error:
            if self._may_pass(error):
                with self._changes:
                    self._waiting[about] = [*taken, *self._waiting.get(about, ())]
            raise
