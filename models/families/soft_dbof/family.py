"""Soft-DBoF, a soft deep bag of frames (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Soft assignments of each stream, summed over the frames; a hidden layer with biases, no gating of it, a mixture of
experts. Names are those of the authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.blocks import common, streams
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Flag, Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of

VIDEO, AUDIO = f"{common.SCOPE}/video_DBOF", f"{common.SCOPE}/audio_DBOF"


def tensors(hyperparameters: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Every tensor of the model with these (complete) hyperparameters."""
    poolings: list[Tensor] = []
    width = 0
    for scope, features, clusters in _streams(hyperparameters):
        poolings += streams.assignment(scope, features, clusters)
        width += clusters * (2 if hyperparameters["maximum"] else 1)
    return streams.stream_network(hyperparameters, tuple(poolings), width)


def _streams(hyperparameters: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Scope, features and clusters of each stream; audio has an eighth as many clusters."""
    return streams.of(hyperparameters, (VIDEO, AUDIO), audio_share=8)


def _network(table: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], seed: int) -> Any:
    from functools import partial

    from gapsack.models.layers.pooling import BagPooling
    from gapsack.models.layers.streams import StreamPooling

    pooling = partial(BagPooling, maximum=hyperparameters["maximum"])
    return StreamPooling(table, hyperparameters, seed, {scope: pooling for scope, _, _ in _streams(hyperparameters)})


def _activations(hyperparameters: Mapping[str, Any], view: View) -> int:
    """Frames, their assignments, and what goes into and out of the other matrices."""
    framewise = [f"{scope}/cluster_weights" for scope in (VIDEO, AUDIO)]
    frames = view.sample_frames
    matrices = activations_of(tensors(hyperparameters), frames=frames, framewise=framewise)
    return frames * common.frame_width(hyperparameters) + matrices


def _more(hyperparameters: Mapping[str, Any]) -> tuple[Hyperparameter, ...]:
    return common.classifier_options(hyperparameters.get("classifier", "moe"), gating=False)


def _recognise(shapes: Shapes) -> dict[str, Any]:
    found = streams.recognised(shapes, (VIDEO, AUDIO))
    sums_and_maxima = 2 * found["clusters"]  # of the video stream; sums of both streams are fewer
    return {**found, "maximum": shapes[f"{common.SCOPE}/hidden1_weights"][0] >= sums_and_maxima}


FAMILY = Family(
    name="soft_dbof",
    tasks=("youtube8m",),
    hyperparameters=(
        Number("clusters", "C, clusters of the video stream; audio has C // 8", minimum=8),
        Number("hidden", "H, width of the hidden layer"),
        Flag("maximum", "the largest assignments follow their sums", default=False),
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
