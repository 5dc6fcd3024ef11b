"""Batch norm over all axes but the last, with the paper's epsilon."""

from __future__ import annotations

from typing import Any

from keras import ops

from models.layers.base import Table, TensorLayer

EPSILON = 1e-3


class BatchNorm(TensorLayer):
    """Normalise every feature by its mean and (biased) variance: of the batch in training, moving ones otherwise."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.beta = self.variable(f"{scope}/beta")
        self.gamma = self.variable(f"{scope}/gamma")
        self.moving_mean = self.variable(f"{scope}/moving_mean")
        self.moving_variance = self.variable(f"{scope}/moving_variance")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """[..., features] -> the same shape, float32."""
        if training:
            mean, variance = ops.moments(inputs, axes=list(range(len(inputs.shape) - 1)))
            decay = self.statistics_decay
            self.moving_mean.assign(self.moving_mean * decay + mean * (1 - decay))
            self.moving_variance.assign(self.moving_variance * decay + variance * (1 - decay))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = self.gamma * ops.rsqrt(variance + EPSILON)
        return inputs * scale + (self.beta - mean * scale)
