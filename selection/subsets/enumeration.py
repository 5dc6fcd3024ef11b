"""Every allowed subset counted, and the maximal ones listed.

A subset is maximal when no further candidate may join. With weights free to be zero a subset is never better than one
that contains it, so only maximal subsets need evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gapsack.selection.subsets.space import Space, Subset

MAX_STEPS = 2_000_000  # of the enumeration, a few seconds
MAX_MAXIMAL = 60_000  # subsets that a race can look at


@dataclass
class Enumeration:
    """How many subsets are allowed, the empty one included, and those to which nothing can be added."""

    feasible: int = 0
    maximal: list[Subset] = field(default_factory=list)


class _TooMany(Exception):  # noqa: N818 - a signal inside this module, not an error
    pass


def enumerate_subsets(space: Space, max_maximal: int = MAX_MAXIMAL, max_steps: int = MAX_STEPS) -> Enumeration | None:
    """Enumerate, or return None when there are more than ``max_maximal`` maximal subsets or it takes too many steps."""
    walk = _Walk(space, max_maximal, max_steps)
    try:
        walk.visit(0, (), 0)
    except _TooMany:
        return None
    return walk.found


class _Walk:
    """Depth first over candidates, the largest first: take one of its items, or leave it out."""

    def __init__(self, space: Space, max_maximal: int, max_steps: int) -> None:
        self.space = space
        self.found = Enumeration()
        self.max_maximal = max_maximal
        self.steps_left = max_steps
        self.order = sorted(space.of_candidate, key=lambda c: -space.items[space.of_candidate[c][0]].size_bytes)
        most = [max(space.items[number].room_bytes for number in space.of_candidate[c]) for c in self.order]
        self.rest_bytes = [sum(most[place:]) for place in range(len(most) + 1)]
        # With sizes alone to keep, a tail of candidates that all fit needs no walking.
        limits = space.constraints
        self.only_sizes = not (space.exclusive or limits.limits or limits.max_members or space.required)

    def visit(self, place: int, chosen: Subset, used_bytes: int) -> None:
        self.steps_left -= 1
        if self.steps_left < 0 or len(self.found.maximal) > self.max_maximal:
            raise _TooMany
        space = self.space
        tail_fits = self.only_sizes and used_bytes + self.rest_bytes[place] <= space.constraints.room_bytes
        if place == len(self.order) or tail_fits:
            self._finish(place, chosen)
            return
        candidate = self.order[place]
        taken = {space.items[number].candidate for number in chosen}
        for number in space.of_candidate[candidate]:
            size = space.items[number].room_bytes
            if used_bytes + size > space.constraints.room_bytes:
                break  # a candidate's items ascend in size
            if not any(candidate in group and group & taken for group in space.exclusive) and space.fits(
                (*chosen, number)
            ):
                self.visit(place + 1, (*chosen, number), used_bytes + size)
        if candidate not in space.required:
            self.visit(place + 1, chosen, used_bytes)

    def _finish(self, place: int, chosen: Subset) -> None:
        """Count what follows when all further candidates fit, and list the maximal subsets among it."""
        tail = [self.space.of_candidate[candidate] for candidate in self.order[place:]]
        self.found.feasible += prod(len(items) + 1 for items in tail)
        fillings: list[Subset] = [()]
        for items in tail:
            fillings = [(*filling, number) for filling in fillings for number in items]
            if len(fillings) > self.max_maximal:
                raise _TooMany
        for filling in fillings:
            subset = tuple(sorted((*chosen, *filling)))
            if subset and self.space.is_maximal(subset):
                self.found.maximal.append(subset)
