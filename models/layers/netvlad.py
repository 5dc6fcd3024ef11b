"""NetVLAD (Arandjelović et al. 2016): a video's frames as the sums of their residuals to learned centres."""

from __future__ import annotations

from typing import Any

from keras import ops

from models.layers.base import Table, TensorLayer
from models.layers.batch_norm import BatchNorm
from models.layers.frames import SMALLEST_SQUARE, Frames


class NetVLAD(TensorLayer):
    """Frames -> one descriptor [batch, features * clusters] of norm 1, feature-major.

    Soft assignment a = softmax(batch_norm(x @ W)); residuals v_k = sum_i a_ik (x_i - c_k) with centres c of their own,
    each normalised over the features, then all together.
    """

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.assignment = self.variable(f"{scope}/conv2/cluster_weights")
        self.batch_norm = BatchNorm(table, f"{scope}/cluster_bn", seed)
        self.centres = self.variable(f"{scope}/cluster_weights2/cluster_weights2")

    def call(self, frames: Frames, training: bool = False) -> Any:
        """`Frames` [batch, frames, features] -> [batch, features * clusters]."""
        scores = self.kernels.scores(frames, self.assignment, self.compute_dtype)
        share = ops.softmax(self.batch_norm(scores, training=training))
        assigned = self.kernels.assigned(frames, share, self.compute_dtype)
        total = ops.sum(share, axis=1, keepdims=True)  # [batch, 1, clusters]
        return self.kernels.fused(_descriptor)(assigned, total, self.centres.value)


def _descriptor(assigned: Any, total: Any, centres: Any) -> Any:
    residuals = _unit(assigned - total * centres, axis=1)
    return _unit(ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2])), axis=-1)


def _unit(vectors: Any, axis: int) -> Any:
    square = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
