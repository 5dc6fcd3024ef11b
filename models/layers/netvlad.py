"""NetVLAD (Arandjelović et al. 2016): a video's frames as the sums of their residuals to learned centres."""

from __future__ import annotations

from typing import Any

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.frames import Frames
from gapsack.models.layers.kernels import Clusters


class NetVLAD(TensorLayer):
    """Frames -> one descriptor [batch, features * clusters] of norm 1, feature-major; see `Kernels.described`."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.assignment = self.variable(f"{scope}/conv2/cluster_weights")
        self.batch_norm = BatchNorm(table, f"{scope}/cluster_bn", seed)
        self.centres = self.variable(f"{scope}/cluster_weights2/cluster_weights2")

    def call(self, frames: Frames, training: bool = False) -> Any:
        """`Frames` [batch, frames, features] -> [batch, features * clusters]."""
        clusters = Clusters(self.assignment, self.batch_norm.parameters(training), self.centres.value)
        descriptor, statistics = self.kernels.described(frames, clusters, self.compute_dtype)
        if training:
            self.batch_norm.remember(statistics)
        return descriptor
