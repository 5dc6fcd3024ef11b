"""The mixture of NeXtVLADs, and the divergence of its branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.blocks.common import SCOPE, frame_width
from gapsack.models.families.mix_nextvlad.tensors import STREAMS, branch_scope
from gapsack.models.layers.base import AnsweringNetwork
from gapsack.models.layers.batch_norm import BatchNorm
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.frames import check_frames
from gapsack.models.layers.nextvlad import Branch, Unwhitened
from gapsack.models.tasks.answer import Answer, of_logits
from gapsack.models.tasks.youtube8m.float_frames import real_frames
from gapsack.models.tensors import Tensor

DIVERGENCE_EPSILON = 1e-8  # inside of the logarithms, as in the authors' code


class MixNeXtVLAD(AnsweringNetwork):
    """{"frames": [batch, frames, rgb + audio], "num_frames": [batch]} -> probabilities [batch, classes]."""

    def __init__(self, tensors: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> None:
        super().__init__(tensors, seed)
        table = self.table
        self.width, self.places = frame_width(hyperparameters), int(hyperparameters["places"])
        self.temperature = float(hyperparameters["temperature"])
        self.distillation = float(hyperparameters["distillation"])
        self.unwhitened = Unwhitened(hyperparameters)
        # Each branch drops other values.
        self.branches = [
            Branch(table, branch_scope(index), STREAMS, hyperparameters, seed + index)
            for index in range(hyperparameters["branches"])
        ]
        self.mix_norm = BatchNorm(table, f"{SCOPE}/mix_weights_bn", seed)
        weights, biases = (f"{SCOPE}/mix_weights/{name}" for name in ("weights", "biases"))
        self.mix_weights = Dense(table, weights, seed, biases=biases)

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """The mixture's; in training with the branches' own, and the divergence between them."""
        frames, num_frames = check_frames(inputs["frames"], self.width), inputs["num_frames"]
        real, features = real_frames(frames, num_frames), self.unwhitened(frames, num_frames)
        answers = [branch(features, real, training=training) for branch in self.branches]
        scores = self.mix_weights(self.mix_norm(self._mean(features), training=training))
        shares = ops.softmax(scores)[:, None]  # [batch, 1, branches]
        mixed = ops.sum(ops.stack([answer.logits for answer in answers], axis=-1) * shares, axis=-1)
        if not training:
            return of_logits(mixed)
        divergence = self._divergence(mixed, [answer.logits for answer in answers])
        return of_logits(mixed, branches=tuple(answers), penalty=self.distillation * divergence)

    def _mean(self, features: Any) -> Any:
        """[batch, frames, width] -> the mean over so many places, of which those that are not given are empty ones."""
        given = features.shape[1]
        mean = ops.sum(features, axis=1) / self.places
        missing = self.places - given
        if missing == 0:
            return mean
        empty = self.unwhitened(ops.zeros((1, 1, self.width)), ops.zeros((1,), "int32"))[0]
        return mean + empty * (missing / self.places)

    def _divergence(self, mixed: Any, branches: list[Any]) -> Any:
        """Mean over examples of the branches' KL(softmax(mixed / Tau) || softmax(branch / Tau)), summed."""
        target = ops.softmax(mixed / self.temperature)
        logarithm, total = ops.log(target + DIVERGENCE_EPSILON), 0.0
        for logits in branches:
            own = ops.log(ops.softmax(logits / self.temperature) + DIVERGENCE_EPSILON)
            total = total + ops.sum(target * (logarithm - own)) / logits.shape[0]
        return total
