"""What a search keeps free of its budget, so that the graph around the members still fits."""

from __future__ import annotations

from dataclasses import dataclass

from gapsack.models.graph.size import reserve_bytes
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.graphs.packing import is_buildable


@dataclass(frozen=True)
class Reserve:
    """Bytes of the budget kept free for the graph around the members; all zero when no graph can be built."""

    fixed_bytes: int
    member_bytes: int

    @classmethod
    def of(cls, pool: CandidatePool) -> Reserve:
        """What graphs of the pool's candidates need at most beside their weights."""
        buildable = [c for c in pool.candidates if is_buildable(c.origin)]
        if not buildable:
            return cls(0, 0)
        fixed = reserve_bytes([])
        # A SavedModel's size counts its own structure; what is added to it is no more than a float32 member's.
        used = {precision for c in buildable if "family" in c.origin for precision in c.size_bytes} or {"float32"}
        return cls(fixed, max(reserve_bytes([precision]) - fixed for precision in used))

    def options(self) -> dict[str, int]:
        """As `search_ensemble` and `frontier` take them."""
        return {"reserve_bytes": self.fixed_bytes, "member_reserve_bytes": self.member_bytes}
