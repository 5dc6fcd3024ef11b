"""Good weights for ensembles near the one that is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.selection.blend.evaluate import Effort
    from gapsack.selection.subsets.board import Board, Entry
    from gapsack.selection.subsets.space import Space, Subset

    Weights = tuple[float, ...]


def fitted(board: Board, subset: Subset, starts: Sequence[Weights], effort: Effort = "final") -> Entry:
    """The best weights that are known for a subset once they were searched, from some starts too.

    The subset need not be allowed. May raise ``Stopped``.
    """
    for weights in starts:
        board.add_start(subset, weights)
    found = [*board.evaluate([subset], effort), *board.evaluate_at([(subset, weights) for weights in starts])]
    found += [level[subset] for level in board.levels.values() if subset in level]
    # Cheap weights are those of another blend than the board's may be.
    return board.ranked(entry for entry in found if entry.scored.blend == board.blend)[0]


def without(subset: Subset, *numbers: int) -> Subset:
    """A subset without some of its items."""
    return tuple(number for number in subset if number not in numbers)


def joined(subset: Subset, number: int) -> Subset:
    """A subset with one item more."""
    return tuple(sorted((*subset, number)))


def same_votes(space: Space, entry: Entry, subset: Subset) -> Weights:
    """The weights of an entry for the same candidates at other precisions."""
    pairs = zip(entry.subset, entry.scored.weights, strict=True)
    weights = {space.items[number].candidate: weight for number, weight in pairs}
    return tuple(weights[space.items[number].candidate] for number in subset)
