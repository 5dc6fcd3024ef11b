"""The tensors of DBoF, the starter's deep bag of frames (arXiv 1609.08675).

Every frame, video and audio together, is assigned to many clusters, the strongest assignment over the frames is kept,
and a hidden layer leads to a mixture of experts: 17 tensors, of which the four with a `group` hold nearly all bytes.
Names are those of the starter's TensorFlow 1 graph, so that its checkpoints load by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks.common import SCOPE, frame_width, matrix, mixture_of_experts
from gapsack.models.tensors import Tensor, batch_norm

CLUSTERS = f"{SCOPE}/cluster_weights"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    C, H, V, M = (int(hyperparameters[name]) for name in ("clusters", "hidden", "classes", "mixtures"))
    width = frame_width(hyperparameters)
    return (
        *batch_norm(f"{SCOPE}/input_bn", width),
        matrix(CLUSTERS, width, C, fan=width, group="clusters"),
        *batch_norm(f"{SCOPE}/cluster_bn", C),
        matrix(f"{SCOPE}/hidden1_weights", C, H, fan=C, group="hidden1"),
        *batch_norm(f"{SCOPE}/hidden1_bn", H),
        *mixture_of_experts(SCOPE, H, V, M),
    )
