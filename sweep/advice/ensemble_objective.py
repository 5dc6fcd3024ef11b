"""What a sampler with `objective: ensemble` aims at: the best ensemble under the budget of what the run has trained.

The pool is read as it stands each time. Once `STARTUP` models are there, the next trial is the point of the space by
which the ensemble is expected to gain most; until then, and where nothing can be expected, the sampler proposes by its
own lights, and is told what the best ensemble scores with each trial added.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.advisor import LOOKED_AT, Advisor
from gapsack.sweep.advice.known_points import known_points
from gapsack.sweep.advice.pool_errors import PoolErrors
from gapsack.sweep.advice.untried_points import drawn_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import Sampler
from gapsack.sweep.runs.folder import RunFolder

STARTUP = 6
"""Models that the sampler itself proposes first: fewer tell little of how scores and errors go with size."""


class EnsembleObjective:
    """The objective of a run.

    Args:
        run: the run.
        grid: its grid, with a sampler and a budget.
        sampler: the grid's.
        budget_bytes: the grid's.
    """

    def __init__(self, run: RunFolder, grid: Grid, sampler: Sampler, budget_bytes: int) -> None:
        self._run = run
        self._grid = grid
        self._sampler = sampler
        self._budget_bytes = budget_bytes

    def score(self) -> float:
        """GAP@20 of the best ensemble under the budget; 0 where there is none, since no model fits or can be read."""
        try:
            return PoolErrors(self._pool(), self._budget_bytes).ensemble_gap
        except InputError:
            return 0.0

    def proposal(self, taken: Collection[str]) -> Mapping[str, Any] | None:
        """The point by which most is expected to be gained; None where the sampler is to propose.

        Args:
            taken: names of trials that are done or running.
        """
        if len(taken) < STARTUP:
            return None
        asked = drawn_points(self._grid, self._sampler, without=taken, seed=self._sampler.seed + len(taken))
        try:
            pool = self._pool()
            if len(pool.candidates) < STARTUP:
                return None
            known = known_points(self._run, pool, self._grid.search.axes)
            best = Advisor(pool, known, self._budget_bytes, asked).ranked(1, looked_at=LOOKED_AT)
        except InputError:  # too few that fit, or scores that do not follow errors: nothing can be expected yet
            return None
        return best[0].point.axes if best and best[0].gain.mean > 0.0 else None

    def _pool(self) -> CandidatePool:
        # What is damaged is told by whoever looks at the run, and takes no part here.
        return CandidatePool.read(self._run.pool, left_out=lambda _reason: None)
