"""Mixture of logistic experts for every class (Jordan & Jacobs 1994, as in the YouTube-8M starter models)."""

from __future__ import annotations

from typing import Any

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.dense import Dense


class MixtureOfExperts(TensorLayer):
    """[batch, width] -> probabilities [batch, classes]; see `Kernels.mixed`."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.gates = Dense(table, f"{scope}/gates/weights", seed)
        self.experts = Dense(table, f"{scope}/experts/weights", seed)
        self.biases = self.variable(f"{scope}/experts/biases")

    def call(self, inputs: Any) -> Any:
        """[batch, width] -> [batch, classes]."""
        # The biases are added in the same loop.
        return self.kernels.mixed(self.gates(inputs), self.experts(inputs), self.biases.value)
