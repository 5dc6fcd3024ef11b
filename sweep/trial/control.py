"""How a running trial speaks with whoever started it: it reports, it is asked to stop, and told to end early."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from gapsack.sweep.runs.attempts import Attempt
from gapsack.sweep.runs.folder import StoppedEarly

SAVED = "saved"
"""Status of a report that says no more than which `checkpoint` there is now, by its step."""

Report = Callable[[Mapping[str, Any]], None]
ShouldStop = Callable[[], bool]


class TrialInterruptedError(Exception):
    """The trial stopped on request, its state written; it can be continued."""


class TrialStoppedEarlyError(Exception):
    """The trial ends before its last step, its state written; a person may have it trained on.

    Attributes:
        stopped: How it ends.
    """

    def __init__(self, stopped: StoppedEarly) -> None:
        super().__init__(stopped.reason)
        self.stopped = stopped


class EarlyEnd(Protocol):
    """What says whether a trial is to end before its last step."""

    def look(self) -> None:
        """A report with a GAP was heard: a decision may have followed."""

    def at(self, step: int, seconds: float) -> StoppedEarly | None:
        """How the trial ends, if it has no business beyond so many steps, and seconds of training; else None."""


class Control:
    """One for each attempt at a trial; all its stages share it.

    Args:
        report: takes what there is to tell: `status`, `phase`, `step` of `steps`, and what was measured.
        should_stop: whether the trial is to stop at the next good place; asked once a batch, so it must be quick.
        early_end: says whether the trial is to end early; None where nothing does.
        attempt: whose the trial must be for anything to be written or deleted; None where nobody else can have it.
    """

    def __init__(
        self,
        report: Report,
        should_stop: ShouldStop,
        early_end: EarlyEnd | None = None,
        attempt: Attempt | None = None,
    ) -> None:
        self._report = report
        self._should_stop = should_stop
        self._early_end = early_end
        self._attempt = attempt
        self._save: Callable[[], None] | None = None

    def report(self, metrics: Mapping[str, Any]) -> None:
        """Tell how far the trial is. What it comes to is decided by the time this returns."""
        self._report(metrics)
        if self._early_end is not None and metrics.get("gap") is not None:
            self._early_end.look()

    def check_owner(self) -> None:
        """Called before files of the trial are written or deleted.

        Raises:
            TrialSupersededError: a newer attempt has the trial.
        """
        if self._attempt is not None:
            self._attempt.check()

    def end_early(self, step: int, seconds: float) -> None:
        """Called between steps, where training can end.

        Raises:
            TrialStoppedEarlyError: the trial is to end; what the block of `saving` keeps is written.
        """
        stopped = None if self._early_end is None else self._early_end.at(step, seconds)
        if stopped is not None:
            if self._save is not None:
                self._save()
            raise TrialStoppedEarlyError(stopped)

    def tick(self) -> None:
        """Called between batches, where the trial can stop.

        Raises:
            TrialInterruptedError: it is asked to; what the block of `saving` keeps is written.
        """
        if self._should_stop():
            if self._save is not None:
                self._save()
            raise TrialInterruptedError

    @contextmanager
    def saving(self, save: Callable[[], None]) -> Iterator[None]:
        """Within the block, `save` writes what it takes to go on before the trial stops. Elsewhere nothing need be."""
        before, self._save = self._save, save
        try:
            yield
        finally:
            self._save = before
