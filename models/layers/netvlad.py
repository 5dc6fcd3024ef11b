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
        share = ops.softmax(self.batch_norm(self._scores(frames), training=training))
        # codes^T @ (share * gain) sums the assigned frames; a shift common to all features comes as one number.
        assigned = self.product(ops.transpose(frames.codes, (0, 2, 1)), share * frames.gain)
        shift = ops.sum(share * frames.shift, axis=1, keepdims=True)
        total = ops.sum(share, axis=1, keepdims=True)  # [batch, 1, clusters]
        return self.kernels.fused(_descriptor)(assigned, shift - total * self.centres)

    def _scores(self, frames: Frames) -> Any:
        _, length, features = ops.shape(frames.codes)
        rows = self.product(ops.reshape(frames.codes, (-1, features)), self.assignment)
        scores = ops.reshape(rows, (-1, length, rows.shape[-1]))
        return scores * frames.gain + frames.shift * ops.sum(self.assignment, axis=0)


def _descriptor(assigned: Any, correction: Any) -> Any:
    residuals = _unit(assigned + correction, axis=1)
    return _unit(ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2])), axis=-1)


def _unit(vectors: Any, axis: int) -> Any:
    square = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
