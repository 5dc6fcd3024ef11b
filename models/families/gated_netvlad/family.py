"""Gated NetVLAD as a family: its hyperparameters, by the letters of the paper, and how a model of them is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common
from gapsack.models.families.gated_netvlad.tensors import tensors
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.families.gated_netvlad.network import GatedNetVLAD

    return GatedNetVLAD(table, hyperparameters, seed)


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    return common.frame_activations(tensors(hyperparameters), hyperparameters, view, ("_VLAD/conv2/cluster_weights",))


def _recognise(shapes: Shapes) -> dict[str, Any]:
    rgb, clusters = shapes[f"{common.SCOPE}/video_VLAD/conv2/cluster_weights"]
    return {
        "clusters": clusters,
        "hidden": shapes[f"{common.SCOPE}/hidden1_weights/hidden1_weights"][1],
        **common.recognised_experts(shapes),
        "rgb": rgb,
        "audio": shapes[f"{common.SCOPE}/audio_VLAD/conv2/cluster_weights"][0],
    }


FAMILY = Family(
    name="gated_netvlad",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "K, clusters of the video NetVLAD; audio has K // 2", minimum=2),
        Number("hidden", "H, width of the bottleneck"),
        Number("classes", "V, classes to predict"),
        Number("mixtures", "M, experts of each class", default=5),
        Number("rgb", "video features of a frame", default=1024),
        Number("audio", "audio features of a frame", default=128),
        Number(
            "dropout",
            "share of the representation dropped in training, before the experts",
            minimum=0,
            below=1,
            default=0.0,
            whole=False,
        ),
    ),
    tensors=tensors,
    network=_network,
    short_names={"clusters": "K", "hidden": "H"},  # the paper's letters
    scope=common.SCOPE,
    activations=_activations,
    recognise=_recognise,
)
