"""Context gating (Miech et al. 2017): every value scaled by a gate that sees all values."""

from __future__ import annotations

from typing import Any

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm


class ContextGating(TensorLayer):
    """x * sigmoid(batch_norm(x @ W)), [batch, width] -> the same shape."""

    def __init__(self, table: Table, weights: str, norm_scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.matrix = self.variable(weights)
        self.batch_norm = BatchNorm(table, norm_scope, seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """[batch, width] -> [batch, width]."""
        norm = self.batch_norm.parameters(training)
        gated, statistics = self.kernels.gated(inputs, self.product(inputs, self.matrix), norm)
        if training:
            self.batch_norm.remember(statistics)
        return gated
