"""Searches for the subset under a budget whose blend has the least squared error, by losses that take microseconds.

What a local search ends at depends on where it begins: it begins with models of several sizes. Where the answer stands
for a whole pool, members are taken out in pairs as well and their room is filled anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import combinations

import numpy as np

from gapsack.selection.subsets.space import Space, Subset

LossesOf = Callable[[Sequence[Subset]], list[float]]
"""Of each of some subsets, to be small; infinite of nobody."""

SHARES = (1, 2, 3, 4, 6, 8)
"""Searches begin with models that take at most such a part of the budget: a large one that comes first, since it is the
best alone, is not exchanged for several small ones afterwards."""

LEAST_FALL = 1e-12
"""Of a loss that counts as lower: more than rounding."""

PAIRS_OF = 16
"""Members of an ensemble up to which two are taken out at a time."""

FIRST_TRIED = 8
"""Models that take the room first, of those that could, each with the others filled in after it."""


def best_subset(space: Space, losses: LossesOf, starts: Sequence[Subset] = ()) -> Subset:
    """The best subset that local searches from some starts, and from models of any size, lead to."""
    begun = [
        near_best(space, losses, swaps=False, most_bytes=space.constraints.room_bytes // share) for share in SHARES
    ]
    return by_loss(losses, {near_best(space, losses, start) for start in dict.fromkeys([*starts, *begun])})[0]


def near_best(
    space: Space, losses: LossesOf, start: Subset = (), *, swaps: bool = True, most_bytes: int | None = None
) -> Subset:
    """A subset that keeps the budget and that no model's joining, leaving or being exchanged makes better.

    Args:
        space: the allowed subsets.
        losses: of subsets.
        start: where to begin; of one that does not keep the budget, whoever is missed least leaves first.
        swaps: whether models are exchanged; without, they only join.
        most_bytes: models that take more do not join; None for any.
    """
    subset = start
    while subset and not space.fits(subset):
        subset = by_loss(losses, {_without(subset, number) for number in subset})[0]
    return _descended(losses, subset, lambda at: neighbours(space, at, swaps=swaps, most_bytes=most_bytes))


def refilled(space: Space, losses: LossesOf, subset: Subset) -> Subset:
    """A subset that no one or two members' leaving makes better either, with their room filled anew by others."""

    def moved(at: Subset) -> set[Subset]:
        counts = (1, 2) if len(at) <= PAIRS_OF else (1,)
        leaving = [gone for count in counts for gone in combinations(at, count)]
        begun = {each for gone in leaving for each in _first_in_the_room(space, losses, at, gone)}
        return {near_best(space, losses, each, swaps=False) for each in begun}

    return _descended(losses, subset, moved)


def _descended(losses: LossesOf, subset: Subset, moves: Callable[[Subset], Collection[Subset]]) -> Subset:
    """Where moves to the lowest loss, as long as one lowers it, lead from a subset."""
    lowest = losses([subset])[0]
    while moved := sorted(moves(subset)):
        found = losses(moved)
        place = int(np.argmin(found))
        if found[place] >= lowest - LEAST_FALL:
            break
        lowest, subset = found[place], moved[place]
    return subset


def _first_in_the_room(space: Space, losses: LossesOf, subset: Subset, gone: Subset) -> list[Subset]:
    """The subset without those who leave, and with each of some others."""
    rest = tuple(number for number in subset if number not in gone)
    joined = {_with(rest, number) for number in space.additions(rest) if number not in gone}
    return by_loss(losses, joined)[:FIRST_TRIED]


def by_loss(losses: LossesOf, subsets: Collection[Subset]) -> list[Subset]:
    """Subsets, those of the lowest loss first."""
    ordered = sorted(subsets)
    return [ordered[place] for place in np.argsort(losses(ordered), kind="stable")]


def neighbours(space: Space, subset: Subset, *, swaps: bool = True, most_bytes: int | None = None) -> set[Subset]:
    """The subsets that keep the budget and in which one model more is, or another one in the place of one."""
    rests = [subset, *((_without(subset, number) for number in subset) if swaps else ())]
    joined = {
        _with(rest, number)
        for rest in rests
        for number in space.additions(rest)
        if most_bytes is None or space.items[number].room_bytes <= most_bytes
    }
    return joined - {subset}


def _with(subset: Subset, number: int) -> Subset:
    return tuple(sorted((*subset, number)))


def _without(subset: Subset, number: int) -> Subset:
    return tuple(each for each in subset if each != number)
