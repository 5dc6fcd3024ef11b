"""What to train next in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.advisor import Advisor, Suggestion, suggestion_values
from gapsack.sweep.advice.known_points import known_points
from gapsack.sweep.advice.predicted_models import ModelPoint
from gapsack.sweep.advice.untried_points import untried_points
from gapsack.sweep.runs.status import RunState
from gapsack.sweep.storage.mirrored import bring

WORTH = 1e-4
"""GAP that is worth a training: less is hardly told from luck on some thousands of items."""


@dataclass(frozen=True)
class Advice:
    """What to train next, under a budget.

    Attributes:
        budget_bytes: The size that ensembles keep.
        precision: That sizes are of.
        ensemble_gap: GAP@20 of the best ensemble of what is done, on the items that choose it.
        members: Of that ensemble.
        models: That the advice is learnt from.
        untried: Points that were looked at.
        suggestions: The best of them, or the one that was asked about.
    """

    budget_bytes: int
    precision: str
    ensemble_gap: float
    members: tuple[str, ...]
    models: int
    untried: int
    suggestions: tuple[Suggestion, ...]

    @property
    def likely_gain(self) -> float:
        """What the most promising suggestion is as likely as not to gain more than."""
        return max((each.gain.median for each in self.suggestions), default=0.0)

    @property
    def is_worth_it(self) -> bool:
        """Whether something is likely to gain more than `WORTH`."""
        return self.likely_gain > WORTH

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `sweep next --json` prints them."""
        return {
            "budget_bytes": self.budget_bytes,
            "ensemble_gap": self.ensemble_gap,
            "members": list(self.members),
            "models": self.models,
            "untried": self.untried,
            "likely_gain": self.likely_gain,
            "is_worth_it": self.is_worth_it,
            "suggestions": [suggestion_values(each, self.precision) for each in self.suggestions],
        }


def next_trials(state: RunState, budget_bytes: int, *, most: int, left_out: Callable[[str], object]) -> Advice:
    """The untried points of a run by which its best ensemble is expected to gain most.

    Args:
        state: the run.
        budget_bytes: the size that ensembles keep.
        most: how many are told.
        left_out: is told which candidates cannot be read.

    Raises:
        InputError: there is no pool, it has too few models, or none fits the budget.
    """
    untried = untried_points(state)
    pool, advisor = _advisor(state, budget_bytes, untried, left_out)
    return _advice(budget_bytes, pool, advisor, len(untried), advisor.ranked(most))


def what_if(
    state: RunState, budget_bytes: int, *, size_bytes: int, gap: float, left_out: Callable[[str], object]
) -> Advice:
    """What a model of some size and GAP@20 would bring; arguments and errors as those of `next_trials`.

    Raises:
        InputError: GAP is not between 0 and 1.
    """
    if not 0.0 < gap < 1.0:
        raise InputError(f"expected a GAP above 0 and below 1, got {gap:g}")
    pool, advisor = _advisor(state, budget_bytes, [], left_out)
    return _advice(budget_bytes, pool, advisor, 0, [advisor.what_if(size_bytes, gap)])


def _advisor(
    state: RunState, budget_bytes: int, untried: list[ModelPoint], left_out: Callable[[str], object]
) -> tuple[CandidatePool, Advisor]:
    bring(state.run.pool)
    pool = CandidatePool.read(state.run.pool, left_out=left_out)
    return pool, Advisor(pool, known_points(state.run, pool, state.grid.search.axes), budget_bytes, untried)


def _advice(
    budget_bytes: int, pool: CandidatePool, advisor: Advisor, untried: int, suggestions: list[Suggestion]
) -> Advice:
    return Advice(
        budget_bytes=budget_bytes,
        precision=advisor.precision,
        ensemble_gap=advisor.ensemble_gap,
        members=advisor.members,
        models=len(pool.candidates),
        untried=untried,
        suggestions=tuple(suggestions),
    )
