"""The DBoF family: hyperparameters and tensors of the starter's deep bag of frames (arXiv 1609.08675).

Every frame, video and audio together, is assigned to many clusters, the strongest assignment over the frames is kept,
and a hidden layer leads to a mixture of experts: 17 tensors, of which the four with a `group` hold nearly all bytes.
Names are those of the starter's TensorFlow 1 graph, so that its checkpoints load by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gapsack.models.family import Family, activations_of
from gapsack.models.hyperparameters import Choice, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Tensor, batch_norm

SCOPE = "tower"
CLUSTERS = f"{SCOPE}/cluster_weights"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    C, H, V, M = (int(hyperparameters[name]) for name in ("clusters", "hidden", "classes", "mixtures"))
    width = _width(hyperparameters)

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


def _width(hyperparameters: Mapping[str, Any]) -> int:
    return int(hyperparameters["rgb"]) + int(hyperparameters["audio"])


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.dbof.network import DBoF

    return DBoF(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, their assignments, and what goes into and out of the other matrices."""
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=[CLUSTERS])
    return frames * _width(hyperparameters) + matrices


FAMILY = Family(
    name="dbof",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "C, clusters that frames are assigned to"),
        Number("hidden", "H, width of the hidden layer"),
        Number("classes", "V, classes to predict"),
        Number("mixtures", "M, experts of each class", default=2),
        Number("rgb", "video features of a frame, 0 for none", minimum=0, default=1024),
        Number("audio", "audio features of a frame, 0 for none", minimum=0, default=128),
        Choice("activation", "of clusters and of the hidden layer", ("relu6", "sigmoid"), default="relu6"),
        Choice("pooling", "of assignments over the frames", ("max", "average"), default="max"),
    ),
    tensors=tensors,
    network=_network,
    short_names={"clusters": "C", "hidden": "H"},
    scope=SCOPE,
    activations=_activations,
)
