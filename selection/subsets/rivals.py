"""What a chosen ensemble is held against: others of its search, and what simpler ways would take under its budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.subsets.greedy import greedy_votes

if TYPE_CHECKING:
    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.find import Found
    from gapsack.selection.subsets.space import Space


@dataclass(frozen=True)
class Rivals:
    """Entries beside the chosen one; None for what there is not.

    Attributes:
        best_single: the best to have alone.
        runner_up: the best-scored other set of candidates: other precisions, or members without weight, make no other.
        equal_weights: the chosen members with equal weights; of one member the chosen one.
        greedy: what greedy selection with replacement takes under the same budget, on the items of the boards.
    """

    best_single: Entry | None
    runner_up: Entry | None
    equal_weights: Entry | None
    greedy: Entry | None


def rivals_of(found: Found, chosen: Entry) -> Rivals:
    """The rivals of what a search chose. One that was asked to stop has none that would have to be evaluated."""
    best_single = found.best_alone
    board = found.board
    members = len(chosen.subset)
    try:
        equal = board.as_it_is(chosen.subset, (1 / members,) * members, chosen.scored.blend) if members > 1 else chosen
        with board.runner:
            greedy = board.as_it_is(*greedy_votes(board, "score"), "probability")
    except Stopped:
        return Rivals(best_single, _runner_up(found, chosen), None, None)
    return Rivals(best_single, _runner_up(found, chosen), equal, greedy)


def _runner_up(found: Found, chosen: Entry) -> Entry | None:
    space = found.board.space
    mine = _weighty(space, chosen)
    others = (e for e in found.entries() if e.subset != chosen.subset and _weighty(space, e) != mine)
    return next(others, None)


def _weighty(space: Space, entry: Entry) -> frozenset[int]:
    pairs = zip(entry.subset, entry.scored.weights, strict=True)
    return frozenset(space.items[number].candidate for number, weight in pairs if weight > 0.0)
