"""Weights polished on the metric itself, by evaluating it: GAP is a step function and has no gradient.

``quick`` fits a parabola along a few directions that hardly interact; ``pattern`` makes moves in ever smaller steps.
Both only ever accept a gain. Moves between all pairs of eighteen members end 4e-5 GAP higher than moves along the axes
alone, at ten times the evaluations: with many members they are for the last of a search.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.weights import on_simplex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.blend.score import BlendScore

    Weights = NDArray[np.float64]
    Move = Callable[[Weights, float], Weights | None]
    Moves = Callable[[int], list[Move]]

QUICK_STEP = 0.12
QUICK_ROUNDS = 2
RADIUS_STEPS = 3.0  # first steps from the start of a pattern search to most weights that it looks at
COARSE_STEPS = (0.02, 0.007, 0.002)
FINE_STEPS = (0.01, 0.004, 0.0015, 0.0005, 0.00015)
GAIN = 1e-12  # what counts as better: more than rounding
FEW_MEMBERS = 8  # up to which moves between all pairs cost little more than moves along the axes
MAX_PASSES = 12  # over all pairs at one step size


def quick(score: BlendScore, start: Weights, directions: NDArray[np.float64]) -> tuple[Weights, float]:
    """Parabolic line searches along given directions (``Products.conjugate_directions``).

    Three evaluations a direction and round. Returns the best weights seen and their score.
    """
    weights, best = start, score(start)
    step = QUICK_STEP
    for _ in range(QUICK_ROUNDS):
        for direction in directions:
            forward, backward = on_simplex(weights + step * direction), on_simplex(weights - step * direction)
            ahead, behind = score(forward), score(backward)
            tries = [(ahead, forward), (behind, backward)]
            curvature = ahead + behind - 2.0 * best
            if curvature < 0.0:
                shift = float(np.clip((behind - ahead) / (2.0 * curvature), -2.0, 2.0))
                vertex = on_simplex(weights + shift * step * direction)
                tries.append((score(vertex), vertex))
            gained, moved = max(tries, key=lambda pair: pair[0])
            if gained > best + GAIN:
                weights, best = moved, gained
        step /= 2.0
    return weights, best


def pattern(score: BlendScore, start: Weights, steps: tuple[float, ...], moves: Moves) -> tuple[Weights, float]:
    """Try every move as long as one gains, in steps that shrink.

    A move that gained is repeated at once, twice as far each time. Returns the best weights seen and their score.
    """
    score.focus(start, RADIUS_STEPS * steps[0])
    weights, best = start, score(start)
    tried = moves(len(start))
    for step in steps:
        for _ in range(MAX_PASSES):
            before = best
            for move in tried:
                share = step
                while (moved := move(weights, share)) is not None and (gained := score(moved)) > best + GAIN:
                    weights, best = moved, gained
                    share *= 2.0
            if best <= before + GAIN:
                break
    return weights, best


def moves_for(count: int) -> list[Move]:
    """Between pairs where those are few, else along the axes."""
    return between_pairs(count) if count <= FEW_MEMBERS else along_axes(count)


def along_axes(count: int) -> list[Move]:
    """2 ``count`` moves: a member gains a share from all others, in proportion to theirs, or gives one to them."""
    return [partial(shifted, member=member, sign=sign) for member in range(count) for sign in (1.0, -1.0)]


def between_pairs(count: int) -> list[Move]:
    """``count`` (``count`` - 1) moves: a share from one member to another."""
    return [
        partial(transferred, giver=giver, taker=taker)
        for giver in range(count)
        for taker in range(count)
        if giver != taker
    ]


def shifted(weights: Weights, share: float, *, member: int, sign: float) -> Weights | None:
    """Weights after a member's grew or shrank by up to ``share``, the others in proportion; None if it cannot."""
    own = float(weights[member])
    change = min(share, 1.0 - own) if sign > 0 else -min(share, own)
    if change == 0.0 or own == 1.0:
        return None
    moved = weights * ((1.0 - own - change) / (1.0 - own))
    moved[member] = own + change
    return moved


def transferred(weights: Weights, share: float, *, giver: int, taker: int) -> Weights | None:
    """Weights after one member gave up to ``share`` to another; None if it has nothing to give."""
    share = min(share, float(weights[giver]))
    if share <= 0.0:
        return None
    moved = weights.copy()
    moved[giver] -= share
    moved[taker] += share
    return moved
