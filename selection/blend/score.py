"""The score of one blend as a function of its weights: what line searches and pattern searches climb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.kept import Kept
from gapsack.selection.blend.weights import on_simplex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.rows.rows import Rows

    Near = tuple[NDArray[np.float64], float]

KEPT_CENTRES = 8  # neighbourhoods whose rows are kept; a fine search climbs from fewer starts side by side


@dataclass
class BlendScore:
    """A blend's score as a function of its weights, which are normalised before anything else is done with them.

    Near a centre fewer entries can matter, and the score is computed on those alone: the same value, in less time. May
    be called from several threads.
    """

    rows: Rows
    objective: Objective
    columns: NDArray[np.int64]
    _near: Kept[Rows] = field(default_factory=lambda: Kept(KEPT_CENTRES))

    def __call__(self, weights: NDArray[np.float64], near: Near | None = None) -> float:
        """Score of the blend with these weights; ``near`` is a (centre, radius) of which many calls are made."""
        weights = on_simplex(weights)
        rows = self.rows
        if near is not None and self._narrows and float(np.abs(weights - near[0]).max()) <= near[1]:
            rows = self._rows_near(*near)
        voting = np.flatnonzero(weights)  # what has no weight adds zeros: the same score, in less time
        return self.objective.score(rows, self.columns[voting], weights[voting])

    @property
    def _narrows(self) -> bool:
        return self.objective.top_k is not None and len(self.columns) == self.rows.column_count

    def _rows_near(self, centre: NDArray[np.float64], radius: float) -> Rows:
        assert self.objective.top_k is not None
        k = self.objective.top_k
        return self._near.get((centre.tobytes(), radius), lambda: self.rows.near(centre, radius, k))
