"""Which attempts at a trial count: those that fail by themselves, not those whose worker or node was taken away.

An attempt that ends by an error says so before it raises (`sweep.cluster.worker`), and `resources.retries` are for such
ones. One that ends without a word was lost with its worker: preempted, killed, cut off, out of memory; or the bucket of
its run was away for longer than there was patience. It goes on from its last checkpoint wherever there is a place, and
costs no retry; but after `MOST_LOSSES` in a row without a newer checkpoint the trial fails, since it would never end.

Importing this module imports Ray Tune.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from gapsack.sweep.cluster.worker import FAILING
from gapsack.sweep.trial.control import SAVED

MOST_LOSSES = 5
"""Workers that a trial may lose in a row without a newer checkpoint in between; the last of them ends it."""

AT_FIRST = MOST_LOSSES - 1
"""Tune's `max_failures` of a trial of which nothing was heard yet."""


@dataclass
class _Attempts:
    """What became of a trial's attempts in this sweep.

    Attributes:
        failed: Those that ended by an error of their own.
        losses: Those lost with their worker since the last progress.
        failing: The one that runs has told that it ends by an error.
        checkpoint: The latest that there was, by its step.
        evaluations: Averages of checkpoints that were measured, which are kept as well.
    """

    failed: int = 0
    losses: int = 0
    failing: bool = False
    checkpoint: int = -1
    evaluations: int = 0

    def hear(self, result: dict[str, Any]) -> None:
        """A report of the attempt that runs."""
        if result.get("status") == FAILING:
            self.failing = True
            return
        checkpoint, evaluations = self.checkpoint, self.evaluations
        if result.get("status") == SAVED:
            checkpoint = max(checkpoint, int(result["checkpoint"]))
        elif result.get("phase") == "averaging":
            evaluations = max(evaluations, int(result["evaluations"]))
        if (checkpoint, evaluations) != (self.checkpoint, self.evaluations):
            self.checkpoint, self.evaluations, self.losses = checkpoint, evaluations, 0

    def end(self) -> None:
        """The attempt that ran is over, without a result."""
        self.failed += self.failing
        self.losses += not self.failing
        self.failing = False

    def may_end_again(self, retries: int) -> bool:
        """Whether another attempt follows if the one that runs ends now."""
        return self.failed < retries if self.failing else self.losses + 1 < MOST_LOSSES


class Retries(tune.Callback):
    """Tells Tune, ahead of what may happen next, whether another attempt follows: by the trial's own `max_failures`.

    Tune decides at the moment in which an attempt ends, and asks nobody.

    Args:
        retries: further attempts after attempts that failed by themselves.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._attempts: dict[str, _Attempts] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_info: Any
    ) -> None:
        """A report of a running trial: it may have made progress, or be about to fail."""
        self._of(trial).hear(result)
        self._tell(trial)

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **_info: Any) -> None:
        """An attempt has ended and another follows."""
        self._of(trial).end()
        self._tell(trial)

    def why_no_more(self, trial: Trial) -> str:
        """Of a trial whose last attempt has failed: what follows its reason in the sentence that tells it."""
        if self._of(trial).failing or self._of(trial).losses + 1 < MOST_LOSSES:
            return ""
        return f"; {MOST_LOSSES} attempts in a row were lost so, without a newer checkpoint"

    def _of(self, trial: Trial) -> _Attempts:
        return self._attempts.setdefault(trial.trial_id, _Attempts())

    def _tell(self, trial: Trial) -> None:
        ended = trial.num_failures  # of either kind, by Tune's count
        trial.max_failures = ended + self._of(trial).may_end_again(self._retries)
