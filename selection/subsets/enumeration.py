"""Every allowed subset counted, and the maximal ones listed.

A subset is maximal when no further candidate may join. With weights free to be zero a subset is never better than one
that contains it, so only maximal subsets need evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gapsack.selection.subsets.space import Space, Subset

MAX_STEPS = 2_000_000  # of the enumeration, a few seconds
MAX_MAXIMAL = 60_000  # subsets that a race can look at
CHECKED_STEPS = 1_000  # between looks at whether to stop


@dataclass
class Enumeration:
    """How many subsets are allowed, the empty one included, and those to which nothing can be added."""

    feasible: int = 0
    maximal: list[Subset] = field(default_factory=list)


def enumerate_subsets(
    space: Space,
    max_maximal: int = MAX_MAXIMAL,
    max_steps: int = MAX_STEPS,
    check: Callable[[], None] = lambda: None,
) -> Enumeration | None:
    """Enumerate, or return None when there are more than ``max_maximal`` maximal subsets or it takes too many steps.

    ``check`` is called now and then, and may raise.
    """
    walk = _Walk(space)
    for step, _ in enumerate(walk.steps()):
        if step >= max_steps or walk.has_more_than(max_maximal):
            return None
        if step % CHECKED_STEPS == 0:
            check()
    # The last step is taken after the last look.
    return None if walk.has_more_than(max_maximal) else walk.found


def allowed_subsets(space: Space, most: int, check: Callable[[], None] = lambda: None) -> list[Subset] | None:
    """Every allowed subset, in order of size, or None when there are more than ``most``."""
    found: list[Subset] = []
    waiting: list[tuple[int, Subset, int]] = [(0, (), 0)]
    candidates = list(space.of_candidate)
    room, most_members = space.constraints.room_bytes, space.constraints.max_members
    rooms = [item.room_bytes for item in space.items]
    while waiting:
        place, chosen, used_bytes = waiting.pop()
        if chosen and space.is_allowed(chosen):
            found.append(chosen)
            if len(found) > most:
                return None
            if len(found) % CHECKED_STEPS == 0:
                check()
        if most_members is not None and len(chosen) == most_members:
            continue
        for further in range(place, len(candidates)):
            for number in space.of_candidate[candidates[further]]:
                used = used_bytes + (space.added_room_bytes(chosen, number) if space.shares else rooms[number])
                if used <= room:
                    waiting.append((further + 1, (*chosen, number), used))
        if len(waiting) > MAX_STEPS:
            return None
    return sorted(found, key=lambda subset: (space.room_bytes(subset), subset))


class _Walk:
    """Depth first over candidates, the largest first: take one of its items, or leave it out.

    What is still to be visited lies on a list and not on the interpreter's stack, whose depth is no place for data.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.found = Enumeration()
        self.fillings = 0  # subsets that the current tail would fill, when those are too many to list
        self.order = sorted(space.of_candidate, key=lambda c: -space.items[space.of_candidate[c][0]].size_bytes)
        most = [max(space.items[number].room_bytes for number in space.of_candidate[c]) for c in self.order]
        least = [min(space.items[number].least_room_bytes for number in space.of_candidate[c]) for c in self.order]
        self.rest_bytes = [*np.cumsum(most[::-1])[::-1].tolist(), 0]  # that all further candidates take at most
        self.least_bytes = [*np.minimum.accumulate(least[::-1])[::-1].tolist(), 0]  # of the smallest further one
        self.last_required = max(
            (place + 1 for place, candidate in enumerate(self.order) if candidate in space.required), default=0
        )
        # With sizes alone to keep, a tail of candidates that all fit needs no walking.
        limits = space.constraints
        self.only_sizes = not (space.exclusive or limits.limits or limits.max_members or space.required)
        self.is_plain = self.only_sizes and not space.shares  # then sums of rooms say what may join
        self.by_room = sorted((item.room_bytes, item.candidate) for item in space.items)

    def has_more_than(self, most: int) -> bool:
        """Whether more maximal subsets are known to be there, listed or not."""
        return max(len(self.found.maximal), self.fillings) > most

    def steps(self) -> Iterator[None]:
        """Visit everything; yields after each step."""
        space = self.space
        room = space.constraints.room_bytes
        rooms = [item.room_bytes for item in space.items]
        waiting: list[tuple[int, Subset, int]] = [(0, (), 0)]
        while waiting:
            place, chosen, used_bytes = waiting.pop()
            yield
            if place == len(self.order) or (self.only_sizes and used_bytes + self.rest_bytes[place] <= room):
                self._finish(place, chosen, used_bytes)
                continue
            if place >= self.last_required and used_bytes + self.least_bytes[place] > room:
                self._finish(len(self.order), chosen, used_bytes)  # nothing further fits
                continue
            candidate = self.order[place]
            # The last to go on the list is the first to be visited.
            if candidate not in space.required:
                waiting.append((place + 1, chosen, used_bytes))
            taken = {space.items[number].candidate for number in chosen} if space.exclusive else set()
            if any(candidate in group and group & taken for group in space.exclusive):
                continue
            for number in reversed(space.of_candidate[candidate]):
                size = space.added_room_bytes(chosen, number) if space.shares else rooms[number]
                if used_bytes + size <= room and (self.only_sizes or space.fits((*chosen, number))):
                    waiting.append((place + 1, (*chosen, number), used_bytes + size))

    def _finish(self, place: int, chosen: Subset, used_bytes: int) -> None:
        """Count what follows when all further candidates fit, and list the maximal subsets among it."""
        tail = [self.space.of_candidate[candidate] for candidate in self.order[place:]]
        self.found.feasible += prod(len(items) + 1 for items in tail)
        self.fillings = prod(len(items) for items in tail)
        if self.fillings > MAX_MAXIMAL:
            return
        for filling in product(*tail):
            subset = tuple(sorted((*chosen, *filling)))
            if subset and self._is_maximal(subset, used_bytes, filling):
                self.found.maximal.append(subset)

    def _is_maximal(self, subset: Subset, used_bytes: int, filling: Subset) -> bool:
        """``Space.is_maximal``, in a fraction of the time where sizes alone decide: the smallest others come first."""
        items = self.space.items
        if not self.is_plain:
            return self.space.is_maximal(subset)
        left = self.space.constraints.room_bytes - used_bytes - sum(items[number].room_bytes for number in filling)
        taken = {items[number].candidate for number in subset}
        smallest = next((room for room, candidate in self.by_room if candidate not in taken), None)
        return smallest is None or smallest > left
