"""The ensemble with a member at another precision: what the precisions would cost that were not taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gapsack.selection.explain.fitting import fitted, joined, same_votes, without

if TYPE_CHECKING:
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.subsets.board import Board, Entry


@dataclass(frozen=True)
class Swap:
    """A member at another precision.

    Attributes:
        number: the member's item.
        precision: the other precision.
        added_bytes: that the ensemble then takes more.
        entry: the ensemble then, weights searched; that of the member itself where both precisions predict the same.
    """

    number: int
    precision: str
    added_bytes: int
    entry: Entry


def other_precisions(board: Board, pool: CandidatePool, chosen: Entry) -> list[Swap]:
    """Every member at each precision that it has and that may be used. May raise ``Stopped``."""
    space = board.space
    found = []
    for place, number in enumerate(chosen.subset):
        board.tell("what precisions would cost", place, len(chosen.subset))
        item = space.items[number]
        candidate = pool[item.name]
        rest = without(chosen.subset, number)
        for precision, size in candidate.size_bytes.items():
            other = space.serving.get((item.name, precision))
            if precision == item.precision or other is None:
                continue
            swapped = joined(rest, other)
            entry = chosen if other == number else fitted(board, swapped, [same_votes(space, chosen, swapped)], "full")
            # Of a precision that another item stands for, the bytes are its own.
            added = space.size_bytes(swapped) - space.size_bytes(chosen.subset)
            added += size - candidate.size_bytes[space.items[other].precision]
            found.append(Swap(number, precision, added, entry))
    return found
