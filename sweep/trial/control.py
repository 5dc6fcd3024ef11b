"""How a running trial speaks with whoever started it: it reports, and it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Report = Callable[[Mapping[str, Any]], None]
ShouldStop = Callable[[], bool]


class TrialInterruptedError(Exception):
    """The trial stopped on request, its state written; it can be continued."""


class Control:
    """One for each attempt at a trial; all its stages share it.

    Args:
        report: takes what there is to tell: `status`, `phase`, `step` of `steps`, and what was measured.
        should_stop: whether the trial is to stop at the next good place; asked once a batch, so it must be quick.
    """

    def __init__(self, report: Report, should_stop: ShouldStop) -> None:
        self._report = report
        self._should_stop = should_stop
        self._save: Callable[[], None] | None = None

    def report(self, metrics: Mapping[str, Any]) -> None:
        """Tell how far the trial is."""
        self._report(metrics)

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
