"""What each finished trial adds to the ensemble, computed beside the training by a thread of the driver.

Training never waits for it. A trial is compared with what was done before it, whatever ended while its turn came, so
that a sweep that goes on tells the same.

Each gain takes a search of the pool, which takes the longer the more there is. Where trials end faster than that, the
newest are looked at, and the end of a sweep waits for a while only: the next driver of the run goes on with the rest.
"""

from __future__ import annotations

import itertools
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gapsack.selection.errors import GapsackError
from gapsack.selection.files import replace_json
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.folder import RunFolder

NICENESS = 10
"""Of the thread, where the system gives threads one: workers on this machine come first."""

MOST_WAITING = 16
"""Trials that may wait for their turn; of more, those that ended last stay."""


@dataclass(frozen=True)
class GainFailed:
    """What a trial adds could not be computed, and why."""

    name: str
    reason: str


class Gains:
    """Computes gains in order and writes them into the trials' folders; `told` has what is new.

    Args:
        run: the run.
        grid: its grid, whose budget counts.
        done: names of the trials that were done before, in the order in which they ended.

    Attributes:
        left: Names of the trials whose gain was asked for and is not computed; all of them once the thread has ended.
    """

    def __init__(self, run: RunFolder, grid: Grid, done: Sequence[str]) -> None:
        self._run = run
        self._budget_bytes = grid.budget.size_bytes
        self._count = itertools.count()
        self._ended = {name: next(self._count) for name in done}
        """Names of the trials that are done, with a number that tells their order."""
        self._new: deque[str] = deque()
        """Those that wait since they ended just now;"""
        self._earlier: deque[str] = deque()
        """and those that an earlier driver has left, which come after these."""
        self._closed = False
        self._changed = threading.Condition()
        """Held while any of these changes."""
        self.left: set[str] = set()
        self._told: queue.SimpleQueue[EnsembleGain | GainFailed] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gains", daemon=True)
        self._is_started = False

    def ended(self, name: str) -> None:
        """A trial is done: have its gain computed, if it left a candidate."""
        with self._changed:
            self._ended[name] = next(self._count)  # also if it is done once more
        self._ask(self._new, name, MOST_WAITING)

    def compute(self, name: str) -> None:
        """Have the gain of a trial computed that is among those that are done."""
        self._ask(self._earlier, name)

    def _ask(self, waiting: deque[str], name: str, at_most: int | None = None) -> None:
        if not self._run.trial(name).candidate.exists():
            return
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        with self._changed:
            if name in waiting:
                waiting.remove(name)
            waiting.append(name)
            self.left.add(name)
            if at_most is not None and len(waiting) > at_most:
                waiting.popleft()
            self._changed.notify_all()

    def told(self) -> Iterator[EnsembleGain | GainFailed]:
        """What came out since the last call."""
        while True:
            try:
                yield self._told.get_nowait()
            except queue.Empty:
                return

    def close(self) -> None:
        """Nothing more will be asked for; what was is computed, unless it is told to `stop`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait so long, at most, for what is under way; whether all of it is over."""
        if self._is_started:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Give up what is not computed; the next driver of the run does it."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _next(self) -> str | None:
        """The next trial to look at, once there is one; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._new or self._earlier or self._closed or self._stopped.is_set())
            if self._stopped.is_set():
                return None
            waiting = self._new or self._earlier
            return waiting.popleft() if waiting else None

    def _is_later(self, name: str, number: int) -> bool:
        """Whether a candidate is that of a trial of the run that was not done when the one of this number ended."""
        place = self._ended.get(name)
        return place > number if place is not None else self._run.trial(name).path.is_dir()

    def _work(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        from gapsack.sweep.advice.marginal_gain import marginal_gain  # loads numba, which a start need not wait for

        while (name := self._next()) is not None:
            try:
                number = self._ended[name]
                # What is damaged is told by whoever looks at the run, and takes no part here.
                pool = CandidatePool.read(self._run.pool, left_out=lambda _reason: None)
                known = CandidatePool(
                    pool.labels, [each for each in pool.candidates if not self._is_later(each.name, number)]
                )
                gain = marginal_gain(known, name, self._budget_bytes, should_stop=self._stopped.is_set)
                if gain is not None:
                    replace_json(self._run.trial(name).gain, gain.model_dump(mode="json"))
                    self._told.put(gain)
                    self.left.discard(name)
                elif not self._stopped.is_set():  # nothing fits the budget
                    self.left.discard(name)
            except Exception as error:  # whatever it is, it must not end the thread: trials go on, and it is told
                reason = str(error) if isinstance(error, GapsackError) else f"{type(error).__name__}: {error}"
                self._told.put(GainFailed(name, reason))
                self.left.discard(name)
