"""The gated NetVLAD network of Liu & Liu 2018 (arXiv 1808.06739), section 3."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
from keras import ops

from gapsack.models.blocks.common import SCOPE
from gapsack.models.layers.base import Network
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.experts import MixtureOfExperts
from gapsack.models.layers.frames import check_frames, split_frames
from gapsack.models.layers.gating import ContextGating
from gapsack.models.layers.netvlad import NetVLAD, Projection
from gapsack.models.tensors import Tensor


class GatedNetVLAD(Network):
    """{"frames": [batch, frames, rgb + audio]} -> probabilities [batch, classes]."""

    def __init__(self, tensors: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> None:
        super().__init__(tensors, seed)
        table = self.table
        self.rgb, self.width = hyperparameters["rgb"], hyperparameters["rgb"] + hyperparameters["audio"]
        self.video = NetVLAD(table, f"{SCOPE}/video_VLAD", seed)
        self.audio = NetVLAD(table, f"{SCOPE}/audio_VLAD", seed)
        self.hidden1 = Projection(table, f"{SCOPE}/hidden1_weights/hidden1_weights", seed)
        self.hidden1_norm = BatchNorm(table, f"{SCOPE}/hidden1_bn", seed)
        self.hidden2 = Dense(table, f"{SCOPE}/hidden2_weights/hidden2_weights", seed, biases=f"{SCOPE}/hidden2_biases")
        self.gating = ContextGating(table, f"{SCOPE}/gating_weights/gating_weights", f"{SCOPE}/gating_bn", seed)
        self.dropout = keras.layers.Dropout(hyperparameters["dropout"], seed=seed, dtype="float32")
        self.experts = MixtureOfExperts(table, SCOPE, seed)
        self.class_gating = ContextGating(table, f"{SCOPE}/gating_prob_weights", f"{SCOPE}/gating_prob_bn", seed)

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """See the class; batch statistics and dropout are used when `training`."""
        frames = check_frames(inputs["frames"], self.width)
        split = partial(self.kernels.chosen(split_frames), rgb=self.rgb, dtype=self.video.compute_dtype)
        video, audio = self.kernels.fused(split)(frames)
        descriptors = [self.video(frames=video, training=training), self.audio(frames=audio, training=training)]
        hidden = ops.relu6(self.hidden1_norm(self.hidden1(descriptors), training=training))
        representation = self.gating(self.hidden2(hidden), training=training)
        probabilities = self.experts(self.dropout(representation, training=training))
        return self.class_gating(probabilities, training=training)
