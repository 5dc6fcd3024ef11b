"""Gated NetRVLAD, a NetVLAD without centres (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Sums of assigned frames in the place of residuals to centres; all else as in `willow_netvlad`. Names are those of the
authors' graph, which calls it `lightvlad`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gapsack.models.blocks import streams
from gapsack.models.blocks.streams import PooledStream
from gapsack.models.kinds.streams import StreamKind

if TYPE_CHECKING:
    from gapsack.models.layers.streams import MakePooling


def _pooling(_hyperparameters: Mapping[str, Any], _stream: PooledStream) -> MakePooling:
    from gapsack.models.layers.pooling import ResidualPooling

    return ResidualPooling


FAMILY = StreamKind(
    name="netrvlad",
    part="VLAD",
    clusters=streams.HALF_FOR_AUDIO,
    letter="K",
    audio_share=2,
    gated=True,
    pooled_width=lambda _, stream: stream.features * stream.clusters,
    pooling=_pooling,
).family
