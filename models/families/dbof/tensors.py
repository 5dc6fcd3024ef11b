"""The tensors of DBoF, the starter's deep bag of frames (arXiv 1609.08675).

Every frame, video and audio together, is assigned to many clusters, the strongest assignment over the frames is kept,
and a hidden layer leads to a mixture of experts: 17 tensors, of which the four with a `group` hold nearly all bytes.
Names are those of the starter's TensorFlow 1 graph, so that its checkpoints load by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gapsack.models.tensors import Tensor, batch_norm

SCOPE = "tower"
CLUSTERS = f"{SCOPE}/cluster_weights"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    C, H, V, M = (int(hyperparameters[name]) for name in ("clusters", "hidden", "classes", "mixtures"))
    width = frame_width(hyperparameters)

    def glorot(group: str, columns: int) -> Tensor:
        deviation = math.sqrt(2 / (H + columns))
        return Tensor(f"{SCOPE}/{group}/weights", (H, columns), deviation=deviation, group=group, decayed=True)

    return (
        *batch_norm(f"{SCOPE}/input_bn", width),
        Tensor(CLUSTERS, (width, C), deviation=1 / math.sqrt(width), group="clusters"),
        *batch_norm(f"{SCOPE}/cluster_bn", C),
        Tensor(f"{SCOPE}/hidden1_weights", (C, H), deviation=1 / math.sqrt(C), group="hidden1"),
        *batch_norm(f"{SCOPE}/hidden1_bn", H),
        glorot("gates", V * (M + 1)),
        glorot("experts", V * M),
        Tensor(f"{SCOPE}/experts/biases", (V * M,)),
    )


def frame_width(hyperparameters: Mapping[str, Any]) -> int:
    """Features of a frame, video and audio together."""
    return int(hyperparameters["rgb"]) + int(hyperparameters["audio"])
