"""Subsets by size and value, kept as long as few others are both smaller and better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gapsack.selection.subsets.space import Subset


class Archive:
    """The ``depth`` best layers of the trade-off between size and value.

    A subset stays while fewer than ``depth`` others are no larger and no worse. Depth 1 keeps the Pareto frontier.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._sizes = np.zeros(0)
        self._values = np.zeros(0)
        self._subsets: list[Subset] = []

    @property
    def subsets(self) -> list[Subset]:
        """What is kept, smallest first; among equal sizes the best first."""
        order = np.lexsort((-self._values, self._sizes))
        return [self._subsets[place] for place in order]

    def offer(self, subset: Subset, size_bytes: int, value: float) -> bool:
        """Keep a new subset if its layer is among the best; higher values are better. Returns whether it is kept."""
        ahead = (self._sizes <= size_bytes) & (self._values >= value)
        if int(ahead.sum()) >= self.depth:
            return False
        self._sizes = np.append(self._sizes, size_bytes)
        self._values = np.append(self._values, value)
        self._subsets.append(subset)
        behind = np.flatnonzero((self._sizes >= size_bytes) & (self._values <= value))
        fallen = [place for place in behind[:-1] if self._ahead_of(int(place)) >= self.depth]
        if fallen:
            kept = np.setdiff1d(np.arange(len(self._subsets)), fallen)
            self._sizes, self._values = self._sizes[kept], self._values[kept]
            self._subsets = [self._subsets[place] for place in kept]
        return True

    def _ahead_of(self, place: int) -> int:
        ahead = (self._sizes <= self._sizes[place]) & (self._values >= self._values[place])
        return int(ahead.sum()) - 1
