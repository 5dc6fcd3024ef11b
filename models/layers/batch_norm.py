"""Batch norm over all axes but the last."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.statistics import Normalisation, moments, normalised


class BatchNorm(TensorLayer):
    """Normalise every feature by its mean and (biased) variance: of the batch in training, moving ones otherwise.

    Args:
        table: Tensors of the whole model by name.
        scope: Of the four tensors.
        seed: Of the initial values.
        biased: Whether the moving variance takes the batch's biased variance, as TensorFlow 1's batch norm does where
            it is not fused; the fused one takes the unbiased variance.
    """

    def __init__(self, table: Table, scope: str, seed: int, *, biased: bool = False) -> None:
        super().__init__(table, seed)
        self.biased = biased
        self.beta = self.variable(f"{scope}/beta")
        self.gamma = self.variable(f"{scope}/gamma")
        self.moving_mean = self.variable(f"{scope}/moving_mean")
        self.moving_variance = self.variable(f"{scope}/moving_variance")

    def call(self, inputs: Any, training: bool = False, real: Any = None) -> Any:
        """[..., features] -> the same shape, float32.

        Where `real` is given, 0 or 1 by row, [..., 1], a batch's statistics are those of the rows with 1.
        """
        norm = self.parameters(training)
        statistics = moments(inputs, real) if norm.given is None else norm.given
        if training:
            self.remember(statistics, math.prod(inputs.shape[:-1]) if real is None else ops.sum(real))
        return normalised(inputs, norm, statistics)

    def parameters(self, training: bool) -> Normalisation:
        """What the layer normalises by: in training the batch's own statistics."""
        given = None if training else (self.moving_mean.value, self.moving_variance.value)
        return Normalisation(self.gamma.value, self.beta.value, given)

    def remember(self, statistics: tuple[Any, Any], rows: Any) -> None:
        """Move the moving mean and variance towards the mean and biased variance of a batch's `rows`."""
        mean, variance = statistics
        if not self.biased:
            variance = variance * (rows / ops.maximum(1.0, rows - 1.0))
        decay = self.statistics_decay
        for moving, found in zip((self.moving_mean, self.moving_variance), (mean, variance), strict=True):
            moving.assign(moving * decay + found * (1 - decay))
