"""NetVLAD (Arandjelović et al. 2016): a video's frames as the sums of their residuals to learned centres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.frames import Frames, unit_vectors
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.statistics import Normalisation, moments, normalised


class NetVLAD(TensorLayer):
    """Frames -> one descriptor [batch, features * clusters] of norm 1, feature-major; see `described`."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.assignment = self.variable(f"{scope}/conv2/cluster_weights")
        self.batch_norm = BatchNorm(table, f"{scope}/cluster_bn", seed)
        self.centres = self.variable(f"{scope}/cluster_weights2/cluster_weights2")

    def call(self, frames: Frames, training: bool = False) -> Any:
        """`Frames` [batch, frames, features] -> [batch, features * clusters]."""
        clusters = Clusters(self.assignment, self.batch_norm.parameters(training), self.centres.value)
        run = self.kernels.chosen(described)
        descriptor, statistics = run(self.kernels, frames, clusters, self.compute_dtype)
        if training:
            self.batch_norm.remember(statistics, math.prod(frames.codes.shape[:-1]))
        return descriptor


class Projection(Dense):
    """Descriptors of several parts of the frames, side by side -> [batch, columns]; see `projected`."""

    def call(self, descriptors: Sequence[Any]) -> Any:
        """One product; float32."""
        return self.kernels.chosen(projected)(self.kernels, descriptors, self.matrix, self.compute_dtype)


class Clusters(NamedTuple):
    """Parameters of a NetVLAD.

    Attributes:
        assignment: [features, K].
        norm: Of the scores.
        centres: [1, features, K].
    """

    assignment: Any
    norm: Normalisation
    centres: Any


def described(kernels: Kernels, frames: Frames, clusters: Clusters, narrow: str) -> tuple[Any, tuple[Any, Any]]:
    """Frames -> descriptors [batch, features * K] of norm 1, feature-major, and the norm's statistics.

    Soft assignment a = softmax(batch_norm(x @ W)); residuals v_k = sum_i a_ik (x_i - c_k) with centres c of their
    own, each normalised over the features, then all together.
    """
    scores = scored(kernels, frames, clusters.assignment, narrow)
    norm = clusters.norm
    statistics = moments(scores) if norm.given is None else norm.given
    share = ops.softmax(normalised(scores, norm, statistics))
    assigned = _assigned(kernels, frames, share, narrow)
    size = ops.sum(share, axis=1, keepdims=True)  # [batch, 1, K]
    return kernels.fused(_descriptor)(assigned, size, clusters.centres), statistics


def projected(kernels: Kernels, descriptors: Sequence[Any], matrix: Any, narrow: str) -> Any:
    """Descriptors as `described` gives them, side by side, @ matrix [all their features, columns]."""
    return kernels.product(ops.concatenate(descriptors, axis=-1), matrix, narrow)


def scored(kernels: Kernels, frames: Frames, matrix: Any, narrow: str) -> Any:
    """Unit frames [batch, frames, features] @ matrix [features, K] -> [batch, frames, K]."""
    _, length, features = ops.shape(frames.codes)
    rows = kernels.product(ops.reshape(frames.codes, (-1, features)), matrix, narrow)
    found = ops.reshape(rows, (-1, length, rows.shape[-1]))
    found = found * frames.gain
    return found if frames.shift is None else found + frames.shift * ops.sum(matrix, axis=0)


def _assigned(kernels: Kernels, frames: Frames, share: Any, narrow: str) -> Any:
    """Each video's unit frames, transposed, @ share [batch, frames, K] -> [batch, features, K]."""
    # codes^T @ (share * gain) sums the assigned frames; a shift common to all features comes as one number.
    found = kernels.product(ops.transpose(frames.codes, (0, 2, 1)), share * frames.gain, narrow)
    return found + ops.sum(share * frames.shift, axis=1, keepdims=True)


def _descriptor(assigned: Any, size: Any, centres: Any) -> Any:
    residuals = unit_vectors(assigned - size * centres, axis=1)
    return unit_vectors(ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2])), axis=-1)
