"""Gated DBoF, a bag of frames whose clusters are gated (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

As `soft_dbof`, but the clusters of the video stream are gated by their strongest assignments. Names are those of the
authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, streams
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of, batch_norm

VIDEO, AUDIO = f"{common.SCOPE}/video_DBOF", f"{common.SCOPE}/audio_DBOF"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    poolings: list[Tensor] = []
    width = 0
    for scope, features, clusters in _streams(hyperparameters):
        poolings += _pooling(scope, features, clusters)
        width += clusters
    return streams.stream_network(hyperparameters, tuple(poolings), width)


def _streams(hyperparameters: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Scope, features and clusters of each stream; audio has an eighth as many clusters."""
    return streams.of(hyperparameters, (VIDEO, AUDIO), audio_share=8)


def _pooling(scope: str, features: int, clusters: int) -> list[Tensor]:
    assignment = streams.assignment(scope, features, clusters)
    if scope == AUDIO:
        return assignment
    return [
        *assignment,
        common.matrix(f"{scope}/dim_red", clusters, features, fan=features, group="reduction"),
        common.matrix(f"{scope}/cluster_weights_2", features, clusters, fan=features, group="cluster_gates"),
        *batch_norm(f"{scope}/cluster_bn_2", clusters),
    ]


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.pooling import BagPooling, GatedBagPooling
    from gapsack.models.layers.streams import StreamPooling

    return StreamPooling(
        table,
        hyperparameters,
        seed,
        {scope: BagPooling if scope == AUDIO else GatedBagPooling for scope, _, _ in _streams(hyperparameters)},
    )


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, their assignments, and what goes into and out of the other matrices."""
    framewise = [f"{scope}/cluster_weights" for scope in (VIDEO, AUDIO)]
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=framewise)
    return frames * common.frame_width(hyperparameters) + matrices


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "moe"), gating=False)


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return streams.recognised(shapes, (VIDEO, AUDIO))


FAMILY = Family(
    name="gated_dbof",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "C, clusters of the video stream; audio has C // 8", minimum=8),
        Number("hidden", "H, width of the hidden layer"),
        common.CLASSES,
        common.RGB,
        common.OPTIONAL_AUDIO,
        common.FRAMES,
        streams.RELU,
        streams.gating(False),
        common.classifier("moe"),
    ),
    more=_more,
    tensors=tensors,
    network=_network,
    short_names={"clusters": "C", "hidden": "H"},
    scope=common.SCOPE,
    whole_frames=common.takes_all_frames,
    activations=_activations,
    recognise=_recognise,
)
