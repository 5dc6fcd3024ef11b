"""Which trials are stopped early: decided in the Tune process, kept in the trials' folders, obeyed by their workers.

Tune's own STOP would end a worker's thread wherever it is. Here a trial reports an evaluation and waits, as every
report does, until Tune has looked at it; by then the decision stands in the trial's folder, and the trial ends itself
in order. So the decisions outlive every process, and a sweep that goes on makes none of them again.

Importing this module imports Ray Tune.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from gapsack.models import sizes
from gapsack.selection.decimals import score_text
from gapsack.sweep.cluster.away import insist
from gapsack.sweep.cluster.fronts import GAP, RUNG_STEP, SIZE, MultiObjectiveAsha
from gapsack.sweep.grid.scheduling import Scheduler
from gapsack.sweep.runs.rungs import RungHistory, RungReport
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec

LEAST_TRIALS = 3
"""So many other trials must have come as far before the median of them stops one: Tune's own default."""

_MOST_STEPS = 10**12
"""Beyond any training: a scheduler's own end of trials never comes."""


@dataclass(frozen=True)
class _Reporter:
    """What a Tune scheduler is told of a trial: its name, which is the same in every attempt and every process."""

    trial_id: str


class _NoneWaits:
    """What a Tune scheduler is told of other trials: none waits for the place of one that reports."""

    @staticmethod
    def get_live_trials() -> list[Any]:
        """No trial."""
        return []


class StoppingRule:
    """Tune's schedulers, one for each bracket of trials, told of results in the order in which these came."""

    def __init__(self, scheduler: Scheduler, evaluation_steps: int) -> None:
        self._scheduler = scheduler
        self._evaluation_steps = evaluation_steps
        self._brackets = [self._of_bracket(bracket) for bracket in range(scheduler.brackets)]
        self._known: set[str] = set()
        self._at_rung: dict[tuple[int, int], set[str]] = {}

    def compared(self, trial: str, rung: int) -> int:
        """How many trials of a trial's bracket have come to a rung."""
        return len(self._at_rung.get((self._scheduler.bracket_of(trial), rung), ()))

    def tell(self, trial: str, rung: int, step: int, gap: float, size_bytes: int) -> bool:
        """A trial has come to a rung; whether it is to stop there."""
        bracket = self._scheduler.bracket_of(trial)
        tuned: Any = self._brackets[bracket]
        if trial not in self._known:
            self._known.add(trial)
            tuned.on_trial_add(_NoneWaits(), _Reporter(trial))
        self._at_rung.setdefault((bracket, rung), set()).add(trial)
        rung_step = (
            step if self._scheduler.kind == "median" else self._scheduler.rung_step(rung, self._evaluation_steps)
        )
        result = {RUNG_STEP: rung_step, GAP: gap, SIZE: size_bytes}
        return bool(tuned.on_trial_result(_NoneWaits(), _Reporter(trial), result) == TrialScheduler.STOP)

    def _of_bracket(self, bracket: int) -> TrialScheduler:
        scheduler = self._scheduler
        if scheduler.kind == "mo_asha":
            return MultiObjectiveAsha(scheduler.reduction_factor)
        if scheduler.kind == "median":
            return MedianStoppingRule(
                time_attr=RUNG_STEP,
                metric=GAP,
                mode="max",
                grace_period=scheduler.first_step(self._evaluation_steps),
                min_samples_required=LEAST_TRIALS,
            )
        return AsyncHyperBandScheduler(
            time_attr=RUNG_STEP,
            metric=GAP,
            mode="max",
            max_t=_MOST_STEPS,
            grace_period=scheduler.rung_step(bracket, self._evaluation_steps),
            reduction_factor=scheduler.reduction_factor,
            stop_last_trials=False,
        )


class RungScheduler(FIFOScheduler):
    """Compares trials as they report, and writes what follows into their folders. Tune itself stops none.

    What earlier processes decided is told to the rule first, in its order, so that this one goes on as they would have.
    """

    def __init__(
        self, sweep: SweepSpec, scheduler: Scheduler, notice: Callable[[str], None] = lambda _sentence: None
    ) -> None:
        super().__init__()
        self._notice = notice
        self._sweep = sweep
        self._scheduler = scheduler
        training = sweep.grid.training
        self._evaluation_steps = training.evaluation_steps or training.checkpoint_steps
        self._rule = StoppingRule(scheduler, self._evaluation_steps)
        self._histories = {trial.name: RungHistory.of(trial) for trial in sweep.run.started_trials()}
        earlier = [(report, name) for name, history in self._histories.items() for report in history.reports]
        self._number = 0
        for report, name in sorted(earlier, key=lambda each: (each[0].number, each[1])):
            self._number = report.number + 1
            # With other settings there may be other rungs; what was decided stands, and is compared where it can be.
            rung = self._rung_at(name, report.step)
            if rung is not None:
                self._rule.tell(name, rung, report.step, report.gap, report.size_bytes)

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its scheduler into a state that is never read."""
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """A report of a running trial; one with a GAP may be a rung's."""
        if result.get("status") == "running" and result.get("gap") is not None and result.get("step") is not None:
            self.hear(self._sweep.trial(trial.config), int(result["step"]), float(result["gap"]))
        return str(TrialScheduler.CONTINUE)

    def hear(self, spec: TrialSpec, step: int, gap: float) -> RungReport | None:
        """A trial has measured a GAP: what that comes to, which its folder has by then; None where it is no rung."""
        name, history = spec.name, self._histories.get(spec.name, RungHistory())
        rung = self._rung_at(name, step)
        if rung is None or history.exempt or history.verdict is not None or step >= spec.grid.training.steps:
            return None
        last = max((report.step for report in history.reports), default=None)
        if last is not None and (step <= last or self._rung_at(name, last) == rung):
            return None  # it was compared there; an attempt may go on from before
        precision = self._sweep.grid.budget.precision
        size_bytes = sizes.size_bytes(spec.point.family, spec.point.hyperparameters, precision)
        stop = self._rule.tell(name, rung, step, gap, size_bytes)
        compared = self._rule.compared(name, rung)
        report = RungReport(
            number=self._number,
            rung=rung,
            step=step,
            gap=gap,
            size_bytes=size_bytes,
            compared=compared,
            stop=stop,
            reason=self._reason(rung, step, gap, compared) if stop else None,
        )
        self._number += 1
        self._histories[name] = history.model_copy(update={"reports": (*history.reports, report)})
        insist(self._sweep.run, lambda: self._histories[name].write(spec.folder), self._notice)
        return report

    def _rung_at(self, name: str, step: int) -> int | None:
        return self._scheduler.rung_at(step, self._scheduler.bracket_of(name), self._evaluation_steps)

    def _reason(self, rung: int, step: int, gap: float, compared: int) -> str:
        """Why a trial is stopped, in a sentence."""
        kind = self._scheduler.kind
        if kind == "median":
            return f"at step {step} its best GAP was below the median of the mean GAP of the others that far"
        what = f"its GAP {score_text(gap)}" if kind == "asha" else f"its size and GAP {score_text(gap)}"
        best = f"the best 1 in {self._scheduler.reduction_factor:g}"
        return f"at step {step}, rung {rung}, {what} was not among {best} of {compared} trials that far"


def scheduler_of(sweep: SweepSpec, notice: Callable[[str], None]) -> TrialScheduler:
    """What Tune is to schedule a sweep's trials with; `notice` is told in sentences what holds it up."""
    scheduler = sweep.grid.search.scheduler
    return FIFOScheduler() if scheduler is None else RungScheduler(sweep, scheduler, notice)
