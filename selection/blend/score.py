"""The score of one blend as a function of its weights: what line searches and pattern searches climb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.rows.rows import Rows


@dataclass
class BlendScore:
    """A blend's score as a function of its weights; counts its calls.

    Near a centre fewer entries can matter, and the score is computed on those alone: the same value, in less time.
    """

    rows: Rows
    objective: Objective
    columns: NDArray[np.int64]
    calls: int = 0
    _near: Rows | None = None
    _centre: NDArray[np.float64] | None = None
    _radius: float = 0.0

    def focus(self, weights: NDArray[np.float64], radius: float) -> None:
        """Prepare for many calls whose weights all lie within ``radius`` of these; others stay possible."""
        if self.objective.top_k is not None and len(self.columns) == self.rows.column_count:
            self._near = self.rows.near(weights, radius, self.objective.top_k)
            self._centre, self._radius = weights, radius

    def __call__(self, weights: NDArray[np.float64]) -> float:
        """Score of the blend with these weights."""
        self.calls += 1
        inside = self._centre is not None and float(np.abs(weights - self._centre).max()) <= self._radius
        rows = self._near if inside and self._near is not None else self.rows
        return self.objective.score(rows, self.columns, weights)
