"""The NeXtVLAD network (Lin, Xiao and Fan 2018, arXiv 1811.05014)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks.common import SCOPE, frame_width
from gapsack.models.families.nextvlad.tensors import STREAMS
from gapsack.models.layers.base import AnsweringNetwork
from gapsack.models.layers.frames import check_frames
from gapsack.models.layers.nextvlad import Branch, Unwhitened
from gapsack.models.tasks.answer import Answer
from gapsack.models.tasks.youtube8m.float_frames import real_frames
from gapsack.models.tensors import Tensor


class NeXtVLAD(AnsweringNetwork):
    """{"frames": [batch, frames, rgb + audio], "num_frames": [batch]} -> probabilities [batch, classes]."""

    def __init__(self, tensors: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> None:
        super().__init__(tensors, seed)
        self.width = frame_width(hyperparameters)
        self.unwhitened = Unwhitened(hyperparameters)
        self.branch = Branch(self.table, SCOPE, STREAMS, hyperparameters, seed)

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """See the base."""
        frames, num_frames = check_frames(inputs["frames"], self.width), inputs["num_frames"]
        features = self.unwhitened(frames, num_frames)
        answer: Answer = self.branch(features, real_frames(frames, num_frames), training=training)
        return answer
