"""What the best ensemble under a budget would gain by one more model that is predicted, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapsack.sweep.advice.pool_errors import Newcomer, PoolErrors
from gapsack.sweep.advice.predicted_models import PredictedModel

Floats = NDArray[np.float64]

DRAWS = 64
"""Of what a predicted model may turn out to be; the same numbers for every model, so that they compare."""
BETTER = ((-1.0, 0.0), (-1.0, 1.0))
"""Deviations of error, and of what a model has of its own, for which other members may be better beside it."""

QUANTILES = (0.1, 0.5, 0.9)
LARGEST_DRAW = 0.999
"""Of a correlation."""


@dataclass(frozen=True)
class ExpectedGain:
    """What an ensemble gains by a model, in GAP@20.

    Attributes:
        mean: Expected.
        low: In nine cases of ten it is more.
        median: In half of the cases it is more: what is likely.
        high: In one case of ten it is more.
        leaves: Names of the members that leave for the model, if it turns out as predicted.
        correlation: Of its errors with those of the members, as predicted: the mean by their weights.
    """

    mean: float
    low: float
    median: float
    high: float
    leaves: tuple[str, ...]
    correlation: float


class GainEstimate:
    """Estimates gains beside the models of a pool."""

    def __init__(self, pool: PoolErrors) -> None:
        self._pool = pool
        self._before = pool.loss(pool.best)
        self._draws = _normal_draws(len(pool.names))
        members = [pool.place[pool.space.items[number].candidate] for number in pool.best]
        self._members = np.array(members)
        self._weights = pool.weights(pool.best)

    def quick(self, size_bytes: int, model: PredictedModel) -> float:
        """About what is gained if the model turns out one deviation better than predicted: to see which are worth more
        than a look.
        """
        joined = self._pool.with_newcomer(self._newcomer(size_bytes, model, -1.0, 0.0))
        if not joined.fits:
            return 0.0
        rest = joined.rest_near(self._pool.best, swaps=False)
        return max(self._before - joined.loss(rest), 0.0) * self._pool.gap_per_error

    def gain(self, size_bytes: int, model: PredictedModel) -> ExpectedGain:
        """What is gained, over all that the model may turn out to be."""
        correlation = float(self._weights @ model.correlations[self._members])
        joined = self._pool.with_newcomer(self._newcomer(size_bytes, model, 0.0, 0.0))
        if not joined.fits:
            return ExpectedGain(0.0, 0.0, 0.0, 0.0, (), correlation)
        rests = [joined.best_rest()]
        for error, own in BETTER:
            joined = self._pool.with_newcomer(self._newcomer(size_bytes, model, error, own))
            rests.append(joined.rest_near(rests[0], swaps=True))
        losses = [self._least(self._newcomer(size_bytes, model, error, own), rests) for error, own in self._draws]
        gains = np.maximum(self._before - np.array(losses), 0.0) * self._pool.gap_per_error
        low, median, high = np.quantile(gains, QUANTILES)
        items = self._pool.space.items
        stays = {items[number].candidate for number in rests[0]}
        leaves = tuple(items[n].name for n in self._pool.best if items[n].candidate not in stays)
        return ExpectedGain(float(gains.mean()), float(low), float(median), float(high), leaves, correlation)

    def _least(self, newcomer: Newcomer, rests: Sequence[tuple[int, ...]]) -> float:
        joined = self._pool.with_newcomer(newcomer)
        return min(joined.loss(rest) for rest in rests)

    def _newcomer(self, size_bytes: int, model: PredictedModel, error: float, own: float | Floats) -> Newcomer:
        """The model when its error and its correlations are so many deviations off.

        It is wrong about what all others are wrong about: with each it shares at least what any two of them share.
        """
        squared_error = float(np.exp(model.squared_error.mean + error * model.squared_error.deviation))
        least = self._pool.least_shared / np.sqrt(squared_error * self._pool.squared_errors)
        correlations = 1.0 - np.exp(model.own + own * model.own_deviation)
        return Newcomer(size_bytes, squared_error, np.minimum(np.maximum(correlations, least), LARGEST_DRAW))


def _normal_draws(models: int) -> list[tuple[float, Floats]]:
    """How many deviations a model's error, and what it has of its own beside each of some models, is off.

    Of both signs, so that they have the mean 0. What it has of its own is off by the same for all models in half of its
    variance, and in the other half by chance with each.
    """
    rng = np.random.default_rng(0)
    errors, together = rng.standard_normal((2, DRAWS // 2))
    own = np.sqrt(0.5) * (together[:, None] + rng.standard_normal((DRAWS // 2, models)))
    half = list(zip(errors.tolist(), own, strict=True))
    return [*half, *((-error, -each) for error, each in half)]
