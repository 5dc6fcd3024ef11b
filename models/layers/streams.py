"""The network that WILLOW's models share: a pooling for each stream, a hidden layer, gating, a classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

from gapsack.models.blocks.common import SCOPE, frame_width
from gapsack.models.layers.base import AnsweringNetwork, Table
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.classifier import Classifier
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.frames import check_frames, unit_frames
from gapsack.models.layers.gating import ContextGating
from gapsack.models.layers.pooling import Pooling
from gapsack.models.tasks.answer import Answer
from gapsack.models.tasks.youtube8m.float_frames import real_frames
from gapsack.models.tensors import Tensor

MakePooling = Callable[[Table, str, int], Pooling]
"""(tensors by name, scope, seed) -> the pooling of a stream."""


class StreamPooling(AnsweringNetwork):
    """{"frames": [batch, frames, rgb + audio], "num_frames": [batch]} -> probabilities [batch, classes].

    `num_frames` is of use where all frames of a video are taken. The table says what there is: an audio stream, a
    norm and ReLU6 on the hidden layer or biases, context gating, and which classifier.

    Args:
        tensors: Every tensor.
        hyperparameters: Complete ones.
        seed: Of the initial values.
        poolings: By the scope of their tensors: of video, and of audio where there is any.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        hyperparameters: Mapping[str, Any],
        seed: int,
        poolings: Mapping[str, MakePooling],
    ) -> None:
        super().__init__(tensors, seed)
        table = self.table
        self.rgb, self.width = int(hyperparameters["rgb"]), frame_width(hyperparameters)
        self.all_frames = hyperparameters["frames"] == "all"
        self.input_norm = BatchNorm(table, f"{SCOPE}/input_bn", seed)
        self.poolings = [make(table, scope, seed) for scope, make in poolings.items()]
        biases, norm = f"{SCOPE}/hidden1_biases", f"{SCOPE}/hidden1_bn"
        self.hidden = Dense(table, f"{SCOPE}/hidden1_weights", seed, biases=biases if biases in table else None)
        self.hidden_norm = None if biases in table else BatchNorm(table, norm, seed)
        gates = f"{SCOPE}/gating_weights_2"
        has_gates = gates in table
        self.gating = ContextGating(table, gates, f"{SCOPE}/gating_bn", seed) if has_gates else None
        self.classifier = Classifier(table, SCOPE, seed)

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """See the base."""
        frames, real = check_frames(inputs["frames"], self.width), None
        if self.all_frames:
            real = real_frames(frames, inputs["num_frames"])
        features = self.input_norm(self.kernels.fused(unit_frames)(frames), training=training, real=real)
        streams = (features[..., : self.rgb], features[..., self.rgb :])
        pooled = [
            pooling(stream, training=training, real=real)
            for pooling, stream in zip(self.poolings, streams, strict=False)
        ]
        hidden = self.hidden(ops.concatenate(pooled, axis=-1))
        if self.hidden_norm is not None:
            hidden = ops.relu6(self.hidden_norm(hidden, training=training))
        if self.gating is not None:
            hidden = self.gating(hidden, training=training)
        answer: Answer = self.classifier(hidden, training=training)
        return answer
