"""Writes to a service that may be away: done in order by a thread of its own, tried again while it is away.

A sweep must neither wait for a tracking server nor fail with it. What could not be written is told at the end.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

Write = Callable[[], None]


@dataclass(frozen=True)
class Losses:
    """What could not be written, and the last reason why."""

    count: int
    reason: str


@dataclass(frozen=True)
class _Waiting:
    write: Write
    about: str
    mends: bool


class Backlog:
    """Writes in order, in a thread.

    Args:
        may_pass: whether an error may pass by itself (the service is away). Such a write is tried again, and those
            behind it wait; any other error costs its own write alone.
        retry_seconds: the first pause after a failure; it doubles from then on, up to `longest_pause_seconds`.
    """

    def __init__(
        self, may_pass: Callable[[Exception], bool], *, retry_seconds: float = 1.0, longest_pause_seconds: float = 30.0
    ) -> None:
        self._may_pass = may_pass
        self._first_pause = retry_seconds
        self._longest_pause = longest_pause_seconds
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._lost: Counter[str] = Counter()
        self._reason = ""
        self._last_success = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def add(self, write: Write, about: str = "", *, mends: bool = False) -> None:
        """Have `write` called after all that was added before it.

        With `mends` it writes all there is to write about something: once it is done, what was lost `about` that
        before it is not lost.
        """
        with self._changed:
            self._waiting.append(_Waiting(write, about, mends))
            self._changed.notify_all()

    def close(self, patience_seconds: float) -> Losses | None:
        """Write what waits and end the thread.

        However long that takes, it goes on while writes succeed: a service that is away is given up when
        `patience_seconds` have passed since the last success, or since now.
        """
        with self._changed:
            self._closing = True
            self._last_success = time.monotonic()
            self._changed.notify_all()
        while self._thread.is_alive():
            with self._changed:
                left = self._last_success + patience_seconds - time.monotonic()
            if left <= 0:
                break
            self._thread.join(left)
        with self._changed:
            lost = self._lost.total() + len(self._waiting)
            self._waiting.clear()
            reason = self._reason
        return Losses(lost, reason or "the service did not answer in time") if lost else None

    def _work(self) -> None:
        pause = self._first_pause
        while (next_one := self._next()) is not None:
            try:
                next_one.write()
            except Exception as error:
                self._reason = f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
                if self._may_pass(error):
                    self._rest(pause)
                    pause = min(2 * pause, self._longest_pause)
                    continue
                self._done(next_one, lost=True)
            else:
                self._done(next_one, lost=False)
            pause = self._first_pause

    def _done(self, written: _Waiting, *, lost: bool) -> None:
        with self._changed:
            # Empty when `close` has given up meanwhile.
            if self._waiting:
                self._waiting.popleft()
            if lost:
                self._lost[written.about] += 1
            elif written.mends:
                del self._lost[written.about]
            # A service that refuses a write has answered: it is there.
            self._last_success = time.monotonic()

    def _rest(self, seconds: float) -> None:
        """Wait before another attempt: for as long as `seconds`, but at the end the first pause is all there is."""
        with self._changed:
            closing = self._closing or self._changed.wait_for(lambda: self._closing, seconds)
        if closing:
            time.sleep(self._first_pause)

    def _next(self) -> _Waiting | None:
        """The oldest write, which stays in line until it is done; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting[0] if self._waiting else None
