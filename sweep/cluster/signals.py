"""Ctrl-C, SIGTERM and SIGHUP: an orderly stop is asked for by the first, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A person's Ctrl-C; what schedulers, containers and `timeout` send; a terminal that is gone, as a dropped ssh."""

Handler = Callable[[int, FrameType | None], None]


class EndedBySignalError(KeyboardInterrupt):
    """A signal ended what ran, at once. As KeyboardInterrupt, whatever the signal, so that nobody takes it for a fault.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopRequest:
    """Whether a stop was asked for, and by what.

    Attributes:
        number: The signal's that asked; None where none came.
        time_is_over: The sweep has had its time (`sweep.cluster.time_limit`).
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.time_is_over = False

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self.number is not None or self.time_is_over


@contextmanager
def stop_on_signals(ask: Callable[[], None]) -> Iterator[StopRequest]:
    """Within the block, the first of `SIGNALS` calls `ask`; a second one raises `EndedBySignalError`.

    `ask` is called between any two steps of the block, so it should do little. Signals can be caught in a process's
    main thread only; in any other thread this changes nothing.
    """
    stop = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.number is not None:
            raise EndedBySignalError(number)
        stop.number = number
        ask()

    with _handled(handle):
        yield stop


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, each of `SIGNALS` raises `EndedBySignalError`, so that all is left in order."""

    def handle(number: int, _frame: FrameType | None) -> None:
        raise EndedBySignalError(number)

    with _handled(handle):
        yield


def disregard_signals() -> None:
    """From now on `SIGNALS` do nothing here: they are another's to answer, and are sent to whole groups of processes.

    They are caught rather than ignored, since what is ignored stays so in every program that is started from here.
    """
    for number in SIGNALS:
        signal.signal(number, lambda _number, _frame: None)


@contextmanager
def _handled(handle: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # `nohup` has SIGHUP ignored, and means it.
    kept = [number for number in SIGNALS if number == signal.SIGHUP and before[number] is signal.SIG_IGN]
    for number in SIGNALS:
        if number not in kept:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if number not in kept:
                signal.signal(number, handler)
