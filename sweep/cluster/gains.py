"""What each finished trial adds to the ensemble, computed beside the training by a thread of the driver.

Training never waits for it. A trial is compared with what was done before it, whatever ended while its turn came, so
that a sweep that goes on tells the same.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
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
    """

    def __init__(self, run: RunFolder, grid: Grid, done: Sequence[str]) -> None:
        self._run = run
        self._budget_bytes = grid.budget.size_bytes
        self._ended = list(done)
        self._asked: queue.SimpleQueue[tuple[str, frozenset[str]] | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[EnsembleGain | GainFailed] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gains", daemon=True)
        self._is_started = False

    def ended(self, name: str) -> None:
        """A trial is done: have its gain computed, if it left a candidate."""
        if name in self._ended:
            self._ended.remove(name)  # done once more
        self._ended.append(name)
        self.compute(name)

    def compute(self, name: str) -> None:
        """Have the gain of a trial computed that is among those that are done."""
        if not self._run.trial(name).candidate.exists():
            return
        earlier = self._ended[: self._ended.index(name) + 1]
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._asked.put((name, frozenset(earlier)))

    def told(self) -> Iterator[EnsembleGain | GainFailed]:
        """What came out since the last call."""
        while True:
            try:
                yield self._told.get_nowait()
            except queue.Empty:
                return

    def close(self) -> None:
        """Nothing more will be asked for; what was is computed, unless it is told to `stop`."""
        self._asked.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait so long, at most, for what is under way; whether all of it is over."""
        if self._is_started:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Give up what is not computed; the next driver of the run does it."""
        self._stopped.set()

    def _work(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        from gapsack.sweep.advice.marginal_gain import marginal_gain  # loads numba, which a start need not wait for

        while (asked := self._asked.get()) is not None and not self._stopped.is_set():
            name, earlier = asked
            try:
                later = {trial.name for trial in self._run.started_trials()} - earlier
                # What is damaged is told by whoever looks at the run, and takes no part here.
                pool = CandidatePool.read(self._run.pool, left_out=lambda _reason: None)
                known = CandidatePool(pool.labels, [each for each in pool.candidates if each.name not in later])
                gain = marginal_gain(known, name, self._budget_bytes, should_stop=self._stopped.is_set)
                if gain is not None:
                    replace_json(self._run.trial(name).gain, gain.model_dump(mode="json"))
                    self._told.put(gain)
            except Exception as error:  # whatever it is, it must not end the thread: trials go on, and it is told
                reason = str(error) if isinstance(error, GapsackError) else f"{type(error).__name__}: {error}"
                self._told.put(GainFailed(name, reason))
