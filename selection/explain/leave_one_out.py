"""The ensemble without each of its members: what they bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapsack.selection.explain.fitting import fitted, without

if TYPE_CHECKING:
    from gapsack.selection.subsets.board import Board, Entry


def left_out(board: Board, chosen: Entry) -> dict[int, Entry]:
    """Of each member the ensemble without it, weights of the others searched again; of an only member nothing.

    Whether such an ensemble keeps the constraints does not matter. May raise ``Stopped``.
    """
    found = {}
    for place, number in enumerate(chosen.subset):
        board.tell("what members bring", place, len(chosen.subset))
        rest = without(chosen.subset, number)
        if rest:
            found[number] = fitted(board, rest, chosen.weights_without(rest))
    return found
