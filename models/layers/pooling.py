"""Learned poolings: the frames of one stream, assigned to clusters, as one vector of a video.

Frames are float32 [batch, frames, features]. Where `real` [batch, frames, 1] is given, frames with 0 take no part.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.frames import unit_vectors

SMALLEST_COVARIANCE = 1e-6


class Pooling(TensorLayer):
    """What pools one stream: soft assignments softmax(batch_norm(x @ `cluster_weights`)), then `pooled`.

    Args:
        table: Tensors of the whole model by name.
        scope: Of the stream's tensors.
        seed: Of the initial values.
    """

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.scope = scope
        self.cluster_weights = self.variable(f"{scope}/cluster_weights")
        self.cluster_norm = BatchNorm(table, f"{scope}/cluster_bn", seed)

    def call(self, frames: Any, training: bool = False, real: Any = None) -> Any:
        """[batch, frames, features] -> [batch, width]."""
        _, length, features = frames.shape
        products = self.product(ops.reshape(frames, (-1, features)), self.cluster_weights)
        scores = ops.reshape(products, (-1, length, products.shape[-1]))
        shares = ops.softmax(self.cluster_norm(scores, training=training, real=real))
        return self.pooled(frames, shares if real is None else shares * real, training)

    @abstractmethod
    def pooled(self, frames: Any, shares: Any, training: bool) -> Any:
        """Frames [batch, frames, features] and their shares [batch, frames, clusters] -> [batch, width]."""

    def optional(self, name: str) -> Any:
        """The variable of a tensor of this scope, or None where the table has none."""
        full = f"{self.scope}/{name}"
        return self.variable(full) if full in self._table else None


class ResidualPooling(Pooling):
    """NetVLAD, and NetRVLAD where the table has no centres: sums of residuals, feature-major, of norm 1."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, scope, seed)
        self.centres = self.optional("cluster_weights2")

    def pooled(self, frames: Any, shares: Any, training: bool) -> Any:
        """-> [batch, features * clusters]; each cluster's sum is normalised first, then all together."""
        sums = self.product(ops.transpose(frames, (0, 2, 1)), shares)
        if self.centres is not None:
            sums = sums - ops.sum(shares, axis=1, keepdims=True) * self.centres.value
        return unit_vectors(flat(unit_vectors(sums, axis=1)))


class FisherPooling(Pooling):
    """NetFV: first and second order differences to Gaussians of learned centres and deviations.

    Without `cluster_weights2` in the table the centres are 0.01 times the assignment's weights.
    """

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, scope, seed)
        self.covariance_roots = self.variable(f"{scope}/covar_weights")
        self.centres = self.optional("cluster_weights2")

    def pooled(self, frames: Any, shares: Any, training: bool) -> Any:
        """-> [batch, 2 * features * clusters], first order before second."""
        deviations = ops.square(self.covariance_roots.value) + SMALLEST_COVARIANCE
        centres = 0.01 * self.cluster_weights.value if self.centres is None else self.centres.value
        across = ops.transpose(frames, (0, 2, 1))
        mass = ops.sum(shares, axis=1, keepdims=True)
        sums, squares = self.product(across, shares), self.product(ops.square(across), shares)
        first = (sums - mass * centres) / deviations
        second = (mass * ops.square(centres) + squares - 2 * sums * centres) / ops.square(deviations) - mass
        return ops.concatenate([unit_vectors(flat(unit_vectors(first, axis=1))), unit_vectors(flat(second))], axis=-1)


class BagPooling(Pooling):
    """Soft deep bag of frames: the assignments summed over the frames, of norm 1.

    With `maximum`, the largest assignments follow, of norm 1 as well.
    """

    def __init__(self, table: Table, scope: str, seed: int, *, maximum: bool = False) -> None:
        super().__init__(table, scope, seed)
        self.maximum = maximum

    def pooled(self, frames: Any, shares: Any, training: bool) -> Any:
        """-> [batch, clusters], or twice as many with `maximum`."""
        del frames
        bag = unit_vectors(ops.sum(shares, axis=1))
        return ops.concatenate([bag, unit_vectors(ops.max(shares, axis=1))], axis=-1) if self.maximum else bag


class GatedBagPooling(Pooling):
    """A bag of frames whose clusters are gated by their strongest assignments."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, scope, seed)
        self.reduction = Dense(table, f"{scope}/dim_red", seed)
        self.gates = Dense(table, f"{scope}/cluster_weights_2", seed)
        self.gate_norm = BatchNorm(table, f"{scope}/cluster_bn_2", seed)

    def pooled(self, frames: Any, shares: Any, training: bool) -> Any:
        """-> [batch, clusters] of norm 1."""
        del frames
        strongest = unit_vectors(ops.max(shares, axis=1))
        gates = ops.sigmoid(self.gate_norm(self.gates(self.reduction(strongest)), training=training))
        return unit_vectors(gates * ops.sum(shares, axis=1))


def flat(values: Any) -> Any:
    """[batch, features, clusters] -> [batch, features * clusters], feature-major."""
    return ops.reshape(values, (-1, values.shape[1] * values.shape[2]))
