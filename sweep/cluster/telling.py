"""What the Tune process says, told to MLflow and to whoever watches. Runs in the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.gains import GainFailed, Gains
from gapsack.sweep.cluster.messages import (
    Ended,
    Message,
    Refused,
    SweepNotice,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    TrialReported,
    TrialRetried,
    TrialStarted,
    TrialStoppedEarly,
)
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import RunState

if TYPE_CHECKING:
    from gapsack.sweep.tracking.tracker import Tracker

TRACKED = ("loss", "gap", "learning_rate", "videos_per_second", "data_wait_share", "sparsity")
"""What a report may hold for MLflow, by step."""


class Telling:
    """Passes messages on.

    Attributes:
        running: Names of the trials that run, as far as is known.
        finished: Of those that were told as finished.
        failed: Of those that failed for good.
    """

    def __init__(self, sweep: SweepSpec, tracker: Tracker, events: SweepEvents, gains: Gains) -> None:
        self._sweep = sweep
        self._tracker = tracker
        self._events = events
        self._gains = gains
        self.running: set[str] = set()
        self.finished: set[str] = set()
        self.failed: set[str] = set()

    def tell(self, message: Message) -> None:
        """Tell what a message says."""
        match message:
            case TrialStarted(name, settings):
                self.running.add(name)
                self._events.trial_started(name)
                self._tracker.trial_started(name, settings)
            case TrialReported(name, metrics):
                self._progress(name, metrics)
            case TrialFinished(name):
                self._finished(name, TrialResult.read(self._sweep.run.trial(name).record))
            case TrialFailed(name, settings, reason):
                self.running.discard(name)
                self.failed.add(name)
                self._events.trial_failed(name, reason)
                # A worker that never came up has not been told of; a run that exists is only opened again.
                self._tracker.trial_started(name, settings)
                self._tracker.trial_failed(name, reason)
            case TrialRetried(name, reason):
                self.running.discard(name)
                self._events.trial_retried(name, reason)
            case TrialInterrupted(name):
                self.running.discard(name)
                self._events.trial_interrupted(name)
            case TrialStoppedEarly(name):
                self.running.discard(name)
                stopped = self._sweep.run.trial(name).stopped_early()
                self._events.trial_stopped_early(name, "" if stopped is None else stopped.reason)
                self._tracker.trial_stopped_early(name)
            case SweepNotice(text):
                self._events.notice(text)
            case Refused() | Ended():
                pass  # of no trial

    def tell_gains(self) -> None:
        """Tell what trials add to the ensemble, as far as that has become known."""
        for gain in self._gains.told():
            if isinstance(gain, GainFailed):
                self._events.notice(f"What {gain.name} adds to the ensemble could not be computed: {gain.reason}")
            else:
                self._events.trial_gained(gain.name, gain)
                self._tracker.trial_gained(gain.name)

    def catch_up(self, *, before: RunState, now: RunState) -> None:
        """Tell of trials that are done and of which nobody could tell, since the Tune process died."""
        known = self.finished | {trial.plan.name for trial in before.done}
        for trial in now.done:
            if trial.plan.name not in known and trial.record is not None:
                self._tracker.trial_started(trial.plan.name, trial.point.settings)
                self._finished(trial.plan.name, trial.record)

    def _progress(self, name: str, metrics: Mapping[str, Any]) -> None:
        self._events.trial_progress(name, metrics)
        tracked = {key: float(metrics[key]) for key in TRACKED if metrics.get(key) is not None}
        if tracked:
            self._tracker.trial_metrics(name, int(metrics["step"]), tracked)

    def _finished(self, name: str, record: TrialResult) -> None:
        self.running.discard(name)
        self.finished.add(name)
        self._events.trial_finished(name, record)
        folder = self._sweep.run.trial(name)
        self._tracker.trial_finished(name, record, [folder.config_file, folder.curve, folder.record])
        self._gains.ended(name)
