"""Batch norm over all axes but the last."""

from __future__ import annotations

import math
from typing import Any

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.statistics import Normalisation, moments, normalised


class BatchNorm(TensorLayer):
    """Normalise every feature by its mean and (biased) variance: of the batch in training, moving ones otherwise.

    Args:
        table: Tensors of the whole model by name.
        scope: Of the four tensors.
        seed: Of the initial values.
        unbiased: Whether the moving variance takes the batch's unbiased variance, as TensorFlow 1's fused batch norm
        does.
    """

    def __init__(self, table: Table, scope: str, seed: int, *, unbiased: bool = False) -> None:
        super().__init__(table, seed)
        self.unbiased = unbiased
        self.beta = self.variable(f"{scope}/beta")
        self.gamma = self.variable(f"{scope}/gamma")
        self.moving_mean = self.variable(f"{scope}/moving_mean")
        self.moving_variance = self.variable(f"{scope}/moving_variance")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """[..., features] -> the same shape, float32."""
        norm = self.parameters(training)
        statistics = moments(inputs) if norm.given is None else norm.given
        if training:
            self.remember(statistics, inputs)
        return normalised(inputs, norm, statistics)

    def parameters(self, training: bool) -> Normalisation:
        """What the layer normalises by: in training the batch's own statistics."""
        given = None if training else (self.moving_mean.value, self.moving_variance.value)
        return Normalisation(self.gamma.value, self.beta.value, given)

    def remember(self, statistics: tuple[Any, Any], inputs: Any) -> None:
        """Move the moving mean and variance towards the mean and biased variance of a batch.

        `inputs` are what they were taken of, or anything with as many rows, [..., features].
        """
        mean, variance = statistics
        if self.unbiased:
            rows = math.prod(inputs.shape[:-1])
            variance = variance * (rows / max(1, rows - 1))
        decay = self.statistics_decay
        for moving, found in zip((self.moving_mean, self.moving_variance), (mean, variance), strict=True):
            moving.assign(moving * decay + found * (1 - decay))
