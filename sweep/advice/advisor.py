"""What to train next, by what the ensemble would gain: of models that are not trained, and of what does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gapsack.selection.decimals import score_decimals, score_text
from gapsack.selection.errors import InputError
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.expected_gain import ExpectedGain, GainEstimate
from gapsack.sweep.advice.pool_errors import PoolErrors
from gapsack.sweep.advice.predicted_models import ModelPoint, PredictedModels, PredictedValue

LEAST_MODELS = 4
"""Fewer tell nothing of how scores and errors go with size."""

LOOKED_AT = 24
"""Of very many models, those that get more than a glance: tens of milliseconds each, where a glance takes one."""


@dataclass(frozen=True)
class Suggestion:
    """A model that could be trained, and what the best ensemble would gain by it.

    Attributes:
        point: The model.
        size_bytes: Of it, exactly, in the precision that the best ensemble mostly stores.
        gap: GAP@20 of it, as predicted.
        gain: Of the ensemble.
    """

    point: ModelPoint
    size_bytes: int
    gap: PredictedValue
    gain: ExpectedGain

    @property
    def reason(self) -> str:
        """Why it would gain that, in a line."""
        digits = score_decimals([self.gap.deviation])
        sure = f" ± {score_text(self.gap.deviation, digits)}" if self.gap.deviation else ""
        alone = f"GAP {score_text(self.gap.mean, digits)}{sure} alone"
        told = f"{alone}, its errors {self.gain.correlation:.2f} correlated with the members'"
        if self.gain.high <= 0.0:
            return f"{told}: joins no better ensemble"
        leaves = f"takes the place of {', '.join(self.gain.leaves)}" if self.gain.leaves else "joins, and nobody leaves"
        return f"{told}: {leaves}"


class Advisor:
    """Advises on a pool of trained models under a budget.

    Args:
        pool: the models.
        known: what was known of each before it was trained, by name.
        budget_bytes: the size that ensembles keep.
        asked: models that will be asked about.

    Raises:
        BudgetError: no model fits the budget.
        InputError: there are too few models, or their scores do not follow their errors.
    """

    def __init__(
        self,
        pool: CandidatePool,
        known: Mapping[str, ModelPoint],
        budget_bytes: int,
        asked: Sequence[ModelPoint] = (),
    ) -> None:
        if len(pool.candidates) < LEAST_MODELS:
            raise InputError(
                f"expected at least {LEAST_MODELS} models in the pool to learn from, got {len(pool.candidates)}"
            )
        self.errors = PoolErrors(pool, budget_bytes)
        self._asked = list(asked)
        self._models = PredictedModels(self.errors, [known[name] for name in self.errors.names], asked)
        self._estimate = GainEstimate(self.errors)

    @property
    def precision(self) -> str:
        """The precision that sizes are of: the one that the best ensemble mostly stores."""
        return self.errors.precision

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the best ensemble's members, by squared error."""
        return tuple(self.errors.space.items[number].name for number in self.errors.best)

    @property
    def ensemble_gap(self) -> float:
        """Its GAP@20."""
        return self.errors.ensemble_gap

    def ranked(self, most: int, looked_at: int = LOOKED_AT) -> list[Suggestion]:
        """The models that were asked about, those first by which most is expected to be gained.

        Args:
            most: how many are told.
            looked_at: how many, at least, get more than a glance.
        """
        if not self._asked:
            return []
        gaps = self._models.gaps(self._asked)
        sizes = [point.size_bytes(self.precision) for point in self._asked]
        predicted = self._models.models(self._asked, gaps)
        glances = [self._estimate.quick(size, model) for size, model in zip(sizes, predicted, strict=True)]
        promising = np.argsort(-np.array(glances), kind="stable")[: max(most, looked_at)]
        found = [
            Suggestion(self._asked[n], sizes[n], gaps[n], self._estimate.gain(sizes[n], predicted[n]))
            for n in promising
        ]
        return sorted(found, key=lambda each: (-each.gain.mean, -each.gain.high, each.size_bytes, each.point.name))[
            :most
        ]

    def what_if(self, size_bytes: int, gap: float) -> Suggestion:
        """A model of which nothing is known but its size and its score: of the kind of the one nearest in size."""
        nearest = self._models.nearest_in_size(size_bytes)
        point = replace(nearest, name=f"a model like {nearest.name}", sizes={self.precision: size_bytes})
        known = PredictedValue(gap, 0.0)
        [model] = self._models.models([point], [known])
        return Suggestion(point, size_bytes, known, self._estimate.gain(size_bytes, model))


def suggestion_values(suggestion: Suggestion, precision: str) -> dict[str, Any]:
    """A suggestion as plain values."""
    gain = suggestion.gain
    return {
        "name": suggestion.point.name,
        "family": suggestion.point.family,
        "axes": dict(suggestion.point.axes),
        "size_bytes": suggestion.size_bytes,
        "precision": precision,
        "gap": suggestion.gap.mean,
        "gap_deviation": suggestion.gap.deviation,
        "error_correlation": gain.correlation,
        "gain": gain.mean,
        "gain_low": gain.low,
        "gain_median": gain.median,
        "gain_high": gain.high,
        "leaves": list(gain.leaves),
        "reason": suggestion.reason,
    }
