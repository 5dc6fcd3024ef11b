"""NeXtVLAD (Lin et al. 2018, arXiv 1811.05014): frames split into groups with an attention each, then pooled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from gapsack.models.blocks.nextvlad import SCALES_FILE, streams_of
from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.classifier import Logistic
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.frames import unit_vectors
from gapsack.models.layers.pooling import flat
from gapsack.models.tasks.answer import Answer, of_logits
from gapsack.models.tasks.youtube8m.float_frames import dequantized

WHITENED_MEAN = 4 / 512
"""That of the features whose whitening is undone, by the authors' code; half a step of the 256 bytes' values."""


class Unwhitened:
    """Frames [batch, frames, features] -> float32 features in the place of whitened ones, places beyond the end too.

    Those are zeros before, and the same for every video after. Without `unwhiten` among the hyperparameters, features
    stay as they are.
    """

    def __init__(self, hyperparameters: Mapping[str, Any]) -> None:
        audio = int(hyperparameters["audio"])
        self.scale = self.mean = None
        if hyperparameters["unwhiten"]:
            scales = np.load(SCALES_FILE, allow_pickle=False)
            self.scale = np.concatenate([scales, np.ones(audio, np.float32)])
            self.mean = np.repeat(np.array([WHITENED_MEAN, 0], np.float32), [len(scales), audio])

    def __call__(self, frames: Any, num_frames: Any) -> Any:
        """See the class."""
        features = dequantized(frames, num_frames)
        return features if self.scale is None else (features - self.mean) * self.scale


class GroupedPooling(TensorLayer):
    """One stream's frames, expanded, attended and pooled by groups -> [batch, clusters * expanded features / groups].

    The norm of the scores takes its statistics in training over places beyond a video's end as well, as the authors'
    code does, and both norms remember the biased variance.
    """

    def __init__(self, table: Table, scope: str, seed: int, groups: int) -> None:
        super().__init__(table, seed)
        self.groups = groups
        names = [
            (f"{scope}/{layer}/weights", f"{scope}/{layer}/biases")
            for layer in ("fully_connected", "fully_connected_1")
        ]
        self.expand, self.attend = (Dense(table, weights, seed, biases=biases) for weights, biases in names)
        self.cluster_weights = self.variable(f"{scope}/cluster_weights")
        self.cluster_norm = BatchNorm(table, f"{scope}/cluster_bn", seed, biased=True)
        self.centres = self.variable(f"{scope}/cluster_weights2")
        self.descriptor_norm = BatchNorm(table, f"{scope}/vlad_bn", seed, biased=True)

    def call(self, frames: Any, real: Any, training: bool = False) -> Any:
        """Frames [batch, frames, features] and `real` [batch, frames, 1] of 0 or 1."""
        _, length, features = frames.shape
        expanded = self.expand(ops.reshape(frames, (-1, features)))
        attention = ops.reshape(ops.sigmoid(self.attend(expanded)), (-1, length, self.groups)) * real
        scores = self.cluster_norm(self.product(expanded, self.cluster_weights), training=training)
        places, clusters = length * self.groups, self.centres.shape[-1]
        shares = ops.softmax(ops.reshape(scores, (-1, places, clusters)))
        shares = shares * ops.reshape(attention, (-1, places, 1))
        parts = ops.reshape(expanded, (-1, places, expanded.shape[-1] // self.groups))
        sums = self.product(ops.transpose(parts, (0, 2, 1)), shares)
        residuals = sums - ops.sum(shares, axis=1, keepdims=True) * self.centres.value
        return self.descriptor_norm(flat(unit_vectors(residuals, axis=1)), training=training)


class Branch(TensorLayer):
    """One whole NeXtVLAD: unwhitened frames [batch, frames, features] -> `Answer` with logits."""

    def __init__(
        self, table: Table, scope: str, stream_names: tuple[str, str], hyperparameters: Mapping[str, Any], seed: int
    ) -> None:
        super().__init__(table, seed)
        self.rgb = int(hyperparameters["rgb"])
        self.poolings = [
            GroupedPooling(table, f"{scope}/{name}", seed, groups)
            for name, _, groups, _ in streams_of(hyperparameters, stream_names)
        ]
        self.dropout = keras.layers.Dropout(hyperparameters["dropout"], seed=seed, dtype="float32")
        self.hidden = Dense(table, f"{scope}/hidden1_weights", seed)
        self.hidden_norm = BatchNorm(table, f"{scope}/hidden1_bn", seed, biased=True)
        self.squeeze = Dense(table, f"{scope}/gating_weights_1", seed)
        self.squeeze_norm = BatchNorm(table, f"{scope}/gating_bn", seed)
        self.excite = Dense(table, f"{scope}/gating_weights_2", seed)
        self.classifier = Logistic(table, scope, seed)

    def call(self, frames: Any, real: Any, training: bool = False) -> Answer:
        """`real` [batch, frames, 1] is 1 for a video's own frames and 0 beyond its end."""
        streams = (frames[..., : self.rgb], frames[..., self.rgb :])
        pooled = [
            pooling(stream, real, training=training) for pooling, stream in zip(self.poolings, streams, strict=False)
        ]
        joined = self.dropout(ops.concatenate(pooled, axis=-1), training=training)
        hidden = self.hidden_norm(self.hidden(joined), training=training)
        gates = self.excite(ops.relu(self.squeeze_norm(self.squeeze(hidden), training=training)))
        return of_logits(self.classifier(hidden * ops.sigmoid(gates)))
