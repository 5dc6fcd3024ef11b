"""The network of recurrent families: layers over the unit frames, then a classifier of the last states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from gapsack.models.blocks.common import SCOPE, frame_width
from gapsack.models.blocks.recurrent import layer_scope
from gapsack.models.layers.base import AnsweringNetwork
from gapsack.models.layers.classifier import Classifier
from gapsack.models.layers.frames import check_frames, unit_frames
from gapsack.models.layers.recurrent import GRUCell, LSTMCell, Recurrent
from gapsack.models.tasks.answer import Answer
from gapsack.models.tasks.youtube8m.float_frames import real_frames
from gapsack.models.tensors import Tensor

AnyCell = type[LSTMCell] | type[GRUCell]


class RecurrentNetwork(AnsweringNetwork):
    """{"frames": [batch, frames, rgb + audio], "num_frames": [batch]} -> probabilities [batch, classes].

    Args:
        tensors: Every tensor.
        hyperparameters: Complete ones.
        seed: Of the initial values.
        cell: Of all layers.
        root: Scope of the layers' tensors.
        classified: (states of every layer, lowest first) -> those that the classifier sees.
        both_ways: Root of a first layer that runs both ways, half of its cells each; None for none.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        hyperparameters: Mapping[str, Any],
        seed: int,
        *,
        cell: AnyCell,
        root: str,
        classified: Any,
        both_ways: str | None = None,
    ) -> None:
        super().__init__(tensors, seed)
        table = self.table
        self.width, self.classified = frame_width(hyperparameters), classified
        self.ways = [
            Recurrent(table, cell(table, layer_scope(f"{both_ways}/{way}", 0), seed), seed, backward=way == "bw")
            for way in (() if both_ways is None else ("fw", "bw"))
        ]
        count = int(hyperparameters.get("layers", 1))
        self.layers_of_time = [
            Recurrent(table, cell(table, layer_scope(root, index), seed), seed) for index in range(count)
        ]
        self.classifier = Classifier(table, SCOPE, seed)

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """See the base."""
        frames, num_frames = check_frames(inputs["frames"], self.width), inputs["num_frames"]
        real = ops.cast(real_frames(frames, num_frames)[..., 0], "bool")
        values = self.kernels.fused(unit_frames)(frames, num_frames)
        if self.ways:
            values = ops.concatenate([way(values, real)[0] for way in self.ways], axis=-1)
        states: list[Sequence[Any]] = []
        for layer in self.layers_of_time:
            values, last = layer(values, real)
            states.append(last)
        answer: Answer = self.classifier(ops.concatenate(self.classified(states), axis=-1), training=training)
        return answer
