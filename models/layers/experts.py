"""Mixture of logistic experts for every class (Jordan & Jacobs 1994, as in the YouTube-8M starter models)."""

from __future__ import annotations

from typing import Any

from keras import ops

from models.layers.base import Table, TensorLayer
from models.layers.dense import Dense


class MixtureOfExperts(TensorLayer):
    """[batch, width] -> probabilities [batch, classes].

    For every class a softmax over `mixtures` + 1 gates, of which the last is a dummy expert that predicts 0, times the
    sigmoids of the experts. Outputs of both products are class-major, [batch, classes, gates], so that reading them by
    class moves no data.
    """

    def __init__(self, table: Table, scope: str, classes: int, mixtures: int, seed: int) -> None:
        super().__init__(table, seed)
        self.classes, self.mixtures = classes, mixtures
        self.gates = Dense(table, f"{scope}/gates/weights", seed)
        self.experts = Dense(table, f"{scope}/experts/weights", seed)
        self.biases = self.variable(f"{scope}/experts/biases")

    def call(self, inputs: Any) -> Any:
        """[batch, width] -> [batch, classes]."""
        # The biases are added in the same loop.
        gates, experts = self.gates(inputs), self.experts(inputs)
        return self.kernels.fused(self._mixed)(gates, experts, self.biases.value)

    def _mixed(self, gates: Any, experts: Any, biases: Any) -> Any:
        share = ops.softmax(ops.reshape(gates, (-1, self.classes, self.mixtures + 1)))[..., : self.mixtures]
        experts = ops.reshape(experts + biases, (-1, self.classes, self.mixtures))
        return ops.sum(share * ops.sigmoid(experts), axis=-1)
