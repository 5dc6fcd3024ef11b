"""Local search with restarts, for pools with too many subsets to list.

From a maximal subset, one or two members are dropped, one item joins, and the rest of the room is filled by squared
error. Squared errors come from inner products and cost microseconds: all such neighbours are ranked by them, and only
the most promising, with a few others for luck, are scored on the metric. Everything scored on the way takes part in the
race that follows.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.subsets.board import SHORT_LIST
from gapsack.selection.subsets.greedy import at_random, by_loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gapsack.selection.subsets.board import Board
    from gapsack.selection.subsets.space import Subset

MOVES = 48  # neighbours that a step scores on the metric
MAX_STEPS = 30  # of one descent; it ends by itself long before
PAIR_DROPS = 12  # members up to which two are dropped at a time


def restarts(board: Board, starts: list[Subset], count: int, rng: np.random.Generator) -> int:
    """Climb from given starts, from a filling by squared error, and from ``count`` random maximal subsets.

    Returns:
        How many distinct subsets were scored; they are on the board, with cheap weights.
    """
    origins = [*(by_loss(board, start) for start in starts), by_loss(board, board.space.smallest_required)]
    origins += [at_random(board, rng) for _ in range(count)]
    for place, origin in enumerate(origins):
        board.tell("local search", place, len(origins))
        climb(board, origin, rng)
    return len(board.level("cheap"))


def climb(board: Board, subset: Subset, rng: np.random.Generator) -> Subset:
    """Move to the best-scoring neighbour as long as it is better; returns where that ends."""
    current = board.evaluate([subset], "cheap")[0]
    for _ in range(MAX_STEPS):
        ranked = board.ranked(board.evaluate(neighbours(board, current.subset, rng), "cheap"))
        if not ranked or board.rank(ranked[0]) >= board.rank(current):
            break
        current = ranked[0]
    return current.subset


def neighbours(board: Board, subset: Subset, rng: np.random.Generator) -> list[Subset]:
    """``MOVES`` maximal subsets that one move leads to: those of lowest squared error, and some of the others."""
    reached = sorted(set(_moves(board, subset)))
    moved = [reached[place] for place in np.argsort(board.losses_of(reached), kind="stable")]
    promising = MOVES - MOVES // 4
    others = moved[promising:]
    drawn = rng.permutation(len(others))[: MOVES // 4]
    chosen = [*moved[:promising], *(others[place] for place in drawn)]
    filled: dict[Subset, None] = {}
    for candidate in chosen:
        board.runner.check()
        filled[by_loss(board, candidate)] = None
    return [neighbour for neighbour in filled if neighbour != subset]


def _moves(board: Board, subset: Subset) -> Iterator[Subset]:
    space = board.space
    free = [number for number in subset if space.items[number].candidate not in space.required]
    swaps = [
        number for number in subset if number not in free and len(space.of_candidate[space.items[number].candidate]) > 1
    ]
    drops: list[tuple[int, ...]] = [(number,) for number in (*free, *swaps)]
    if len(free) <= PAIR_DROPS:
        drops += list(combinations(free, 2))
    for dropped in drops:
        board.runner.check()
        rest = tuple(number for number in subset if number not in dropped)
        gone = {space.items[number].candidate for number in dropped}
        must_return = gone & space.required
        for number in board.joining(rest, space.additions(rest), SHORT_LIST):
            back = space.items[number].candidate in gone
            if number in dropped or (must_return and not back):
                continue
            yield tuple(sorted((*rest, number)))
