"""Checkpoint averaging: which range of steps to average, found with few evaluations and few models in memory.

Averages of neighbouring ranges score alike, so the search goes from coarse to fine: first the ranges between a few
evenly spaced checkpoints, then the best one's ends are moved by half that distance, a quarter, and so on. All averages
that end at the same checkpoint come from one pass that adds checkpoints backwards from there to a running sum: each
checkpoint is read once a pass, and no more than the sum, one checkpoint and one average are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from numpy.typing import NDArray

from gapsack.models.checkpoints import RunningAverage

Weights = Mapping[str, NDArray[Any]]
Range = tuple[int, int]
"""First and last step, both included."""


@dataclass(frozen=True)
class AveragingResult:
    """What the search found.

    Attributes:
        step_single: step of the best single checkpoint.
        gap_single: its score.
        best_range: steps of the best average of two or more checkpoints; None where there is only one checkpoint.
        gap_averaged: its score.
        evaluated: every score by range; a single checkpoint is a range of one step.
    """

    step_single: int
    gap_single: float
    best_range: Range | None
    gap_averaged: float | None
    evaluated: dict[Range, float]

    @property
    def chosen(self) -> Range:
        """The range to keep: the best average, unless a single checkpoint is better."""
        if self.best_range is None or self.gap_averaged is None or self.gap_averaged < self.gap_single:
            return (self.step_single, self.step_single)
        return self.best_range

    @property
    def gap(self) -> float:
        """The score of what is kept."""
        return self.evaluated[self.chosen]


@dataclass
class RangeSearch:
    """Searches the ranges of `steps`.

    Args:
        steps: steps that have a checkpoint, ascending, at least one.
        read: weights of a step.
        score: score of weights, to be large.
        max_evaluations: how many averages may be scored, not counting those that are in `scores` from the start.
        scores: scores that are known, by range; filled as the search goes.
        remembered: scores of an interrupted search with the same arguments. They count as evaluations, so that the
            search takes the same way again.
        on_score: called after each evaluation.
    """

    steps: Sequence[int]
    read: Callable[[int], Weights]
    score: Callable[[Weights], float]
    max_evaluations: int
    scores: dict[Range, float] = field(default_factory=dict)
    remembered: Mapping[Range, float] = field(default_factory=dict)
    on_score: Callable[[Range, float], None] = lambda _range, _score: None

    def run(self) -> AveragingResult:
        """Search; at least one checkpoint is scored, whatever the limit."""
        self._left = self.max_evaluations
        self._score_singles()
        if len(self.steps) > 1:
            spacing = self._score_coarse()
            self._refine(spacing)
        singles = {steps: gap for steps, gap in self.scores.items() if steps[0] == steps[1]}
        ranges = {steps: gap for steps, gap in self.scores.items() if steps[0] < steps[1]}
        single = max(singles, key=lambda steps: (singles[steps], steps[0]))
        best = max(ranges, key=lambda steps: (ranges[steps], steps[1] - steps[0]), default=None)
        return AveragingResult(single[0], singles[single], best, None if best is None else ranges[best], self.scores)

    def _score_singles(self) -> None:
        """Single checkpoints that training did not evaluate: evenly spaced ones, for a quarter of the evaluations."""
        places = spaced(len(self.steps), max(1, self._left // 4))
        self._evaluate((place, place) for place in places)

    def _score_coarse(self) -> int:
        """The ranges between evenly spaced checkpoints, for about half of the evaluations; returns their spacing."""
        count = 2
        while count < len(self.steps) and count * (count + 1) // 2 <= self._left // 2:
            count += 1
        places = spaced(len(self.steps), count)
        self._evaluate((first, last) for first in places for last in places if first < last)
        return max(1, places[1] - places[0])

    def _refine(self, spacing: int) -> None:
        """Move the ends of the best range by ever smaller distances, as long as evaluations are left."""
        distance = max(1, spacing // 2)
        while self._left > 0:
            first, last = best = self._best_range()
            moves = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1)]
            near = [(first + distance * a, last + distance * b) for a, b in moves]
            self._evaluate(place for place in near if 0 <= place[0] < place[1] < len(self.steps))
            if self._best_range() == best:
                if distance == 1:
                    return
                distance //= 2

    def _best_range(self) -> Range:
        """Places of the best average so far."""
        ranges = {steps: gap for steps, gap in self.scores.items() if steps[0] < steps[1]}
        first, last = max(ranges, key=lambda steps: (ranges[steps], steps[1] - steps[0]))
        return self.steps.index(first), self.steps.index(last)

    def _evaluate(self, places: Iterable[Range]) -> None:
        """Score ranges of places that are not scored yet, as many as may be, in one pass for each last place."""
        wanted = dict.fromkeys(place for place in places if self._steps_of(place) not in self.scores)
        allowed = sorted(list(wanted)[: max(0, self._left)], key=lambda place: (place[1], -place[0]))
        self._left -= len(allowed)
        for last, group in groupby(allowed, key=lambda place: place[1]):
            self._evaluate_backwards(last, [first for first, _last in group])

    def _evaluate_backwards(self, last: int, firsts: Sequence[int]) -> None:
        """Score the ranges from each of `firsts` (descending) to `last`."""
        running = RunningAverage()
        place = last + 1
        for first in firsts:
            steps = self._steps_of((first, last))
            if steps in self.remembered:
                self.scores[steps] = self.remembered[steps]
                continue
            while place > first:
                place -= 1
                running.add(self.read(self.steps[place]))
            self.scores[steps] = self.score(running.mean())
            self.on_score(steps, self.scores[steps])

    def _steps_of(self, place: Range) -> Range:
        return self.steps[place[0]], self.steps[place[1]]


def average(steps: Sequence[int], chosen: Range, read: Callable[[int], Weights]) -> Weights:
    """The mean of the checkpoints in a range, summed in the order in which the search scored it."""
    running = RunningAverage()
    for step in reversed([step for step in steps if chosen[0] <= step <= chosen[1]]):
        running.add(read(step))
    return running.mean()


def spaced(count: int, wanted: int) -> list[int]:
    """At most `wanted` places among `count`, evenly spaced: the last one always, the first when there are two."""
    if wanted == 1 or count == 1:
        return [count - 1]
    wanted = min(wanted, count)
    return sorted({round(index * (count - 1) / (wanted - 1)) for index in range(wanted)})
