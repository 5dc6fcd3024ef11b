"""What a weight search wants to know next, so that whoever answers may do so in any order and on any machine.

A search is a generator: it yields requests, is sent their answers, and returns weights with their score. It knows
nothing of workers. Points are asked for in batches whose length is fixed here, as if none of them were a gain; an
answer ends at the first that is one. So the weights found are those of a search that asks one point at a time, whatever
was computed in vain.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
Gain = tuple[Weights, float]

AHEAD = 16  # points asked for at a time; more help more workers and cost more in vain


@dataclass(frozen=True)
class Probe:
    """Scores of some points, in their order.

    Attributes:
        points: weights, not negative and of sum one.
        above: the answer ends with the first score above this.
        near: (centre, radius) of which all points lie within; the score is the same without, and takes longer.
    """

    points: tuple[Weights, ...]
    above: float = np.inf
    near: tuple[Weights, float] | None = None

    def pieces(self) -> list[Probe]:
        """The same as requests of one point each."""
        return [Probe((point,), self.above, self.near) for point in self.points]

    def ended(self, scores: Sequence[float]) -> list[float]:
        """Scores up to the first above the bound."""
        last = next((place for place, score in enumerate(scores) if score > self.above), len(scores) - 1)
        return list(scores[: last + 1])


@dataclass(frozen=True)
class Solve:
    """The best weights of some members for a metric that is convex in them, else those of least log loss.

    From some start, zero for all other members; no score is asked for.
    """

    start: Weights
    members: tuple[int, ...]


Request = Probe | Solve
Climb = Generator[list[Request], list[Any], Gain]


def together(climbs: Sequence[Climb]) -> Generator[list[Request], list[Any], list[Gain]]:
    """Run searches side by side, each going on as soon as all of a batch are answered; their outcomes in order."""
    found: dict[int, Gain] = {}
    waiting: dict[int, list[Request]] = {}

    def go_on(place: int, answers: list[Any] | None) -> None:
        try:
            waiting[place] = next(climbs[place]) if answers is None else climbs[place].send(answers)
        except StopIteration as end:
            waiting.pop(place, None)
            found[place] = end.value

    for place in range(len(climbs)):
        go_on(place, None)
    while waiting:
        answers = iter((yield [request for requests in waiting.values() for request in requests]))
        for place, requests in list(waiting.items()):
            go_on(place, [next(answers) for _ in requests])
    return [found[place] for place in range(len(climbs))]
