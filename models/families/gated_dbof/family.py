"""Gated DBoF, a bag of frames whose clusters are gated (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

As `soft_dbof`, but the clusters of the video stream are gated by their strongest assignments. Names are those of the
authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gapsack.models.blocks import common, streams
from gapsack.models.blocks.streams import PooledStream
from gapsack.models.kinds.streams import StreamKind
from gapsack.models.tensors import Tensor, batch_norm

if TYPE_CHECKING:
    from gapsack.models.layers.streams import MakePooling


def _further(_hyperparameters: Mapping[str, Any], stream: PooledStream) -> list[Tensor]:
    scope, features, clusters, is_audio = stream
    if is_audio:
        return []
    return [
        common.matrix(f"{scope}/dim_red", clusters, features, fan=features, group="reduction"),
        common.matrix(f"{scope}/cluster_weights_2", features, clusters, fan=features, group="cluster_gates"),
        *batch_norm(f"{scope}/cluster_bn_2", clusters),
    ]


def _pooling(_hyperparameters: Mapping[str, Any], stream: PooledStream) -> MakePooling:
    from gapsack.models.layers.pooling import BagPooling, GatedBagPooling

    return BagPooling if stream.is_audio else GatedBagPooling


FAMILY = StreamKind(
    name="gated_dbof",
    part="DBOF",
    clusters=streams.EIGHTH_FOR_AUDIO,
    letter="C",
    audio_share=8,
    gated=False,
    pooled_width=lambda _, stream: stream.clusters,
    pooling=_pooling,
    further=_further,
).family
