"""What runs in a Ray worker: one trial, its outcome told to Tune and to the trial's folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from gapsack.selection.errors import GapsackError
from gapsack.sweep.runs.folder import STOPPED_EARLY, StoppedEarly
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.rungs import RungHistory, RungReport
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.control import (
    Control,
    Report,
    ShouldStop,
    TrialInterruptedError,
    TrialStoppedEarlyError,
)

POLL_SECONDS = 1.0


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
            stopped = stop_file.exists()
            next_look = now + poll_seconds
        return stopped

    return should_stop


class EarlyEndOf:
    """Whether a trial is to end early, by the comparisons in its folder (`sweep.runs.rungs`).

    They are read when the attempt begins and after each GAP that it reports.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._verdict: RungReport | None = None
        self.look()

    def look(self) -> None:
        """Read the trial's comparisons."""
        self._verdict = RungHistory.of(self._spec.folder).verdict

    def at(self, step: int, seconds: float) -> StoppedEarly | None:
        """How the trial ends at a step, if it does."""
        verdict, steps = self._verdict, self._spec.grid.training.steps
        if verdict is None or step < verdict.step:
            return None
        reason = verdict.reason or ""
        return StoppedEarly(step=step, steps=steps, rung=verdict.rung, gap=verdict.gap, reason=reason)


def run_in_worker(trial: TrialFunction, spec: TrialSpec, report: Report) -> dict[str, Any]:
    """Run `trial`; the result is its last report, with `status` done, failed, interrupted or stopped early.

    What another attempt may mend is raised, so that Tune retries it.
    """
    folder = spec.folder
    should_stop = stop_polling(spec.run.stop_file)
    if should_stop():  # it was waiting for its turn when the stop came: nothing to write, and nothing to import
        return {"status": "interrupted"}
    folder.begin(spec.to_dict())
    report({"status": "running", "phase": "start"})
    try:
        result = trial(spec, Control(report, should_stop, EarlyEndOf(spec)))
    except TrialInterruptedError:
        folder.release()
        return {"status": "interrupted"}
    except TrialStoppedEarlyError as ended:
        folder.stop_early(ended.stopped)
        return {"status": STOPPED_EARLY}
    except GapsackError as error:
        folder.fail(str(error))
        return {"status": "failed", "reason": str(error)}
    folder.release()
    return {"status": "done", "gap": result.gap, "size_bytes": result.size_bytes[spec.grid.budget.precision]}
