"""Weights polished on the metric itself, by evaluating it: GAP is a step function and has no gradient.

``quick`` fits a parabola along a few directions that hardly interact; ``pattern`` moves shares between pairs of members
in ever smaller steps. Both only ever accept a gain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from selection.weights import on_simplex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from selection.evaluate import BlendScore

    Weights = NDArray[np.float64]

QUICK_STEP = 0.12
QUICK_ROUNDS = 2
PATTERN_RADIUS = 0.06  # from the start of a pattern search to most weights that it looks at
COARSE_STEPS = (0.02, 0.007, 0.002)
FINE_STEPS = (0.01, 0.004, 0.0015, 0.0005, 0.00015)
GAIN = 1e-12  # what counts as better: more than rounding
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


def pattern(score: BlendScore, start: Weights, steps: tuple[float, ...]) -> tuple[Weights, float]:
    """Move a share from one member to another as long as that gains, in steps that shrink.

    A move that gained is repeated at once, twice as long each time. Returns the best weights seen and their score.
    """
    score.focus(start, PATTERN_RADIUS)
    weights, best = start, score(start)
    count = len(start)
    pairs = [(giver, taker) for giver in range(count) for taker in range(count) if giver != taker]
    for step in steps:
        for _ in range(MAX_PASSES):
            before = best
            for giver, taker in pairs:
                share = step
                while weights[giver] > 0.0:
                    moved = transferred(weights, giver, taker, share)
                    gained = score(moved)
                    if gained <= best + GAIN:
                        break
                    weights, best = moved, gained
                    share *= 2.0
            if best <= before + GAIN:
                break
    return weights, best


def transferred(weights: Weights, giver: int, taker: int, share: float) -> Weights:
    """Weights after one member gave up to ``share`` to another."""
    share = min(share, float(weights[giver]))
    moved = weights.copy()
    moved[giver] -= share
    moved[taker] += share
    return moved
