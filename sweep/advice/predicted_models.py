"""What a model would score that was not trained, and how its errors would go with those of the models that were.

Gaussian processes, fitted on the trials that are done: of GAP over the hyperparameters and the size of a model; of what
its squared error differs from what its GAP says, over the same; and of the correlation of two models' errors over how
far they are from each other in these, and how wrong each is. All tell how sure they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import DictVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from gapsack.sweep.advice.pool_errors import PoolErrors

Floats = NDArray[np.float64]

MOST_PAIRS = 300
"""Pairs of models that correlations are learnt from; of more, so many at random. The time is that of a cube."""

LEAST_OWN = 1e-4
"""1 less the correlation of errors, at least: for the logarithm, of copies."""


@dataclass(frozen=True)
class ModelPoint:
    """A model by what is known before it is trained.

    Attributes:
        name: Of its trial.
        family: Of it.
        axes: What the search varies, by name.
        sizes: Bytes of it by precision.
    """

    name: str
    family: str
    axes: Mapping[str, Any]
    sizes: Mapping[str, int]

    def size_bytes(self, precision: str) -> int:
        """Bytes of it in a precision; in its smallest one where it does not come in that."""
        return self.sizes.get(precision) or min(self.sizes.values())


@dataclass(frozen=True)
class PredictedValue:
    """A value with its standard deviation."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class PredictedModel:
    """What is predicted of a model.

    Attributes:
        gap: GAP@20 of it.
        squared_error: Natural logarithm of its squared error, a video.
        own: [models of the pool] natural logarithm of 1 less the correlation of its errors with theirs.
        own_deviation: [the same] standard deviation of each; they are wrong together.
    """

    gap: PredictedValue
    squared_error: PredictedValue
    own: Floats
    own_deviation: Floats

    @property
    def correlations(self) -> Floats:
        """[models of the pool] the correlations that are expected."""
        return np.asarray(1.0 - np.exp(self.own))


class PredictedModels:
    """Learns from the models of a pool.

    Args:
        pool: their errors.
        known: [candidates of `pool.names`] the models by what was known before.
        asked: others that will be asked for: all are brought to one scale.
    """

    def __init__(self, pool: PoolErrors, known: Sequence[ModelPoint], asked: Sequence[ModelPoint] = ()) -> None:
        self._pool = pool
        self._known = list(known)
        self._vectors = DictVectorizer(sparse=False)
        features = [self._features(model) for model in (*known, *asked)]
        self._scaler = StandardScaler().fit(self._vectors.fit_transform(features))
        self._places = self._placed(known)
        self._gap = _fitted(self._places, pool.single_scores)
        better, errors = pool.better_half, np.log(pool.squared_errors)
        scores = pool.single_scores[:, None]
        self._error = LinearRegression().fit(scores[better], errors[better])
        self._error_besides = _fitted(self._places, errors - self._error.predict(scores))
        self._pair_scaler = StandardScaler()
        self._own = self._fitted_pairs()

    def gaps(self, models: Sequence[ModelPoint]) -> list[PredictedValue]:
        """The GAP that each model would score."""
        means, deviations = self._gap.predict(self._placed(models), return_std=True)
        return [PredictedValue(float(mean), float(std)) for mean, std in zip(means, deviations, strict=True)]

    def models(self, points: Sequence[ModelPoint], gaps: Sequence[PredictedValue]) -> list[PredictedModel]:
        """What is predicted of models that score so."""
        places, others = self._placed(points), np.log(self._pool.squared_errors)
        besides, deviations = self._error_besides.predict(places, return_std=True)
        means = self._error.predict([[gap.mean] for gap in gaps]) + besides
        deviations = np.hypot(float(self._error.coef_[0]) * np.array([gap.deviation for gap in gaps]), deviations)
        pairs = [
            _pair(place, other, error, its)
            for place, error in zip(places, means, strict=True)
            for other, its in zip(self._places, others, strict=True)
        ]
        own, own_deviations = self._own.predict(self._pair_scaler.transform(np.array(pairs)), return_std=True)
        by_model = (len(points), len(others))
        rows = zip(
            gaps,
            means,
            deviations,
            np.minimum(own, 0.0).reshape(by_model),
            own_deviations.reshape(by_model),
            strict=True,
        )
        return [
            PredictedModel(gap, PredictedValue(float(mean), float(deviation)), its_own, its_deviations)
            for gap, mean, deviation, its_own, its_deviations in rows
        ]

    def nearest_in_size(self, size_bytes: int) -> ModelPoint:
        """The model whose size is the nearest, by ratio."""
        return min(self._known, key=lambda each: abs(np.log(each.size_bytes(self._pool.precision) / size_bytes)))

    def _placed(self, models: Sequence[ModelPoint]) -> Floats:
        vectors = self._vectors.transform([self._features(model) for model in models])
        return np.asarray(self._scaler.transform(vectors))

    def _features(self, model: ModelPoint) -> dict[str, Any]:
        """What a model is known by; numbers above 0 by their logarithm, since they are tried in ratios."""
        values = {f"axis {key}": _feature(value) for key, value in model.axes.items()}
        size = float(np.log2(model.size_bytes(self._pool.precision)))
        return {**values, "family": model.family, "size": size}

    def _fitted_pairs(self) -> GaussianProcessRegressor:
        errors, correlations = np.log(self._pool.squared_errors), self._pool.correlations
        first, second = np.triu_indices(len(self._known), 1)
        if len(first) > MOST_PAIRS:
            chosen = np.sort(np.random.default_rng(0).permutation(len(first))[:MOST_PAIRS])
            first, second = first[chosen], second[chosen]
        places = self._places
        pairs = np.array(
            [_pair(places[i], places[j], errors[i], errors[j]) for i, j in zip(first, second, strict=True)]
        )
        own = np.log(np.maximum(1.0 - correlations[first, second], LEAST_OWN))
        return _fitted(self._pair_scaler.fit_transform(pairs), own)


def _feature(value: Any) -> float | str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return float(np.log2(value)) if value > 0 else float(value)


def _pair(one: Floats, other: Floats, error: float, its: float) -> Floats:
    """What is known of two models whose errors are compared; in either order it is the same."""
    return np.array([*np.abs(one - other), min(error, its), max(error, its)])


def _fitted(places: Floats, values: Floats) -> GaussianProcessRegressor:
    """A Gaussian process: smooth at one scale over standardised features, and noise."""
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * RBF(2.0, (0.5, 30.0)) + WhiteKernel(0.05, (1e-3, 1.0))
    with warnings.catch_warnings():
        # A scale that ends at its bound: few trials do not tell it, and the deviations say so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, normalize_y=True).fit(places, values)
