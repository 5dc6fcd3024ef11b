"""DBoF as a family: its hyperparameters, and how a model of them is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common
from gapsack.models.families.dbof.tensors import CLUSTERS, tensors
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Choice, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.dbof.network import DBoF

    return DBoF(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return common.frame_activations(tensors(hyperparameters), hyperparameters, view, (CLUSTERS,))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    width, clusters = shapes[CLUSTERS]
    return {
        "clusters": clusters,
        "hidden": shapes[f"{common.SCOPE}/hidden1_weights"][1],
        **common.recognised_experts(shapes),
        **common.recognised_width(width),
    }


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
    scope=common.SCOPE,
    activations=_activations,
    recognise=_recognise,
)
