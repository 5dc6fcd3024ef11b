"""Tune's events, put into messages for the sweep's driver. Runs in the Tune process."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS

from gapsack.sweep.cluster.messages import (
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    TrialMessage,
    TrialReported,
    TrialRetried,
    TrialStarted,
    TrialStoppedEarly,
)
from gapsack.sweep.runs.folder import STOPPED_EARLY
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec


class Outcomes(tune.Callback):
    """Told by Tune of every start, report, end and error of a trial; `tell` gets what the driver should know."""

    def __init__(self, sweep: SweepSpec, tell: Callable[[TrialMessage], None]) -> None:
        self._sweep = sweep
        self._tell = tell

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks into a state that is never read; a connection cannot be pickled."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_info: Any
    ) -> None:
        """A report of a running trial."""
        spec = self._sweep.trial(trial.config)
        if result.get("phase") == "start":
            self._tell(TrialStarted(spec.name, spec.point.settings))
        elif result.get("status") == "running":
            self._tell(TrialReported(spec.name, reported(result)))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """A trial whose function returned: done, failed for a reason that another attempt would meet again, stopped."""
        spec = self._sweep.trial(trial.config)
        status = trial.last_result.get("status")
        if status == "done":
            self._tell(TrialFinished(spec.name))
        elif status == "failed":
            reason = str(trial.last_result["reason"])
            if not spec.folder.failure.exists():  # its worker did not see the folder
                spec.folder.fail(reason)
            self._failed(spec, reason)
        elif status == STOPPED_EARLY:
            self._tell(TrialStoppedEarly(spec.name))
        else:
            self._tell(TrialInterrupted(spec.name))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """An attempt failed and another follows."""
        self._tell(TrialRetried(self._sweep.trial(trial.config).name, failure(trial)[0]))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """The last attempt failed."""
        spec = self._sweep.trial(trial.config)
        reason, details = failure(trial)
        spec.folder.fail(reason, details)
        self._failed(spec, reason)

    def _failed(self, spec: TrialSpec, reason: str) -> None:
        self._tell(TrialFailed(spec.name, spec.point.settings, reason))


def reported(result: dict[str, Any]) -> dict[str, Any]:
    """What a trial itself reported, without what Tune added; any kind of number as a plain one."""
    return {key: _plain(value) for key, value in result.items() if key not in AUTO_RESULT_KEYS}


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


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
