"""What a search keeps free of its budget, so that the graph around the members still fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from gapsack.models.graph.size import MEMBER_BYTES, fixed_reserve_bytes, member_reserve_bytes
from gapsack.selection.pool import CandidatePool
from gapsack.selection.pool.origin import Buildable, WeightsOrigin, read_origin


class ReserveOptions(TypedDict):
    """The options of a search that keep room."""

    reserve_bytes: int
    member_reserve_bytes: int


@dataclass(frozen=True)
class Reserve:
    """Bytes of the budget kept free for the graph around the members; all zero when no graph can be built."""

    fixed_bytes: int
    member_bytes: int

    @classmethod
    def of(cls, pool: CandidatePool) -> Reserve:
        """What graphs of the pool's candidates need at most beside their weights."""
        origins = {c.name: read_origin(c.origin, c.hyperparameters, f"candidate {c.name}") for c in pool.candidates}
        if not any(isinstance(origin, Buildable) for origin in origins.values()):
            return cls(0, 0)
        members = [
            member_reserve_bytes(origin.family, candidate.hyperparameters, precision)
            for candidate in pool.candidates
            if isinstance(origin := origins[candidate.name], WeightsOrigin)
            for precision in candidate.size_bytes
        ]
        # A SavedModel's size counts its own structure; what is added to it is no more than a member takes.
        return cls(fixed_reserve_bytes(), max(members, default=MEMBER_BYTES))

    def options(self) -> ReserveOptions:
        """As `search_ensemble` and `frontier` take them."""
        return ReserveOptions(reserve_bytes=self.fixed_bytes, member_reserve_bytes=self.member_bytes)
