"""Weights polished on the metric itself, by evaluating it: GAP is a step function and has no gradient.

``quick`` fits a parabola along a few directions that hardly interact; ``pattern`` makes moves in ever smaller steps.
Both only ever accept a gain, and ask for what they want scored (``selection.blend.probes``). Moves between all pairs of
eighteen members end 4e-5 GAP higher than moves along the axes alone, at ten times the evaluations: with many members
they are for the last of a search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.probes import AHEAD, Climb, Probe, Weights
from gapsack.selection.blend.weights import on_simplex

if TYPE_CHECKING:
    from numpy.typing import NDArray

Move = Callable[[Weights, float], Weights | None]

QUICK_STEP = 0.12
QUICK_ROUNDS = 2
RADIUS_STEPS = 3.0  # first steps from the start of a pattern search to most weights that it looks at
COARSE_STEPS = (0.02, 0.007, 0.002)
FINE_STEPS = (0.01, 0.004, 0.0015, 0.0005, 0.00015)
GAIN = 1e-12  # what counts as better: more than rounding
FEW_MEMBERS = 8  # up to which moves between all pairs cost little more than moves along the axes
MAX_PASSES = 12  # over all pairs at one step size


def quick(start: Weights, directions: NDArray[np.float64]) -> Climb:
    """Parabolic line searches along given directions (``Products.conjugate_directions``).

    Three evaluations a direction and round. Returns the best weights seen and their score.
    """
    weights = on_simplex(start)
    ((best,),) = yield [Probe((weights,))]
    step = QUICK_STEP
    for _ in range(QUICK_ROUNDS):
        for direction in directions:
            forward, backward = on_simplex(weights + step * direction), on_simplex(weights - step * direction)
            ((ahead, behind),) = yield [Probe((forward, backward))]
            tries = [(ahead, forward), (behind, backward)]
            curvature = ahead + behind - 2.0 * best
            if curvature < 0.0:
                shift = float(np.clip((behind - ahead) / (2.0 * curvature), -2.0, 2.0))
                vertex = on_simplex(weights + shift * step * direction)
                ((at_vertex,),) = yield [Probe((vertex,))]
                tries.append((at_vertex, vertex))
            gained, moved = max(tries, key=lambda pair: pair[0])
            if gained > best + GAIN:
                weights, best = moved, gained
        step /= 2.0
    return weights, best


def pattern(start: Weights, steps: tuple[float, ...], moves: Sequence[Move]) -> Climb:
    """Try every move as long as one gains, in steps that shrink.

    A move that gained is repeated at once, twice as far each time, and a pass in which one gained is followed by
    another of the same step. Points are asked for as if none of them gained, beyond the end of a pass and of a step
    too, so that every batch but the last is full; none is asked for twice from the same weights. Returns the best
    weights seen and their score.
    """
    weights = on_simplex(start)
    near = (weights, RADIUS_STEPS * steps[0])
    ((best,),) = yield [Probe((weights,), near=near)]
    place = _Place(0, 0, 0, steps[0]) if moves else None
    tried = {weights.tobytes()}  # since the last gain: none of them is one
    while True:
        ahead: list[tuple[_Place, Weights]] = []
        while place is not None and len(ahead) < AHEAD:
            moved = moves[place.move](weights, place.share)
            if moved is not None and moved.tobytes() not in tried:
                tried.add(moved.tobytes())
                ahead.append((place, moved))
            place = place.after(len(moves), steps)
        if not ahead:
            return weights, best
        (scores,) = yield [Probe(tuple(moved for _, moved in ahead), best + GAIN, near)]
        if scores[-1] > best + GAIN:
            best = scores[-1]
            gained, weights = ahead[len(scores) - 1]
            place = replace(gained, share=2.0 * gained.share, gained=True)
            tried = {weights.tobytes()}


@dataclass(frozen=True)
class _Place:
    """Where a pattern search is.

    Attributes:
        step: number of the step size.
        passes: over all moves at this step size, before this one.
        move: number of the move.
        share: what it moves.
        gained: whether this pass has gained so far.
    """

    step: int
    passes: int
    move: int
    share: float
    gained: bool = False

    def after(self, moves: int, steps: tuple[float, ...]) -> _Place | None:
        """Where the search goes on when this move gains nothing; None at its end."""
        if self.move + 1 < moves:
            return replace(self, move=self.move + 1, share=steps[self.step])
        if self.gained and self.passes + 1 < MAX_PASSES:
            return _Place(self.step, self.passes + 1, 0, steps[self.step])
        if self.step + 1 < len(steps):
            return _Place(self.step + 1, 0, 0, steps[self.step + 1])
        return None


def moves_for(members: Sequence[int]) -> list[Move]:
    """Between pairs where those are few, else along the axes."""
    return between_pairs(members) if len(members) <= FEW_MEMBERS else along_axes(members)


def along_axes(members: Sequence[int]) -> list[Move]:
    """Two moves a member: it gains a share from all others, in proportion to theirs, or gives one to them."""
    return [partial(shifted, member=member, sign=sign) for member in members for sign in (1.0, -1.0)]


def between_pairs(members: Sequence[int]) -> list[Move]:
    """n (n - 1) moves of n members: a share from one to another."""
    return [partial(transferred, giver=giver, taker=taker) for giver in members for taker in members if giver != taker]


def shifted(weights: Weights, share: float, *, member: int, sign: float) -> Weights | None:
    """Weights after a member's grew or shrank by up to ``share``, the others in proportion; None if it cannot."""
    own = float(weights[member])
    others = weights.copy()
    others[member] = 0.0
    rest = float(others.sum())  # summed, since 1 - own is all rounding where the member has nearly everything
    change = min(share, rest) if sign > 0 else -min(share, own)
    if change == 0.0 or rest == 0.0:
        return None
    moved = others * ((rest - change) / rest)
    moved[member] = own + change
    return on_simplex(moved)


def transferred(weights: Weights, share: float, *, giver: int, taker: int) -> Weights | None:
    """Weights after one member gave up to ``share`` to another; None if it has nothing to give."""
    share = min(share, float(weights[giver]))
    if share <= 0.0:
        return None
    moved = weights.copy()
    moved[giver] -= share
    moved[taker] += share
    return on_simplex(moved)
