"""Context gating (Miech et al. 2017): every value scaled by a gate that sees all values."""

from __future__ import annotations

from typing import Any

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.statistics import Normalisation, moments, normalised


class ContextGating(TensorLayer):
    """x * sigmoid(batch_norm(x @ W)), [batch, width] -> the same shape."""

    def __init__(self, table: Table, weights: str, norm_scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.matrix = self.variable(weights)
        self.batch_norm = BatchNorm(table, norm_scope, seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """[batch, width] -> [batch, width]."""
        norm = self.batch_norm.parameters(training)
        run = self.kernels.chosen(gated)
        values, statistics = run(self.kernels, inputs, self.product(inputs, self.matrix), norm)
        if training:
            self.batch_norm.remember(statistics, inputs.shape[0])
        return values


def gated(kernels: Kernels, inputs: Any, product: Any, norm: Normalisation) -> tuple[Any, tuple[Any, Any]]:
    """inputs * sigmoid(batch_norm(product)), all [batch, width], and the norm's statistics."""
    values, statistics = kernels.fused(_gated)(inputs, product, norm)
    return values, statistics


def _gated(inputs: Any, product: Any, norm: Normalisation) -> tuple[Any, tuple[Any, Any]]:
    statistics = moments(product) if norm.given is None else norm.given
    return inputs * ops.sigmoid(normalised(product, norm, statistics)), statistics
