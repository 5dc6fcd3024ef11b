"""A matrix product with an optional bias."""

from __future__ import annotations

from typing import Any

from gapsack.models.layers.base import Table, TensorLayer


class Dense(TensorLayer):
    """[batch, rows] -> [batch, columns], without activation."""

    def __init__(self, table: Table, weights: str, seed: int, *, biases: str | None = None) -> None:
        super().__init__(table, seed)
        self.matrix = self.variable(weights)
        self.biases = None if biases is None else self.variable(biases)

    def call(self, inputs: Any) -> Any:
        """inputs @ weights + biases, float32."""
        product = self.product(inputs, self.matrix)
        return product if self.biases is None else product + self.biases
