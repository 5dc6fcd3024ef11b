"""The time that a person gives a sweep: when it is over, all trials are asked to stop, as by a first Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.signals import StopRequest

HOUR_SECONDS = 3600.0
MOST_HOURS = 100_000.0
"""Eleven years: timers of the system have an end too."""


def checked_hours(hours: float | None) -> float | None:
    """Hours that a sweep may take.

    Raises:
        InputError: they are none.
    """
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise InputError(f"expected more than 0 hours and at most {MOST_HOURS:,.0f}, got {hours:g}")
    return hours


@contextmanager
def time_limit(hours: float | None, began: float, stop: StopRequest, ask: Callable[[], None]) -> Iterator[None]:
    """Within the block, `ask` is called once so many hours after `began` are over, and `stop` knows it.

    Args:
        hours: None is no limit.
        began: by `time.monotonic`.
        stop: what the sweep's driver looks at.
        ask: makes the trials stop; it is called in a thread of its own.
    """
    if hours is None:
        yield
        return

    def over() -> None:
        stop.time_is_over = True
        ask()

    timer = threading.Timer(max(0.0, began + hours * HOUR_SECONDS - time.monotonic()), over)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
