"""Gated NetFV, a trained Fisher vector (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Differences of first and second order to Gaussians; all else as in `willow_netvlad`. Names are those of the authors'
graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gapsack.models.blocks import common, streams
from gapsack.models.blocks.streams import PooledStream
from gapsack.models.hyperparameters import Flag
from gapsack.models.kinds.streams import StreamKind
from gapsack.models.tensors import Shapes, Tensor

if TYPE_CHECKING:
    from gapsack.models.layers.streams import MakePooling


def _further(hyperparameters: Mapping[str, Any], stream: PooledStream) -> list[Tensor]:
    scope, features, clusters, _ = stream
    deviations = common.matrix(f"{scope}/covar_weights", features, clusters, fan=features, group="covariances")
    own_centres = [] if hyperparameters["coupled"] else [streams.centres(stream)]
    return [replace(deviations, mean=1.0), *own_centres]


def _pooling(_hyperparameters: Mapping[str, Any], _stream: PooledStream) -> MakePooling:
    from gapsack.models.layers.pooling import FisherPooling

    return FisherPooling


def _recognise_own(shapes: Shapes, _found: Mapping[str, Any]) -> dict[str, Any]:
    return {"coupled": not any(name.endswith("_FV/cluster_weights2") for name in shapes)}


FAMILY = StreamKind(
    name="netfv",
    part="FV",
    clusters=streams.HALF_FOR_AUDIO,
    letter="K",
    audio_share=2,
    gated=True,
    pooled_width=lambda _, stream: 2 * stream.features * stream.clusters,
    pooling=_pooling,
    further=_further,
    own=(Flag("coupled", "centres are 0.01 times the assignment's weights, not trained by themselves", default=False),),
    recognise_own=_recognise_own,
).family
