"""An earlier ensemble as a place to begin a search: its members as items, and sentences on what is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.selection.subsets.space import Space, Subset


@dataclass(frozen=True)
class Start:
    """What of an earlier ensemble a space has.

    Attributes:
        subset: items of its members that are there, ascending; at least one.
        weights: theirs, in that order and of sum one.
        blend: of the earlier ensemble.
        complete: whether all of its members with a weight are there, so that its score is that of these weights.
        begins: a part of the subset that may be an ensemble here, to begin from; the subset itself where it is allowed,
            empty where no part is.
        notes: sentences on what is not there or does not fit.
    """

    subset: Subset
    weights: tuple[float, ...]
    blend: Blend
    complete: bool
    begins: Subset
    notes: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether the earlier ensemble could be the outcome: then a search is never behind it."""
        return self.complete and self.begins == self.subset


def start_of(space: Space, ensemble: Ensemble) -> Start:
    """Find the members of an earlier ensemble among the items of a space.

    Raises:
        InputError: none of them is there.
    """
    found: dict[int, float] = {}
    notes = []
    for member in ensemble.members:
        number = space.serving.get((member.name, member.precision))
        if number is not None:
            if member.weight > 0.0:
                found[number] = member.weight
        elif member.name not in space.names:
            notes.append(f"{member.name} of the earlier ensemble is not in the pool.")
        else:
            known = sorted(precision for name, precision in space.serving if name == member.name)
            notes.append(
                f"{member.name} of the earlier ensemble is at {member.precision or 'no precision'}, which is not among "
                f"those that may be used ({', '.join(known) or 'none'})."
            )
    if not found:
        names = ", ".join(member.name for member in ensemble.members)
        raise InputError(
            f"expected an earlier ensemble of models that are in the pool; got none of its members {names}."
        )
    complete = not notes
    subset = tuple(sorted(found))
    total = sum(found.values())
    begins = _allowed_part(space, found)
    if begins != subset:
        notes.append(_smaller(space, subset, begins))
    weights = tuple(found[number] / total for number in subset)
    return Start(subset, weights, ensemble.blend, complete, begins, tuple(notes))


def _allowed_part(space: Space, weights: dict[int, float]) -> Subset:
    """The subset without its lightest members, until it is allowed; empty where it never is."""
    heaviest_first = sorted(weights, key=lambda number: (-weights[number], number))
    while heaviest_first:
        subset = tuple(sorted(heaviest_first))
        if space.is_allowed(subset):
            return subset
        heaviest_first.pop()
    return ()


def _smaller(space: Space, subset: Subset, begins: Subset) -> str:
    limit = space.constraints.room_bytes
    taken = space.room_bytes(subset)
    why = f"takes {taken} bytes of the {limit} that there are" if taken > limit else "does not keep the constraints"
    if not begins:
        return f"The earlier ensemble {why}: the search begins without it."
    gone = ", ".join(space.items[number].name for number in subset if number not in begins)
    return f"The earlier ensemble {why}: the search begins from it without {gone}."
