"""A subset with weights, as what it is to others: members of an ensemble, and predictions to score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapsack.selection.report.bootstrap import Voters
from gapsack.selection.report.ensemble import EnsembleMember

if TYPE_CHECKING:
    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.space import Space


def members_of(space: Space, entry: Entry) -> tuple[EnsembleMember, ...]:
    """Members of an entry, heaviest weight first."""
    members = [
        EnsembleMember(space.items[n].name, space.items[n].precision, weight, space.items[n].size_bytes)
        for n, weight in zip(entry.subset, entry.scored.weights, strict=True)
    ]
    return tuple(sorted(members, key=lambda m: (-m.weight, m.name)))


def voters_of(space: Space, entry: Entry) -> Voters:
    """Predictions and weights of an entry."""
    columns = tuple(space.columns[space.items[number].column] for number in entry.subset)
    return Voters(columns, entry.scored.weights, entry.scored.blend)
