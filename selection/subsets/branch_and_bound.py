"""Branch and bound for metrics that are convex in the weights: the best subset, or how far from it the best found is.

The best weights of all items that a branch may still have, whatever they take together, score at least what any subset
of the branch does, and a tangent there says by how much that may be exceeded (``Mixture.rise``). Where the items that
have a weight fit together they are the branch's best subset. Else one of them is taken for certain, in one branch, and
left out in another. Branches are taken by falling bound; those that could not beat the best are done with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gapsack.selection.subsets.board import Board
    from gapsack.selection.subsets.space import Subset

MOST_ITEMS = 64  # of all branches together; of more, each bound takes long and says little
MOST_BRANCHES = 2_000
MOST_WORK = 1_000_000_000  # items times terms, of all branches together
WORTH_PROVING = 1e-7  # what a branch must promise to be looked into


@dataclass
class Branches:
    """What was proved.

    Attributes:
        bound: no allowed subset scores above it.
        looked_at: branches whose bound was computed.
        complete: whether every branch was looked into that promised more than ``WORTH_PROVING`` above the best.
    """

    bound: float = np.inf
    looked_at: int = 0
    complete: bool = False


@dataclass(order=True)
class _Branch:
    """Subsets that have some items and not some others; ``promised`` is minus the bound of the branch it came from."""

    promised: float
    number: int
    taken: Subset = field(compare=False)
    left_out: frozenset[int] = field(compare=False)


def branch_and_bound(board: Board) -> Branches | None:
    """Look into branches, best first, with the board's best to beat; what is better is on the board afterwards.

    Returns:
        What was proved; None where the metric is not convex in the weights, or there are too many items.

    Raises:
        Stopped: asked to stop; what was found so far is on the board.
    """
    space, evaluator = board.space, board.runner.evaluator
    everything = tuple(number for number in range(len(space.items)) if space.fits((number,)))
    if board.blend != "probability" or len(everything) > MOST_ITEMS:
        return None
    mixture = evaluator.mixture(space.columns_of(everything))
    if mixture is None:
        return None
    most = min(MOST_BRANCHES, MOST_WORK // max(mixture.likelihoods.size, 1))
    found, numbers = Branches(), count()
    waiting = [_Branch(-np.inf, next(numbers), (), frozenset())]
    closed = -np.inf  # the highest bound of the branches that were done with
    while waiting and -waiting[0].promised > _best(board) + WORTH_PROVING and found.looked_at < most:
        branch = heappop(waiting)
        missing = [c for c in sorted(space.required) if all(space.items[n].candidate != c for n in branch.taken)]
        if missing:  # what must be there is taken first
            for number in space.of_candidate[missing[0]]:
                taken = tuple(sorted((*branch.taken, number)))
                if space.fits(taken):
                    heappush(waiting, _Branch(branch.promised, next(numbers), taken, branch.left_out))
            continue
        found.looked_at += 1
        board.tell("branches", found.looked_at, most)
        bound, voting = _relaxed(board, branch)
        subset = tuple(sorted({*voting, *(n for n in branch.taken if space.items[n].candidate in space.required)}))
        if space.is_allowed(subset):
            board.evaluate([subset], "quick")
            closed = max(closed, bound)
        elif bound > _best(board) + WORTH_PROVING:
            number = next(number for number in voting if number not in branch.taken)
            taken = tuple(sorted((*branch.taken, number)))
            heappush(waiting, _Branch(-bound, next(numbers), taken, branch.left_out))
            heappush(waiting, _Branch(-bound, next(numbers), branch.taken, branch.left_out | {number}))
        else:
            closed = max(closed, bound)
    promised = -waiting[0].promised if waiting else -np.inf
    found.bound = max(closed, promised, _best(board))
    found.complete = promised <= _best(board) + WORTH_PROVING
    return found


def _relaxed(board: Board, branch: _Branch) -> tuple[float, list[int]]:
    """A score that no subset of a branch exceeds, and the items that have a weight there, the heaviest first."""
    joining = [number for number in board.space.additions(branch.taken) if number not in branch.left_out]
    items = tuple(sorted((*branch.taken, *joining)))
    entry = board.evaluate([items], "quick")[0]
    mixture = board.runner.evaluator.mixture(board.space.columns_of(items))
    assert mixture is not None  # it is convex for more items
    weights = np.array(entry.scored.weights)
    order = np.argsort(-weights, kind="stable")
    return entry.score + mixture.rise(weights), [items[place] for place in order if weights[place] > 0.0]


def _best(board: Board) -> float:
    assert board.best is not None  # a search begins with an allowed subset
    return board.best.score
