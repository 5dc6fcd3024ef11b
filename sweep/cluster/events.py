"""What a sweep tells while it runs. Command lines draw it; others may log it or ignore it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.record import TrialResult


class SweepEvents:
    """Events of a sweep, in the driver's process. This one ignores them: override what is of interest."""

    def checking_data(self) -> None:
        """The data files are found, and their checksums are taken: of many files, that takes a while."""

    def opening_tracking(self) -> None:
        """MLflow is opened."""

    def sweep_started(self, *, total: int, done: int) -> None:
        """`total` trials are wanted, of which `done` were done in earlier runs. A sampler's total is its budget."""

    def trial_started(self, name: str) -> None:
        """A worker has begun the trial, or continues it."""

    def trial_progress(self, name: str, metrics: Mapping[str, Any]) -> None:
        """A report: `phase`, `step` of `steps`, and what there is of loss, gap, learning_rate, videos_per_second."""

    def trial_finished(self, name: str, record: TrialResult) -> None:
        """The trial is done; `record` is its record.json."""

    def trial_gained(self, name: str, gain: EnsembleGain) -> None:
        """What a trial that is done adds to the best ensemble of those that are done, some time after it finished."""

    def trial_failed(self, name: str, reason: str) -> None:
        """The trial failed for good."""

    def trial_retried(self, name: str, reason: str) -> None:
        """An attempt failed; the trial goes on from its last checkpoint."""

    def trial_interrupted(self, name: str) -> None:
        """The trial stopped on request and can be continued."""

    def trial_stopped_early(self, name: str, reason: str) -> None:
        """The trial ended before its last step: others left it behind, or its time (`resources.hours`) was over."""

    def stopping(self) -> None:
        """A stop was asked for; running trials write a checkpoint."""

    def time_is_over(self) -> None:
        """The sweep has had its hours; running trials write a checkpoint, as after `stopping`."""

    def sweep_ended(self) -> None:
        """No worker is left, whatever the reason; MLflow is told what it does not know yet."""

    def ended_at_once(self) -> None:
        """The second Ctrl-C: trials that ran go on from their last checkpoints when the sweep is resumed."""

    def notice(self, message: str) -> None:
        """Something that a person should know and that stops nothing."""
