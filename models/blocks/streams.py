"""Tensors of networks that pool the frames of each stream: `layers.streams.StreamPooling`, after WILLOW's models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gapsack.models.blocks import common
from gapsack.models.hyperparameters import Flag, Number
from gapsack.models.tensors import Shapes, Tensor, batch_norm

HALF_FOR_AUDIO = Number("clusters", "K, clusters of the video stream; audio has K // 2", minimum=2)
EIGHTH_FOR_AUDIO = Number("clusters", "C, clusters of the video stream; audio has C // 8", minimum=8)
RELU = Flag("relu", "batch norm and ReLU6 on the hidden layer in place of biases", default=False)


def gating(default: bool) -> Flag:
    """Whether the hidden layer is gated."""
    return Flag("gating", "context gating of the hidden layer", default=default)


class PooledStream(NamedTuple):
    """A stream of frames and the clusters of its pooling.

    Attributes:
        scope: Of its tensors.
        features: Of a frame.
        clusters: Of its own.
        is_audio: Or video.
    """

    scope: str
    features: int
    clusters: int
    is_audio: bool


def of(hyperparameters: Mapping[str, Any], scopes: tuple[str, str], *, audio_share: int) -> list[PooledStream]:
    """The video stream, and that of audio where there is any.

    Audio has as many clusters as video divided by `audio_share`, rounded down.
    """
    clusters, audio = int(hyperparameters["clusters"]), int(hyperparameters["audio"])
    found = [PooledStream(scopes[0], int(hyperparameters["rgb"]), clusters, is_audio=False)]
    return [*found, PooledStream(scopes[1], audio, clusters // audio_share, is_audio=True)] if audio else found


def assignment(stream: PooledStream) -> list[Tensor]:
    """What assigns frames of a stream to clusters, and the norm of the scores."""
    scope, features, clusters, _ = stream
    weights = common.matrix(f"{scope}/cluster_weights", features, clusters, fan=features, group="clusters")
    return [weights, *batch_norm(f"{scope}/cluster_bn", clusters)]


def centres(stream: PooledStream) -> Tensor:
    """Centres of clusters, [1, features, clusters]."""
    scope, features, clusters, _ = stream
    deviation = 1 / math.sqrt(features)
    return Tensor(f"{scope}/cluster_weights2", (1, features, clusters), deviation=deviation, group="centres")


def stream_network(
    hyperparameters: Mapping[str, Any], poolings: tuple[Tensor, ...], pooled_width: int
) -> tuple[Tensor, ...]:
    """The tensors of `layers.streams.StreamPooling`: input norm, poolings, hidden layer, gating, classifier.

    Args:
        hyperparameters: Complete ones.
        poolings: Tensors of the streams' poolings.
        pooled_width: Values that they give together.
    """
    hidden = int(hyperparameters["hidden"])
    weights = f"{common.SCOPE}/hidden1_weights"
    fan = float(hyperparameters["clusters"])  # as in the authors' code, which makes them large
    after = (
        tuple(batch_norm(f"{common.SCOPE}/hidden1_bn", hidden))
        if hyperparameters["relu"]
        else (Tensor(f"{common.SCOPE}/hidden1_biases", (hidden,), deviation=0.01),)
    )
    gating = common.context_gating(
        f"{common.SCOPE}/gating_weights_2", f"{common.SCOPE}/gating_bn", hidden, group="gating"
    )
    return (
        *batch_norm(f"{common.SCOPE}/input_bn", common.frame_width(hyperparameters)),
        *poolings,
        common.matrix(weights, pooled_width, hidden, fan=fan, group="hidden1"),
        *after,
        *(gating if hyperparameters["gating"] else ()),
        *common.classifier_tensors(hyperparameters, hidden),
    )


def recognised(shapes: Shapes, scopes: tuple[str, str]) -> dict[str, Any]:
    """What all networks of `stream_network` have: clusters and features of the streams, and what follows them."""
    video, audio = scopes
    rgb, clusters = shapes[f"{video}/cluster_weights"]
    return {
        "clusters": clusters,
        "hidden": shapes[f"{common.SCOPE}/hidden1_weights"][1],
        "rgb": rgb,
        "audio": shapes[f"{audio}/cluster_weights"][0] if common.present(shapes, f"{audio}/") else 0,
        "relu": common.present(shapes, f"{common.SCOPE}/hidden1_bn/"),
        "gating": any(common.present(shapes, f"{common.SCOPE}/{part}") for part in ("gating_weights_2", "gating_bn/")),
        **common.recognised_classifier(shapes),
    }
