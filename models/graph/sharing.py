"""Tensors that several members have: which are the same to the last byte, and in whose variables they are stored.

Only members that name a group in common (`shared` in a candidate's JSON) are compared. What is equal is found out by a
digest of the arrays as they are stored, so that members are read one tensor at a time and none is held.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gapsack.models.graph.members import AnyMember, Member, encoded_tensors, own_name
from gapsack.selection.errors import InputError


@dataclass(frozen=True)
class Sharing:
    """Where tensors lie that are not stored again.

    Attributes:
        places: The member whose variables hold a tensor, by (member, tensor), both members by their number.
        saved_bytes: Bytes that are not stored again, of all members together.
    """

    places: Mapping[tuple[int, str], int] = field(default_factory=dict)
    saved_bytes: int = 0

    def place(self, index: int, tensor: str) -> int:
        """The member whose variables hold a tensor of a member: itself, unless an earlier one has the same."""
        return self.places.get((index, tensor), index)


NOTHING_SHARED = Sharing()


def find_sharing(members: Sequence[AnyMember], *, saturate: bool = False) -> Sharing:
    """Find the tensors that members with a shared group in common have in common.

    Args:
        members: The ensemble.
        saturate: Weights beyond their precision's range are going to be clipped rather than refused.

    Raises:
        InputError: Members that name a group have fewer bytes in common than it says, or one is a SavedModel, whose
            variables are its own; weights that are missing or out of range.
    """
    named = Counter(group for member in members for group in _groups(member))
    if not any(count > 1 for count in named.values()):
        return NOTHING_SHARED
    finder = _Finder(members, saturate)
    for index, member in enumerate(members):
        groups = {group: size for group, size in _groups(member).items() if named[group] > 1}
        if groups:
            finder.take(index, groups)
    return Sharing(finder.places, finder.saved_bytes)


def _groups(member: AnyMember) -> dict[tuple[str, str], int]:
    return {(group, member.precision): size for group, size in member.shared.items()}


class _Finder:
    """What was seen of the members so far."""

    def __init__(self, members: Sequence[AnyMember], saturate: bool) -> None:
        self.members = members
        self.places: dict[tuple[int, str], int] = {}
        self.saved_bytes = 0
        self._saturate = saturate
        self._holders: dict[tuple[str, bytes], list[tuple[int, set[tuple[str, str]]]]] = {}
        self._first: dict[tuple[str, str], int] = {}

    def take(self, index: int, groups: Mapping[tuple[str, str], int]) -> None:
        """Look for each tensor of a member in those before it; of groups that one of these names, all must be there."""
        member = self.members[index]
        if not isinstance(member, Member):
            raise InputError(
                f"expected models of known families where tensors are shared ({_told(groups)}), got the SavedModel "
                f"{member.name}, whose variables are its own"
            )
        expected = {group: size for group, size in groups.items() if group in self._first}
        found, missing = 0, []
        saturated: Counter[str] | None = Counter() if self._saturate else None
        for tensor, parts in encoded_tensors(member, saturated):
            digest = hashlib.sha256()
            for part, array in sorted(parts.items()):
                digest.update(f"{part} {array.dtype} {array.shape} ".encode())
                digest.update(array.tobytes())
            holder = self._holder(index, own_name(member, tensor.name), digest.digest(), set(groups))
            if holder == index:
                missing.append(tensor.name)
                continue
            self.places[index, tensor.name] = holder
            found += member.stored.tensor_bytes(tensor)
        if found < sum(expected.values()):
            others = ", ".join(sorted({self.members[self._first[group]].name for group in expected}))
            raise InputError(
                f"expected {member.name} to have at least {sum(expected.values())} bytes of tensors in common with "
                f"{others}, as the shared {_told(expected)} says, got {found} of the same name, shape and bytes; "
                f"the first that differs is {missing[0]}"
            )
        self.saved_bytes += found
        for group in groups:
            self._first.setdefault(group, index)

    def _holder(self, index: int, name: str, digest: bytes, groups: set[tuple[str, str]]) -> int:
        """The first member that stores a tensor and has a group in common; this one where there is none."""
        known = self._holders.setdefault((name, digest), [])
        for holder, theirs in known:
            if theirs & groups:
                theirs.update(groups)
                return holder
        known.append((index, set(groups)))
        return index


def _told(groups: Mapping[tuple[str, str], int]) -> str:
    names = [f"{group} at {precision}" for group, precision in groups]
    return f"group{'s' if len(names) > 1 else ''} {', '.join(names)}"
