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
            self.remember(self._to_remember(inputs, statistics))
        return normalised(inputs, norm, statistics)

    def parameters(self, training: bool) -> Normalisation:
        """What the layer normalises by: in training the batch's own statistics."""
        given = None if training else (self.moving_mean.value, self.moving_variance.value)
        return Normalisation(self.gamma.value, self.beta.value, given)

    def remember(self, statistics: tuple[Any, Any]) -> None:
        """Move the moving mean and variance towards those of a batch."""
        decay = self.statistics_decay
        for moving, found in zip((self.moving_mean, self.moving_variance), statistics, strict=True):
            moving.assign(moving * decay + found * (1 - decay))

    def _to_remember(self, inputs: Any, statistics: tuple[Any, Any]) -> tuple[Any, Any]:
        if not self.unbiased:
            return statistics
        count = math.prod(inputs.shape[:-1])
        return statistics[0], statistics[1] * (count / max(1, count - 1))
