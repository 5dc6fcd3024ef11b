"""Tune's events, put into messages for the sweep's driver. Runs in the Tune process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS

from gapsack.sweep.cluster.away import bring_ended, insist
from gapsack.sweep.cluster.messages import (
    SweepNotice,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    TrialMessage,
    TrialReported,
    TrialRetried,
    TrialStarted,
    TrialStoppedEarly,
)
from gapsack.sweep.cluster.nodes import ClusterNode, node_of
from gapsack.sweep.cluster.reasons import last_failure, place_of, reason_of
from gapsack.sweep.cluster.retries import MOST_LOSSES, Retries
from gapsack.sweep.cluster.worker import SUPERSEDED
from gapsack.sweep.runs.folder import STOPPED_EARLY
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.storage.objects import StorageAwayError
from gapsack.sweep.trial.record import finished_record

NODE = "node_id"
"""Key of a report: Ray's id of the node that the trial is on."""


def no_nodes() -> Sequence[ClusterNode]:
    """On one machine nobody needs to be told which one it was."""
    return ()


class Outcomes(tune.Callback):
    """Told by Tune of every start, report, end and error of a trial; `tell` gets what the driver should know.

    Args:
        sweep: The sweep.
        tell: Gets the messages.
        retries: Counts the attempts.
        nodes: The nodes of the cluster, which reasons name.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        tell: Callable[[TrialMessage | SweepNotice], None],
        retries: Retries,
        nodes: Callable[[], Sequence[ClusterNode]] = no_nodes,
    ) -> None:
        self._sweep = sweep
        self._tell = tell
        self._retries = retries
        self._nodes = nodes
        self._node_ids: dict[str, str] = {}
        """Where the attempts are that have begun, by Tune's id of the trial."""
        self._given_up: dict[str, dict[str, Any]] = {}
        self._times_given_up: Counter[str] = Counter()

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks into a state that is never read; a connection cannot be pickled."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_info: Any
    ) -> None:
        """A report of a running trial."""
        spec = self._sweep.trial(trial.config)
        if result.get("phase") == "start":
            self._node_ids[trial.trial_id] = result[NODE]
            self._tell(TrialStarted(spec.name, spec.point.settings))
        elif result.get("status") == "running":
            self._tell(TrialReported(spec.name, reported(result)))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """A trial whose function returned: done, failed for a reason that another attempt would meet again, stopped."""
        spec = self._sweep.trial(trial.config)
        self._node_ids.pop(trial.trial_id, None)
        if not self._brought(spec):
            return
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
        elif status == SUPERSEDED:
            self._tell(SweepNotice(str(trial.last_result["reason"])))
            self._tell(TrialInterrupted(spec.name))
        else:
            self._tell(TrialInterrupted(spec.name))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """An attempt failed and another follows."""
        self._tell(TrialRetried(self._sweep.trial(trial.config).name, self._failure(trial)[0]))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """The last attempt failed; or it was lost after it had written its record, and before it could say so."""
        spec = self._sweep.trial(trial.config)
        if not self._brought(spec):
            return
        if finished_record(spec) is not None:
            self._tell(TrialFinished(spec.name))
            return
        reason, details = self._failure(trial)
        # Tune asks for no retry where it loses a worker between two trials, while that gets its next one. And storage
        # that was away for all attempts is there again by now.
        if (trial.should_recover() or _was_away(trial)) and self._times_given_up[spec.name] < MOST_LOSSES:
            self._times_given_up[spec.name] += 1
            self._given_up[spec.name] = dict(trial.config)
            self._tell(TrialRetried(spec.name, reason))
            return
        reason += self._retries.why_no_more(trial)
        spec.folder.fail(reason, details)
        self._failed(spec, reason)

    def _brought(self, spec: TrialSpec) -> bool:
        """Have here what a trial has left, of a run at a URL; whether it is, or the trial has to go on another time."""
        here = insist(
            self._sweep.run,
            lambda: bring_ended(self._sweep.run, spec.folder),
            lambda text: self._tell(SweepNotice(text)),
        )
        if not here:
            self._tell(TrialInterrupted(spec.name))
        return here

    def take_given_up(self) -> list[dict[str, Any]]:
        """Points of trials that Tune gave up although other attempts are to follow; they are told once."""
        found, self._given_up = list(self._given_up.values()), {}
        return found

    def _failure(self, trial: Trial) -> tuple[str, str]:
        """Why a trial's last attempt failed: in a sentence, and as Tune wrote it down, with the stack trace."""
        error, details = kept_error(trial)
        text = last_failure(details)
        node_id, address = place_of(error, text)
        node_id = self._node_ids.pop(trial.trial_id, None) or node_id
        return reason_of(error, text, node_of(self._nodes(), node_id=node_id, address=address)), details

    def _failed(self, spec: TrialSpec, reason: str) -> None:
        self._tell(TrialFailed(spec.name, spec.point.settings, reason))


def _was_away(trial: Trial) -> bool:
    """Whether the last attempt ended since the storage of its run did not answer."""
    error, _ = kept_error(trial)
    return isinstance(getattr(error, "cause", error), StorageAwayError)


def reported(result: dict[str, Any]) -> dict[str, Any]:
    """What a trial itself reported, without what Tune added; any kind of number as a plain one."""
    return {key: _plain(value) for key, value in result.items() if key not in (*AUTO_RESULT_KEYS, NODE)}


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def kept_error(trial: Trial) -> tuple[BaseException | None, str]:
    """The error of a trial's last attempt, where Tune kept it and it can be read here; and all errors as text."""
    details = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes()) if trial.pickled_error_file else None
    except Exception:  # an exception of a class that only the worker can import, or that does not survive pickling
        error = None
    # Tune keeps some errors as text alone, and leaves the object of the one before.
    return (error if error is not None and str(error).strip() in last_failure(details) else None), details
