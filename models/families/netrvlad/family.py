"""Gated NetRVLAD, a NetVLAD without centres (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Sums of assigned frames in the place of residuals to centres; all else as in `willow_netvlad`. Names are those of the
authors' graph, which calls it `lightvlad`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, streams
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of

VIDEO, AUDIO = f"{common.SCOPE}/video_VLAD", f"{common.SCOPE}/audio_VLAD"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    poolings: list[Tensor] = []
    width = 0
    for scope, features, clusters in _streams(hyperparameters):
        poolings += streams.assignment(scope, features, clusters)
        width += features * clusters
    return streams.stream_network(hyperparameters, tuple(poolings), width)


def _streams(hyperparameters: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Scope, features and clusters of each stream; audio has half as many clusters."""
    return streams.of(hyperparameters, (VIDEO, AUDIO), audio_share=2)


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.pooling import ResidualPooling
    from gapsack.models.layers.streams import StreamPooling

    return StreamPooling(
        table, hyperparameters, seed, {scope: ResidualPooling for scope, _, _ in _streams(hyperparameters)}
    )


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, their assignments, and what goes into and out of the other matrices."""
    framewise = [f"{scope}/cluster_weights" for scope in (VIDEO, AUDIO)]
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=framewise)
    return frames * common.frame_width(hyperparameters) + matrices


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "moe"), gating=True)


def _recognise(shapes: Shapes) -> dict[str, Any]:
    return streams.recognised(shapes, (VIDEO, AUDIO))


FAMILY = Family(
    name="netrvlad",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "K, clusters of the video stream; audio has K // 2", minimum=2),
        Number("hidden", "H, width of the hidden layer"),
        common.CLASSES,
        common.RGB,
        common.OPTIONAL_AUDIO,
        common.FRAMES,
        streams.RELU,
        streams.gating(True),
        common.classifier("moe"),
    ),
    more=_more,
    tensors=tensors,
    network=_network,
    short_names={"clusters": "K", "hidden": "H"},
    scope=common.SCOPE,
    whole_frames=common.takes_all_frames,
    activations=_activations,
    recognise=_recognise,
)
