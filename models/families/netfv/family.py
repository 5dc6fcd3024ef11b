"""Gated NetFV, a trained Fisher vector (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Differences of first and second order to Gaussians; all else as in `willow_netvlad`. Names are those of the authors'
graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gapsack.models.blocks import common, streams
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Flag, Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of

VIDEO, AUDIO = f"{common.SCOPE}/video_FV", f"{common.SCOPE}/audio_FV"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    poolings: list[Tensor] = []
    width = 0
    for scope, features, clusters in _streams(hyperparameters):
        poolings += _pooling(scope, features, clusters, coupled=hyperparameters["coupled"])
        width += 2 * features * clusters
    return streams.stream_network(hyperparameters, tuple(poolings), width)


def _streams(hyperparameters: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Scope, features and clusters of each stream; audio has half as many clusters."""
    return streams.of(hyperparameters, (VIDEO, AUDIO), audio_share=2)


def _pooling(scope: str, features: int, clusters: int, *, coupled: bool) -> list[Tensor]:
    own_centres = [] if coupled else [streams.centres(scope, features, clusters)]
    deviations = common.matrix(f"{scope}/covar_weights", features, clusters, fan=features, group="covariances")
    return [*streams.assignment(scope, features, clusters), replace(deviations, mean=1.0), *own_centres]


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from gapsack.models.layers.pooling import FisherPooling
    from gapsack.models.layers.streams import StreamPooling

    return StreamPooling(
        table, hyperparameters, seed, {scope: FisherPooling for scope, _, _ in _streams(hyperparameters)}
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
    return {
        **streams.recognised(shapes, (VIDEO, AUDIO)),
        "coupled": not any(f"{scope}/cluster_weights2" in shapes for scope in (VIDEO, AUDIO)),
    }


FAMILY = Family(
    name="netfv",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "K, clusters of the video stream; audio has K // 2", minimum=2),
        Number("hidden", "H, width of the hidden layer"),
        Flag("coupled", "centres are 0.01 times the assignment's weights, not trained by themselves", default=False),
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
