"""The network of models that see a video as one vector, the mean of its frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.blocks.common import SCOPE, frame_width
from gapsack.models.layers.base import AnsweringNetwork
from gapsack.models.layers.classifier import Classifier
from gapsack.models.layers.frames import check_frames, unit_frames, unit_vectors
from gapsack.models.tasks.answer import Answer
from gapsack.models.tasks.youtube8m.float_frames import dequantized
from gapsack.models.tensors import Tensor


class MeanNetwork(AnsweringNetwork):
    """{"frames": [batch, frames, rgb + audio], "num_frames": [batch]} -> probabilities [batch, classes].

    The mean is taken over a video's own frames, and has norm 1 unless `frames_of_norm_1`, where each frame has. Data
    of video level are a single frame.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        hyperparameters: Mapping[str, Any],
        seed: int,
        *,
        frames_of_norm_1: bool = False,
    ) -> None:
        super().__init__(tensors, seed)
        self.width, self.frames_of_norm_1 = frame_width(hyperparameters), frames_of_norm_1
        self.classifier = Classifier(self.table, SCOPE, seed)

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """See the base."""
        frames, num_frames = check_frames(inputs["frames"], self.width), inputs["num_frames"]
        count = ops.maximum(ops.cast(num_frames, "float32"), 1.0)[:, None]
        values = (unit_frames if self.frames_of_norm_1 else dequantized)(frames, num_frames)
        mean = ops.sum(values, axis=1) / count
        answer: Answer = self.classifier(mean if self.frames_of_norm_1 else unit_vectors(mean), training=training)
        return answer
