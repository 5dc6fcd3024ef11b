"""Driving a sweep: a process of its own runs Ray Tune, and this one listens, tells, and asks it to stop.

What the Tune process says is told to MLflow and to whoever watches. What came of the sweep is told by the trials'
records alone, whatever became of that process.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cloudpickle

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.gains import Gains
from gapsack.sweep.cluster.messages import Go, Refused
from gapsack.sweep.cluster.process import TuneProcess, tune_process
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.cluster.telling import Telling
from gapsack.sweep.cluster.worker import TrialFunction
from gapsack.sweep.errors import ClusterError
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import RunState, SweepResult, state_of
from gapsack.sweep.storage.mirrored import forget

if TYPE_CHECKING:
    from gapsack.sweep.tracking.tracker import Tracker

__all__ = ["Drive", "SweepResult", "driving"]

LOOK_SECONDS = 0.2
"""Between two looks at whether the last gains are computed, or a stop is asked for."""
GAINS_SECONDS = 60.0
"""How long the end of a sweep waits for gains at most."""
LEAVE_SECONDS = 2.0
"""How long the computation of a gain that is given up is waited for, so that it ends in order."""


class Drive:
    """A sweep that is about to run; see `driving`."""

    def __init__(self, sweep: SweepSpec, state: RunState, process: TuneProcess | None, events: SweepEvents) -> None:
        self._sweep = sweep
        self._state = state
        self._process = process
        self._events = events

    def run(self, tracker: Tracker, stop: StopRequest) -> SweepResult:
        """Run the trials that are not done, each to its end, or until a stop is asked for.

        Whoever asks makes the run's stop file; `stop` knows whether a signal did, or a time limit.

        Raises:
            InputError: a trial needs more than there is, or no cluster answers.
            ClusterError: the Tune process died with trials left to train.
        """
        for done in self._state.done:  # its worker may have been killed after it wrote the record
            shutil.rmtree(done.folder.checkpoints, ignore_errors=True)
            forget(done.folder.checkpoints)
        self._events.sweep_started(total=self._state.wanted, done=len(self._state.done))
        gains = self._gains()
        telling = Telling(self._sweep, tracker, self._events, gains)
        try:
            if self._process is not None:
                self._follow(self._process, telling, stop)
            state = state_of(self._sweep.run, self._sweep.grid, alive=False)
            telling.catch_up(before=self._state, now=state)
            self._await(gains, telling, stop)
        finally:
            gains.stop()
        stopped = stop.requested or self._sweep.run.stop_file.exists()
        is_over = state.settled + len(telling.failed) >= state.wanted
        if self._process is not None and self._process.died and not (is_over or stopped):
            raise ClusterError(
                f"expected the process of Ray Tune to live until the trials are over, but it {self._process.ending()} "
                f"with {len(state.done)} of {state.wanted} trials done; {self._process.last_words()}. "
                "sweep run goes on where it ended"
            )
        return state.result(interrupted=stopped and not is_over)

    def _gains(self) -> Gains:
        """What computes gains, with those to do that an earlier driver of the run left undone.

        A run of a version that computed none does not wait for them.
        """
        done = sorted(
            self._state.done, key=lambda trial: (trial.record.finished if trial.record else "", trial.plan.name)
        )
        gains = Gains(self._sweep.run, self._sweep.grid, [trial.plan.name for trial in done])
        lacking = [trial.plan.name for trial in done if not trial.folder.gain.exists()]
        if len(lacking) < len(done):
            for name in lacking:
                gains.compute(name)
        return gains

    def _await(self, gains: Gains, telling: Telling, stop: StopRequest) -> None:
        """Tell the last gains, unless a stop is asked for: the next driver of the run computes what is missing.

        That is so too where it takes long: after many short trials it would take longer than they did.
        """
        gains.close()
        end = time.monotonic() + GAINS_SECONDS
        while not gains.wait(LOOK_SECONDS):
            telling.tell_gains()
            if stop.requested or self._sweep.run.stop_file.exists() or time.monotonic() >= end:
                gains.stop()
                gains.wait(LEAVE_SECONDS)
                break
        telling.tell_gains()
        if gains.left:
            self._events.notice(
                f"What {len(gains.left):,} of the trials add to the ensemble is not computed yet: "
                "sweep run goes on with it"
            )

    def _follow(self, process: TuneProcess, telling: Telling, stop: StopRequest) -> None:
        """Let the process train, and tell what it says until it has told all, has died, or need not go on."""
        stopping = False
        process.send(Go())
        for message in process.messages():
            telling.tell_gains()
            if stop.requested and not stopping:
                stopping = True
                if stop.number is None:
                    self._events.time_is_over()
                else:
                    self._events.stopping()
            if isinstance(message, Refused):
                raise InputError(message.reason)
            if message is not None:
                telling.tell(message)
            elif stopping and not telling.running:
                return  # nothing runs that could write a checkpoint: Ray is starting, or between two trials


@contextmanager
def driving(
    sweep: SweepSpec, *, trial: TrialFunction, address: str | None = None, events: SweepEvents | None = None
) -> Iterator[Drive]:
    """A sweep that is ready to `run`; at the end of the block, however it comes, nothing of Ray is left.

    If there is anything to train, Ray starts meanwhile, in a process of its own. The caller holds the run
    (`RunFolder.held`).

    Args:
        sweep: the sweep; what is missing of it follows from its run folder.
        trial: runs a trial, in a worker.
        address: a Ray cluster; Ray on this machine otherwise.
        events: is told of all that happens.
    """
    events = events or SweepEvents()
    # Nobody's marks are signs of life here: no worker is left of earlier drivers, and none when this one ends.
    state = state_of(sweep.run, sweep.grid, alive=False)
    if state.settled >= state.wanted:
        yield Drive(sweep, state, None, events)
        return
    try:
        with tune_process(sweep, cloudpickle.dumps(trial), address, sweep.run.ray_log) as process:
            yield Drive(sweep, state, process, events)
    finally:
        shutil.rmtree(sweep.run.tune, ignore_errors=True)
