"""The deep bag of frames of the YouTube-8M starter code (arXiv 1609.08675)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.blocks.common import SCOPE
from gapsack.models.families.dbof.tensors import CLUSTERS
from gapsack.models.layers.base import Network
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.experts import MixtureOfExperts
from gapsack.models.layers.frames import check_frames, unit_frames
from gapsack.models.tensors import Tensor

ACTIVATIONS = {"relu6": ops.relu6, "sigmoid": ops.sigmoid}
POOLINGS = {"max": ops.max, "average": ops.mean}


class DBoF(Network):
    """{"frames": [batch, frames, rgb + audio]} -> probabilities [batch, classes]."""

    def __init__(self, tensors: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> None:
        super().__init__(tensors, seed)
        table = self.table
        self.width = hyperparameters["rgb"] + hyperparameters["audio"]
        self.activation = ACTIVATIONS[hyperparameters["activation"]]
        self.pooling = POOLINGS[hyperparameters["pooling"]]
        self.input_norm = BatchNorm(table, f"{SCOPE}/input_bn", seed)
        self.clusters = Dense(table, CLUSTERS, seed)
        self.cluster_norm = BatchNorm(table, f"{SCOPE}/cluster_bn", seed)
        self.hidden1 = Dense(table, f"{SCOPE}/hidden1_weights", seed)
        self.hidden1_norm = BatchNorm(table, f"{SCOPE}/hidden1_bn", seed)
        self.experts = MixtureOfExperts(table, SCOPE, seed)

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """See the class; batch statistics are used when `training`."""
        frames = check_frames(inputs["frames"], self.width)
        # All frames of the batch are rows of one matrix: the norms take their statistics over all of them.
        rows = ops.reshape(self.kernels.fused(unit_frames)(frames), (-1, self.width))
        scores = self.cluster_norm(self.clusters(self.input_norm(rows, training=training)), training=training)
        assigned = ops.reshape(self.activation(scores), (-1, frames.shape[1], scores.shape[-1]))
        bag = self.pooling(assigned, axis=1)
        return self.experts(self.activation(self.hidden1_norm(self.hidden1(bag), training=training)))
