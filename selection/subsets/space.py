"""The space of ensembles: which sets of members are allowed, and how one leads to another.

An item is a candidate at one precision. A subset holds at most one item of a candidate (a multiple-choice knapsack),
fits every budget and keeps the user's constraints. Subsets are ascending tuples of item numbers.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import BudgetError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gapsack.selection.pool import Candidate, CandidatePool
    from gapsack.selection.pool.lists import Predictions

Subset = tuple[int, ...]


@dataclass(frozen=True)
class Item:
    """A candidate at one precision: its place in the pool, what it weighs on each budget, which column it predicts.

    ``room_bytes`` is what it takes of the size budget: its size, and what is kept free for each member.
    """

    candidate: int
    name: str
    precision: str
    size_bytes: int
    room_bytes: int
    costs: tuple[float, ...]
    column: int


@dataclass(frozen=True)
class Constraints:
    """What an ensemble must keep.

    Attributes:
        room_bytes: the most that the members may take together.
        member_reserve_bytes: what each takes beside its size.
        limits: the most that the members' other costs may sum to, by key of ``Candidate.metrics``.
        max_members: at most so many, or None.
        must_have: names that every ensemble contains.
        never_together: groups of names of which an ensemble contains one at most.
    """

    room_bytes: int
    limits: Mapping[str, float]
    max_members: int | None = None
    must_have: tuple[str, ...] = ()
    never_together: tuple[tuple[str, ...], ...] = ()
    member_reserve_bytes: int = 0


class Space:
    """All allowed subsets of the items of a pool.

    Attributes:
        items: the items, by candidate, a candidate's smallest first.
        columns: the distinct predictions that items refer to.

    Raises:
        InputError: a constraint names no candidate, or contradicts another.
        BudgetError: no candidate, or not all that must be there, fit.
    """

    def __init__(self, pool: CandidatePool, precisions: Sequence[str] | None, constraints: Constraints) -> None:
        self.constraints = constraints
        self.items, self.columns = _items(pool, precisions, constraints)
        self.of_candidate: dict[int, list[int]] = {}
        for number, item in enumerate(self.items):
            self.of_candidate.setdefault(item.candidate, []).append(number)
        index = {candidate.name: place for place, candidate in enumerate(pool.candidates)}
        for name in (*constraints.must_have, *(n for group in constraints.never_together for n in group)):
            if name not in index:
                raise InputError(f"constraints must name candidates of the pool ({', '.join(index)}); got {name!r}.")
        self.required = frozenset(index[name] for name in constraints.must_have)
        self.exclusive = [frozenset(index[name] for name in group) for group in constraints.never_together]
        self._rivals = self._rivalries()
        self._rooms = np.array([item.room_bytes for item in self.items], np.int64)
        self._costs = np.array([item.costs for item in self.items], np.float64)
        self._check()

    def within(self, room_bytes: int) -> Space:
        """The same items under another size budget. Raises a BudgetError when nothing fits."""
        other = copy(self)
        other.constraints = replace(self.constraints, room_bytes=room_bytes)
        other._check()
        return other

    def _rivalries(self) -> dict[int, frozenset[int]]:
        rivals: dict[int, set[int]] = {candidate: set() for candidate in self.of_candidate}
        for group in self.exclusive:
            for candidate in group:
                rivals.setdefault(candidate, set()).update(group - {candidate})
        return {candidate: frozenset(others) for candidate, others in rivals.items()}

    def _check(self) -> None:
        limits = self.constraints
        if limits.max_members is not None and limits.max_members < max(1, len(self.required)):
            raise InputError(
                f"max_members must leave room for the {max(1, len(self.required))} members that must be there; "
                f"got {limits.max_members}."
            )
        for candidate in self.required:
            both = self.required & self._rivals[candidate]
            if both:
                names = [self.items[self.of_candidate[c][0]].name for c in (candidate, *sorted(both))]
                raise InputError(f"must_have and never_together contradict each other; got {' and '.join(names)}.")
        smallest = tuple(self.of_candidate[c][0] for c in sorted(self.required))
        if self.required and not self.fits(smallest):
            raise BudgetError(
                f"the members that must be there take at least {self.room_bytes(smallest)} bytes; "
                f"got {limits.room_bytes} bytes{self._limits_text()}."
            )
        if not self.required and not any(self.fits((number,)) for number in range(len(self.items))):
            least = min(item.room_bytes for item in self.items)
            raise BudgetError(
                f"the smallest model takes {least} bytes; "
                f"got a budget that leaves {limits.room_bytes} bytes for models{self._limits_text()}."
            )

    def _limits_text(self) -> str:
        return "".join(f", {key} up to {value:g}" for key, value in self.constraints.limits.items())

    def size_bytes(self, subset: Iterable[int]) -> int:
        """Bytes of all members."""
        return sum(self.items[number].size_bytes for number in subset)

    def room_bytes(self, subset: Iterable[int]) -> int:
        """Bytes that the members take of the budget: their own, and what is kept free for each."""
        return sum(self.items[number].room_bytes for number in subset)

    def columns_of(self, subset: Subset) -> tuple[int, ...]:
        """The column of each member."""
        return tuple(self.items[number].column for number in subset)

    def fits(self, subset: Iterable[int]) -> bool:
        """Whether the members keep all budgets and the number of members."""
        members = tuple(subset)
        if self.room_bytes(members) > self.constraints.room_bytes:
            return False
        if self.constraints.max_members is not None and len(members) > self.constraints.max_members:
            return False
        return all(
            sum(self.items[number].costs[place] for number in members) <= limit
            for place, limit in enumerate(self.constraints.limits.values())
        )

    def additions(self, subset: Subset) -> list[int]:
        """Items that may join a subset, ascending."""
        limits = self.constraints
        if limits.max_members is not None and len(subset) >= limits.max_members:
            return []
        open_to = self._rooms <= limits.room_bytes - self.room_bytes(subset)
        for place, limit in enumerate(limits.limits.values()):
            open_to &= sum(self.items[number].costs[place] for number in subset) + self._costs[:, place] <= limit
        for number in subset:
            candidate = self.items[number].candidate
            for closed in (candidate, *self._rivals[candidate]):
                open_to[self.of_candidate.get(closed, [])] = False
        found: list[int] = np.flatnonzero(open_to).tolist()
        return found

    def is_allowed(self, subset: Subset) -> bool:
        """Whether a subset has one item of a candidate at most, fits, and keeps every constraint."""
        taken = [self.items[number].candidate for number in subset]
        return (
            0 < len(subset) == len(set(taken))
            and self.required <= set(taken)
            and not any(self._rivals[candidate] & set(taken) for candidate in taken)
            and self.fits(subset)
        )

    def is_maximal(self, subset: Subset) -> bool:
        """Whether nothing may join."""
        return not self.additions(subset)


def _items(
    pool: CandidatePool, precisions: Sequence[str] | None, constraints: Constraints
) -> tuple[list[Item], list[Predictions]]:
    items: list[Item] = []
    columns: list[Predictions] = []
    for place, candidate in enumerate(pool.candidates):
        costs = tuple(_cost(candidate, key) for key in constraints.limits)
        own: list[tuple[int, str, Predictions]] = []
        for precision, size in candidate.size_bytes.items():
            if precisions is not None and precision not in precisions:
                continue
            # Of precisions that predict the same, the smallest serves; the others are the same model for more bytes.
            lists = candidate.predictions_at(precision)
            same = next((at for at, (_, _, other) in enumerate(own) if lists.same_lists(other)), None)
            if same is None:
                own.append((size, precision, lists))
            elif size < own[same][0]:
                own[same] = (size, precision, lists)
        for size, precision, lists in sorted(own, key=lambda each: each[:2]):
            room = size + constraints.member_reserve_bytes
            items.append(Item(place, candidate.name, precision, size, room, costs, len(columns)))
            columns.append(lists)
    if not items:
        known = sorted({precision for candidate in pool.candidates for precision in candidate.size_bytes})
        raise InputError(
            f"precisions must be among the pool's ({', '.join(known)}); got {', '.join(precisions or ()) or 'none'}."
        )
    return items, columns


def _cost(candidate: Candidate, key: str) -> float:
    value = candidate.metrics.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise InputError(
            f"candidate {candidate.name}: a budget on {key} needs a number of 0 or more in its metrics; got {value!r}."
        )
    return float(value)
