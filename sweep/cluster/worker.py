"""What runs in a Ray worker: one trial, its outcome told to Tune and to the trial's folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gapsack.selection.errors import GapsackError
from gapsack.sweep.cluster.time_limit import HOUR_SECONDS
from gapsack.sweep.runs.attempts import Attempt
from gapsack.sweep.runs.curve import curve_rows
from gapsack.sweep.runs.folder import STOPPED_EARLY, StoppedEarly
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.rungs import RungHistory
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.mirrored import bring, is_mirrored, is_there, send
from gapsack.sweep.storage.objects import StorageAwayError
from gapsack.sweep.trial.control import (
    SAVED,
    Control,
    Report,
    ShouldStop,
    TrialInterruptedError,
    TrialStoppedEarlyError,
)
from gapsack.sweep.trial.record import finished_record

POLL_SECONDS = 1.0
FAR_POLL_SECONDS = 5.0
"""The same, of a run at a URL: a look is a request."""

SEND_SECONDS = 10.0
"""How often a trial at a URL sends its curve while it trains; checkpoints are sent at once."""

FAILING = "failing"
"""Status of the last report of an attempt that ends by an error of its own."""

SUPERSEDED = "superseded"
"""Status of an attempt that ended since a newer one has the trial."""


class TrialFunction(Protocol):
    """Runs a trial and returns its record, once that is written.

    It raises TrialInterruptedError and TrialStoppedEarlyError when `control` says so, GapsackError for what would only
    fail again, and anything else for what may pass on another attempt.
    """

    def __call__(self, spec: TrialSpec, control: Control) -> TrialResult:
        """Run the trial at `spec`."""


def stop_polling(stop_file: Path, poll_seconds: float = POLL_SECONDS) -> ShouldStop:
    """A function that says whether `stop_file` exists, looking at most once in `poll_seconds`.

    A file reaches workers on every machine that sees the run folder; signals and messages do not.
    """
    next_look = 0.0
    stopped = False

    def should_stop() -> bool:
        nonlocal next_look, stopped
        now = time.monotonic()
        if not stopped and now >= next_look:
            stopped = is_there(stop_file)
            next_look = now + poll_seconds
        return stopped

    return should_stop


class EarlyEndOf:
    """Whether a trial is to end early: by the comparisons in its folder (`sweep.runs.rungs`), or as its time is over.

    The comparisons are read when the attempt begins and after each GAP that it reports.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._history = RungHistory()
        self.look()

    def look(self) -> None:
        """Read the trial's comparisons."""
        if self._spec.grid.search.scheduler is not None:
            bring(self._spec.folder.rungs)
        self._history = RungHistory.of(self._spec.folder)

    def at(self, step: int, seconds: float) -> StoppedEarly | None:
        """How the trial ends at a step, after so many seconds of training over all attempts, if it does."""
        verdict, steps = self._history.verdict, self._spec.grid.training.steps
        if verdict is not None and step >= verdict.step:
            reason = verdict.reason or ""
            return StoppedEarly(step=step, steps=steps, rung=verdict.rung, gap=verdict.gap, reason=reason)
        hours = self._spec.grid.resources.hours
        if hours is None or self._history.exempt or seconds < hours * HOUR_SECONDS:
            return None
        measured = [row["gap"] for row in curve_rows(self._spec.folder.curve) if row["gap"] is not None]
        reason = f"its time (resources.hours: {hours:g}) was over at step {step:,} of {steps:,}"
        return StoppedEarly(step=step, steps=steps, gap=measured[-1] if measured else None, reason=reason)


def run_in_worker(trial: TrialFunction, spec: TrialSpec, report: Report) -> dict[str, Any]:
    """Run `trial`; the result is its last report, with `status` done, failed, interrupted, stopped early or superseded.

    A trial that is done already is not run. What another attempt may mend is raised, so that Tune retries it, after a
    report that says so: an attempt that ends without one was lost with its worker, or with the storage of its run
    (`sweep.cluster.retries`).
    """
    is_far, unsent = is_mirrored(spec.run.path), report
    should_stop = stop_polling(spec.run.stop_file, FAR_POLL_SECONDS if is_far else POLL_SECONDS)
    if should_stop():  # it was waiting for its turn when the stop came: nothing to write, and nothing to import
        return {"status": "interrupted"}
    try:
        attempt = spec.folder.begin(spec.to_dict())
        if is_far:
            report = _sending(report, spec, attempt)
        report({"status": "running", "phase": "start"})
        return _as_newest(trial, spec, Control(report, should_stop, EarlyEndOf(spec), attempt), attempt)
    except StorageAwayError:  # as a worker that is lost: no fault of the trial's, which goes on from its checkpoint
        raise
    except Exception:
        unsent({"status": FAILING})
        raise


def _sending(report: Report, spec: TrialSpec, attempt: Attempt) -> Report:
    """The same report, before which what the trial has written is sent to where its run lies, if it is time."""
    due = 0.0

    def sent(metrics: Mapping[str, Any]) -> None:
        nonlocal due
        if metrics.get("status") == SAVED or time.monotonic() >= due:
            _send(spec, attempt)
            due = time.monotonic() + SEND_SECONDS
        report(metrics)

    return sent


def _send(spec: TrialSpec, attempt: Attempt) -> None:
    if is_mirrored(spec.run.path):
        attempt.check()
        send(spec.run.path)


def _as_newest(trial: TrialFunction, spec: TrialSpec, control: Control, attempt: Attempt) -> dict[str, Any]:
    """What comes of an attempt; of one that is no longer the newest, however it ends, that it was superseded."""
    try:
        outcome = _attempt(trial, spec, control, attempt)
        _send(spec, attempt)
    except StorageAwayError:  # nobody can tell whose the trial is
        raise
    except Exception:
        if attempt.is_newest():
            raise
    else:
        return outcome
    reason = as_told(attempt.superseded())
    sys.stderr.write(f"{reason}\n")
    attempt.end(reason)
    return {"status": SUPERSEDED, "reason": reason}


def _attempt(trial: TrialFunction, spec: TrialSpec, control: Control, attempt: Attempt) -> dict[str, Any]:
    """What comes of an attempt, told to the trial's folder as long as the trial is this attempt's.

    Raises:
        TrialSupersededError: it is not.
        Exception: what another attempt may mend.
    """
    folder = spec.folder
    try:
        result = finished_record(spec)  # looked for only now that no earlier attempt may write one any more
        if result is None:
            result = trial(spec, control)
        else:
            folder.tidy()
    except TrialInterruptedError:
        attempt.check()
        folder.release()
        return {"status": "interrupted"}
    except TrialStoppedEarlyError as ended:
        attempt.check()
        folder.stop_early(ended.stopped)
        return {"status": STOPPED_EARLY}
    except GapsackError as error:
        attempt.check()
        folder.fail(str(error))
        return {"status": "failed", "reason": as_told(str(error))}
    return {"status": "done", "gap": result.gap, "size_bytes": result.size_bytes[spec.grid.budget.precision]}
