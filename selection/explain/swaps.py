"""The best ensemble with each candidate that is no member: what others would bring.

Near an ensemble are those in which the candidate is added, or takes the place of one or two members, or of the bytes
that a member frees at a smaller precision. Squared errors rank them in microseconds; the best of them get line
searches, and the best of those the weight search of a search's last round.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from gapsack.selection.explain.fitting import fitted, joined, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gapsack.selection.subsets.board import Board, Entry
    from gapsack.selection.subsets.space import Subset

MOST_CANDIDATES = 30  # that get line searches: those whose ensembles have the least squared error
MOST_SWAPS = 6  # ensembles with a candidate that get line searches
PAIR_DROPS = 12  # members up to which two leave for one


def with_others(board: Board, chosen: Entry) -> tuple[dict[int, Entry | None], int]:
    """Of each candidate the best ensemble with it that is allowed, None where none is; by number of the candidate.

    Returns:
        That, and how many candidates were left out since there are too many. May raise ``Stopped``.
    """
    space = board.space
    members = {space.items[number].candidate for number in chosen.subset}
    moves: dict[int, list[Subset]] = {}
    for candidate in space.of_candidate:
        if candidate not in members:
            board.runner.check()
            moves[candidate] = sorted(_allowed(board, chosen, candidate), key=lambda s: (board.loss(s), s))[:MOST_SWAPS]
    ranked = sorted((c for c in moves if moves[c]), key=lambda c: (board.loss(moves[c][0]), c))
    found: dict[int, Entry | None] = {candidate: None for candidate in moves if not moves[candidate]}
    for place, candidate in enumerate(ranked[:MOST_CANDIDATES]):
        board.tell("what others would bring", place, min(len(ranked), MOST_CANDIDATES))
        best = board.ranked(board.evaluate(moves[candidate], "quick"))[0]
        found[candidate] = fitted(board, best.subset, [best.scored.weights])
    return found, max(len(ranked) - MOST_CANDIDATES, 0)


def _allowed(board: Board, chosen: Entry, candidate: int) -> set[Subset]:
    space = board.space
    moves = set(_moves(board, chosen.subset, candidate))
    near = {move for move in moves if space.is_allowed(move)}
    return near or {move for move in _many_leave(board, chosen.subset, candidate) if space.is_allowed(move)}


def _moves(board: Board, subset: Subset, candidate: int) -> Iterator[Subset]:
    space = board.space
    drops: list[tuple[int, ...]] = [(), *((number,) for number in subset)]
    if len(subset) <= PAIR_DROPS:
        drops += combinations(subset, 2)
    for joiner in space.of_candidate[candidate]:
        for dropped in drops:
            yield joined(without(subset, *dropped), joiner)
        for number in subset:
            rest = joined(without(subset, number), joiner)
            for other in space.of_candidate[space.items[number].candidate]:
                if other != number:
                    yield joined(rest, other)


def _many_leave(board: Board, subset: Subset, candidate: int) -> Iterator[Subset]:
    """Where it takes more room than two members: one after the other leaves, whoever is missed least."""
    for joiner in board.space.of_candidate[candidate]:
        rest = subset
        while rest and not board.space.is_allowed(joined(rest, joiner)):
            board.runner.check()
            rest = min((without(rest, number) for number in rest), key=lambda s: (board.loss(joined(s, joiner)), s))
        yield joined(rest, joiner)
