"""Mixture of logistic experts for every class (Jordan & Jacobs 1994, as in the YouTube-8M starter models)."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.kernels import Kernels


class MixtureOfExperts(TensorLayer):
    """[batch, width] -> probabilities [batch, classes]; see `mixed`."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.gates = Dense(table, f"{scope}/gates/weights", seed)
        self.experts = Dense(table, f"{scope}/experts/weights", seed)
        self.biases = self.variable(f"{scope}/experts/biases")

    def call(self, inputs: Any) -> Any:
        """[batch, width] -> [batch, classes]."""
        run = self.kernels.chosen(mixture)
        return run(
            self.kernels, inputs, Experts(self.gates.matrix, self.experts.matrix, self.biases), self.compute_dtype
        )


class Experts(NamedTuple):
    """Parameters of a mixture of M experts for each of V classes; columns are class-major.

    Attributes:
        gates: [width, V * (M + 1)].
        experts: [width, V * M].
        biases: Of the experts, [V * M].
    """

    gates: Any
    experts: Any
    biases: Any


def mixture(kernels: Kernels, inputs: Any, parameters: Experts, narrow: str) -> Any:
    """[batch, width] -> probabilities [batch, V]; see `mixed`."""
    gates = kernels.product(inputs, parameters.gates, narrow)
    experts = kernels.product(inputs, parameters.experts, narrow)
    # The biases are added in the same loop.
    return kernels.chosen(mixed)(kernels, gates, experts, parameters.biases.value)


def mixed(kernels: Kernels, gates: Any, experts: Any, biases: Any) -> Any:
    """[batch, V * (M + 1)], [batch, V * M] and [V * M] -> probabilities [batch, V].

    For every class a softmax over M + 1 gates, of which the last is a dummy expert that predicts 0, times the
    sigmoids of experts + biases. Outputs of both products are class-major, [batch, V, gates], so that reading them
    by class moves no data.
    """
    return kernels.fused(_mixed)(gates, experts, biases)


def _mixed(gates: Any, experts: Any, biases: Any) -> Any:
    classes = gates.shape[1] - experts.shape[1]
    mixtures = experts.shape[1] // classes
    share = ops.softmax(ops.reshape(gates, (-1, classes, mixtures + 1)))[..., :mixtures]
    experts = ops.reshape(experts + biases, (-1, classes, mixtures))
    return ops.sum(share * ops.sigmoid(experts), axis=-1)
