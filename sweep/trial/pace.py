"""How fast training is, with what is not training left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Lap:
    """Some steps, their time, and how much of it was spent waiting for data."""

    steps: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0


class Pace:
    """A stopwatch over steps. The first step compiles, and only starts it; `paused` blocks do not count."""

    def __init__(self) -> None:
        self._lap = Lap()
        self._since: float | None = None

    def step(self, wait_seconds: float) -> None:
        """Count a step that is over, of which `wait_seconds` went by until its batch was there."""
        if self._since is None:
            self._since = time.perf_counter()
            return
        self._lap.steps += 1
        self._lap.wait_seconds += wait_seconds

    def lap(self) -> Lap:
        """What was counted since the lap before."""
        lap = self._lap
        if self._since is not None:
            now = time.perf_counter()
            lap.seconds += now - self._since
            self._since = now
        self._lap = Lap()
        return lap

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time in the block does not count."""
        began = time.perf_counter()
        try:
            yield
        finally:
            if self._since is not None:
                self._since += time.perf_counter() - began
