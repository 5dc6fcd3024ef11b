"""A multi-objective ASHA: at each rung trials are compared by size and GAP.

After MO-ASHA of Schmucker et al., "Multi-objective asynchronous successive halving" (2021), and its implementation in
Syne Tune: the trials at a rung are sorted into fronts, each of trials of which none is both smaller and better than
another of the same or a later front, and within a front so that those that come first cover it evenly.

Importing this module imports Ray Tune.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

RUNG_STEP, GAP, SIZE = "rung_step", "gap", "size_bytes"
"""Keys of a result: the step of the rung that a trial has come to, its GAP there, and its size in bytes."""


class SizeAndGap(NamedTuple):
    """What trials are compared by: a size in bytes, to be small, and a GAP, to be large."""

    size_bytes: float
    gap: float

    def dominates(self, other: SizeAndGap) -> bool:
        """Whether this is better in one and no worse in the other."""
        return self != other and self.size_bytes <= other.size_bytes and self.gap >= other.gap


class MultiObjectiveAsha(FIFOScheduler):
    """Stops a trial at a rung if it is not among the first 1 / `reduction_factor` of those that came there so far.

    Nothing is stopped at a rung before `reduction_factor` trials have come to it. Results have the keys `RUNG_STEP`,
    `GAP` and `SIZE`; a trial reports once a rung.
    """

    def __init__(self, reduction_factor: float) -> None:
        super().__init__()
        self._reduction_factor = reduction_factor
        self._rungs: dict[float, dict[str, SizeAndGap]] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Compare a trial at the rung that it has come to."""
        at_rung = self._rungs.setdefault(result[RUNG_STEP], {})
        at_rung[trial.trial_id] = SizeAndGap(result[SIZE], result[GAP])
        if len(at_rung) < self._reduction_factor:
            return str(TrialScheduler.CONTINUE)
        going_on = ranked(at_rung)[: math.ceil(len(at_rung) / self._reduction_factor)]
        return str(TrialScheduler.CONTINUE if trial.trial_id in going_on else TrialScheduler.STOP)


def ranked(trials: Mapping[str, SizeAndGap]) -> list[str]:
    """Trials from the first to the last: front by front and, within one, covering it evenly.

    A front begins with its best GAP. Then comes, again and again, the one that is furthest from the nearest of those
    before it, by the logarithm of the size and by GAP, each scaled to the range that it has among all trials; of
    equally far ones the smaller, then the first by name.
    """
    scaled = _scaled(trials)
    order: list[str] = []
    for front in fronts(trials):
        left = sorted(front, key=lambda name: (-trials[name].gap, trials[name].size_bytes, name))
        taken = [left.pop(0)]
        nearest = {name: math.dist(scaled[name], scaled[taken[0]]) for name in left}
        while left:
            best = min(left, key=lambda name: (-nearest[name], trials[name].size_bytes, name))
            left.remove(best)
            taken.append(best)
            for name in left:
                nearest[name] = min(nearest[name], math.dist(scaled[name], scaled[best]))
        order += taken
    return order


def fronts(trials: Mapping[str, SizeAndGap]) -> list[list[str]]:
    """Trials by front (non-dominated sorting): the first has those that no trial dominates, and so on."""
    found: list[list[str]] = []
    # From small to large, and of equal sizes the best first: what dominates a trial comes before it.
    for name in sorted(trials, key=lambda name: (trials[name].size_bytes, -trials[name].gap, name)):
        for front in found:
            if not any(trials[other].dominates(trials[name]) for other in front):
                front.append(name)
                break
        else:
            found.append([name])
    return found


def _scaled(trials: Mapping[str, SizeAndGap]) -> dict[str, tuple[float, float]]:
    """Log size and GAP, each from 0 to 1."""
    sizes = {name: math.log(max(each.size_bytes, 1)) for name, each in trials.items()}
    gaps = {name: each.gap for name, each in trials.items()}

    def place(values: Mapping[str, float], name: str) -> float:
        low, high = min(values.values()), max(values.values())
        return 0.0 if high == low else (values[name] - low) / (high - low)

    return {name: (place(sizes, name), place(gaps, name)) for name in trials}
