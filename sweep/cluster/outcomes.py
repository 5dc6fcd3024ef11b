"""Tune's events, passed on: to the trials' folders, to the tracker and to whoever watches. Runs in the driver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial

from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec

if TYPE_CHECKING:
    from gapsack.sweep.tracking.tracker import Tracker

TRACKED = ("loss", "gap", "learning_rate", "videos_per_second", "data_wait_share", "sparsity")
"""What a report may hold for MLflow, by step."""


class Outcomes(tune.Callback):
    """Told by Tune of every start, report, end and error of a trial."""

    def __init__(self, sweep: SweepSpec, tracker: Tracker, events: SweepEvents) -> None:
        self._sweep = sweep
        self._tracker = tracker
        self._events = events

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks into a state that is never read; a tracker and a terminal cannot be pickled."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_info: Any
    ) -> None:
        """A report of a running trial."""
        spec = self._sweep.trial(trial.config)
        if result.get("phase") == "start":
            self._events.trial_started(spec.name)
            self._tracker.trial_started(spec.name, spec.point.hyperparameters)
        elif result.get("status") == "running":
            self._events.trial_progress(spec.name, result)
            metrics = {key: float(result[key]) for key in TRACKED if result.get(key) is not None}
            if metrics:
                self._tracker.trial_metrics(spec.name, int(result["step"]), metrics)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """A trial whose function returned: done, failed for a reason that another attempt would meet again, stopped."""
        spec = self._sweep.trial(trial.config)
        status = trial.last_result.get("status")
        if status == "done":
            self._finished(spec)
        elif status == "failed":
            self._failed(spec, str(trial.last_result["reason"]))
        else:
            self._events.trial_interrupted(spec.name)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """An attempt failed and another follows."""
        self._events.trial_retried(self._sweep.trial(trial.config).name, failure(trial)[0])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """The last attempt failed."""
        spec = self._sweep.trial(trial.config)
        reason, details = failure(trial)
        spec.folder.fail(reason, details)
        self._failed(spec, reason)

    def _finished(self, spec: TrialSpec) -> None:
        record = TrialResult.read(spec.folder.record)
        self._events.trial_finished(spec.name, record)
        artifacts = [spec.folder.config_file, spec.folder.curve, spec.folder.record]
        self._tracker.trial_finished(spec.name, record, artifacts)

    def _failed(self, spec: TrialSpec, reason: str) -> None:
        self._events.trial_failed(spec.name, reason)
        # A worker that never came up has not been told of; a run that exists is only opened again.
        self._tracker.trial_started(spec.name, spec.point.hyperparameters)
        self._tracker.trial_failed(spec.name, reason)


def failure(trial: Trial) -> tuple[str, str]:
    """Why a trial's last attempt failed: in one line, and as Tune wrote it down, with the stack trace."""
    details = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes()) if trial.pickled_error_file else None
    except Exception:  # an exception of a class that only the worker can import, or that does not survive pickling
        error = None
    if isinstance(error, RayActorError):
        return "the worker process died (killed from outside, out of memory, or a crash in native code)", details
    if isinstance(error, RayTaskError):
        error = error.cause
        return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0], details
    lines = (details if error is None else str(error)).strip().splitlines()
    # A stack trace ends with its error; Ray's own messages begin with what matters.
    return (lines[-1 if error is None else 0] if lines else "Ray gave no reason"), details
