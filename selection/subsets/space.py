"""The space of ensembles: which sets of members are allowed, and how one leads to another.

An item is a candidate at one precision. A subset holds at most one item of a candidate (a multiple-choice knapsack),
fits every budget and keeps the user's constraints. Subsets are ascending tuples of item numbers.

Groups of tensors that items share count once in a subset: its bytes are then fewer than its items' together. They never
fall when an item joins, and an item takes at least its own bytes and at most all of its bytes, which bounds need.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import BudgetError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.pool import Candidate, CandidatePool
    from gapsack.selection.pool.lists import Predictions

Subset = tuple[int, ...]

MOST_CHOICES = 100_000  # precisions of members that must be there, which are tried for the least bytes together


@dataclass(frozen=True)
class Item:
    """A candidate at one precision: its place in the pool, what it weighs on each budget, which column it predicts.

    ``room_bytes`` is what it takes of the size budget: its size, and what is kept free for each member. ``shared`` are
    the groups of tensors that other items have too, as (number of the group, bytes).
    """

    candidate: int
    name: str
    precision: str
    size_bytes: int
    room_bytes: int
    costs: tuple[float, ...]
    column: int
    shared: tuple[tuple[int, int], ...] = ()

    @property
    def own_bytes(self) -> int:
        """Of its size, what it shares with no other item."""
        return self.size_bytes - sum(size for _, size in self.shared)

    @property
    def least_room_bytes(self) -> int:
        """What it takes of the size budget where all that it can share is there already."""
        return self.room_bytes - (self.size_bytes - self.own_bytes)


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
        shares: whether any items have tensors in common, so that sizes do not add up.
        smallest_required: the candidates that must be there, at the precisions that take least together.
        names: of all candidates of the pool.
        serving: the item that stands for a candidate at a precision, by both names: itself, or one that predicts the
            same for fewer bytes.

    Raises:
        InputError: a constraint names no candidate, or contradicts another.
        BudgetError: no candidate, or not all that must be there, fit.
    """

    def __init__(self, pool: CandidatePool, precisions: Sequence[str] | None, constraints: Constraints) -> None:
        self.constraints = constraints
        self.items, self.columns = _items(pool, precisions, constraints)
        self.names = frozenset(candidate.name for candidate in pool.candidates)
        self.serving = _serving(pool, precisions, self.items, self.columns)
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
        self._group_bytes = _group_bytes(self.items)
        self.shares = len(self._group_bytes) > 0
        self.smallest_required = self._required_items()
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
        smallest = self.smallest_required
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

    def _required_items(self) -> Subset:
        """The candidates that must be there, at the precisions that take least together; ascending."""
        first = tuple(sorted(self.of_candidate[candidate][0] for candidate in self.required))
        return self._least_together(first) if self.shares and len(first) > 1 else first

    def _least_together(self, first: Subset) -> Subset:
        """Depth first with a bound, from a first choice: the smallest of each is not the smallest together."""
        choices = [self.of_candidate[self.items[number].candidate] for number in first]
        least = [min(self.items[number].least_room_bytes for number in each) for each in choices]
        best, best_bytes = first, self.room_bytes(first)
        waiting: list[Subset] = [()]
        for _ in range(MOST_CHOICES):
            if not waiting:
                break
            chosen = waiting.pop()
            taken = self.room_bytes(chosen)
            if taken + sum(least[len(chosen) :]) >= best_bytes:
                continue
            if len(chosen) == len(choices):
                best, best_bytes = chosen, taken
                continue
            further = [(*chosen, number) for number in choices[len(chosen)]]
            waiting += sorted(further, key=self.room_bytes, reverse=True)
        return tuple(sorted(best))

    def size_bytes(self, subset: Iterable[int]) -> int:
        """Bytes of all members, shared groups counted once."""
        if not self.shares:
            return sum(self.items[number].size_bytes for number in subset)
        members = tuple(subset)
        return sum(self.items[number].size_bytes for number in members) - self.shared_bytes(members)

    def room_bytes(self, subset: Iterable[int]) -> int:
        """Bytes that the members take of the budget: their own, and what is kept free for each."""
        if not self.shares:
            return sum(self.items[number].room_bytes for number in subset)
        members = tuple(subset)
        return sum(self.items[number].room_bytes for number in members) - self.shared_bytes(members)

    def shared_bytes(self, subset: Sequence[int]) -> int:
        """Bytes that the members' sizes count more often than once."""
        if not self.shares:
            return 0
        seen: set[int] = set()
        again = 0
        for number in subset:
            for group, size in self.items[number].shared:
                again += size if group in seen else 0
                seen.add(group)
        return again

    def added_bytes(self, subset: Sequence[int], number: int) -> int:
        """Bytes that an item adds to members that it is not among: its size, less what they share with it."""
        item = self.items[number]
        if not (self.shares and item.shared):
            return item.size_bytes
        held = {group for member in subset for group, _ in self.items[member].shared}
        return item.size_bytes - sum(size for group, size in item.shared if group in held)

    def added_room_bytes(self, subset: Sequence[int], number: int) -> int:
        """The same of the budget, with what is kept free for each member."""
        return self.added_bytes(subset, number) + self.constraints.member_reserve_bytes

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
        rooms = self._added_rooms(subset) if self.shares else self._rooms
        open_to = rooms <= limits.room_bytes - self.room_bytes(subset)
        for place, limit in enumerate(limits.limits.values()):
            open_to &= sum(self.items[number].costs[place] for number in subset) + self._costs[:, place] <= limit
        for number in subset:
            candidate = self.items[number].candidate
            for closed in (candidate, *self._rivals[candidate]):
                open_to[self.of_candidate.get(closed, [])] = False
        found: list[int] = np.flatnonzero(open_to).tolist()
        return found

    def _added_rooms(self, subset: Subset) -> NDArray[np.int64]:
        """What each item would take of the budget beside some members."""
        held = sorted({group for number in subset for group, _ in self.items[number].shared})
        rooms: NDArray[np.int64] = self._rooms - self._group_bytes[held].sum(axis=0)
        return rooms

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
    groups = _groups(pool)
    for place, candidate in enumerate(pool.candidates):
        costs = tuple(_cost(candidate, key) for key in constraints.limits)
        for precision, lists in _worthwhile(candidate, precisions, groups):
            size = candidate.size_bytes[precision]
            shared = tuple(
                (groups[group, precision], taken)
                for group, taken in candidate.shared_at(precision).items()
                if (group, precision) in groups
            )
            room = size + constraints.member_reserve_bytes
            items.append(Item(place, candidate.name, precision, size, room, costs, len(columns), shared))
            columns.append(lists)
    if not items:
        known = sorted({precision for candidate in pool.candidates for precision in candidate.size_bytes})
        raise InputError(
            f"precisions must be among the pool's ({', '.join(known)}); got {', '.join(precisions or ()) or 'none'}."
        )
    return items, columns


def _groups(pool: CandidatePool) -> dict[tuple[str, str], int]:
    """A number for every group and precision that several candidates have; what only one has is its own."""
    named = Counter(
        (group, precision)
        for candidate in pool.candidates
        for group, sizes in candidate.shared.items()
        for precision in sizes
    )
    return {key: number for number, key in enumerate(key for key, count in named.items() if count > 1)}


def _worthwhile(
    candidate: Candidate, precisions: Sequence[str] | None, groups: Mapping[tuple[str, str], int]
) -> list[tuple[str, Predictions]]:
    """The precisions that may be of use, the smallest first, with what they predict.

    Of precisions that predict the same, the smallest serves; the others are the same model for more bytes. One of which
    more is shared may still take fewer bytes beside others: it goes only where what it takes at least is no less.
    """
    kept: list[tuple[int, str, int, Predictions]] = []
    for precision, size in candidate.size_bytes.items():
        if precisions is not None and precision not in precisions:
            continue
        lists = candidate.predictions_at(precision)
        taken = candidate.shared_at(precision).items()
        least = size - sum(each for group, each in taken if (group, precision) in groups)
        alike = {other[1] for other in kept if lists.same_lists(other[3])}
        if any(other[1] in alike and other[0] <= least for other in kept):
            continue
        kept = [other for other in kept if not (other[1] in alike and size <= other[2])]
        kept.append((size, precision, least, lists))
    return [(precision, lists) for _, precision, _, lists in sorted(kept, key=lambda each: each[:2])]


def _serving(
    pool: CandidatePool, precisions: Sequence[str] | None, items: Sequence[Item], columns: Sequence[Predictions]
) -> dict[tuple[str, str], int]:
    found = {(item.name, item.precision): number for number, item in enumerate(items)}
    own: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        own.setdefault(item.name, []).append(number)
    for candidate in pool.candidates:
        for precision in candidate.size_bytes:
            if (candidate.name, precision) in found or (precisions is not None and precision not in precisions):
                continue
            lists = candidate.predictions_at(precision)
            alike = next(number for number in own[candidate.name] if lists.same_lists(columns[items[number].column]))
            found[candidate.name, precision] = alike
    return found


def _group_bytes(items: Sequence[Item]) -> NDArray[np.int64]:
    """Bytes of each group in each item, [groups, items]; no rows where nothing is shared."""
    count = max((group + 1 for item in items for group, _ in item.shared), default=0)
    found = np.zeros((count, len(items)), np.int64)
    for number, item in enumerate(items):
        for group, size in item.shared:
            found[group, number] = size
    return found


def _cost(candidate: Candidate, key: str) -> float:
    value = candidate.metrics.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise InputError(
            f"candidate {candidate.name}: a budget on {key} needs a number of 0 or more in its metrics; got {value!r}."
        )
    return float(value)
