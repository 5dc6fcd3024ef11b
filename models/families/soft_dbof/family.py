"""Soft-DBoF, a soft deep bag of frames (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Soft assignments of each stream, summed over the frames; a hidden layer with biases, no gating of it, a mixture of
experts. Names are those of the authors' graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from gapsack.models.blocks import common, streams
from gapsack.models.blocks.streams import PooledStream
from gapsack.models.hyperparameters import Flag
from gapsack.models.kinds.streams import StreamKind
from gapsack.models.tensors import Shapes

if TYPE_CHECKING:
    from gapsack.models.layers.streams import MakePooling


def _pooling(hyperparameters: Mapping[str, Any], _stream: PooledStream) -> MakePooling:
    from gapsack.models.layers.pooling import BagPooling

    return partial(BagPooling, maximum=hyperparameters["maximum"])


def _recognise_own(shapes: Shapes, found: Mapping[str, Any]) -> dict[str, Any]:
    sums_and_maxima = 2 * found["clusters"]  # of the video stream; sums of both streams are fewer
    return {"maximum": shapes[f"{common.SCOPE}/hidden1_weights"][0] >= sums_and_maxima}


FAMILY = StreamKind(
    name="soft_dbof",
    part="DBOF",
    clusters=streams.EIGHTH_FOR_AUDIO,
    letter="C",
    audio_share=8,
    gated=False,
    pooled_width=lambda hyperparameters, stream: stream.clusters * (2 if hyperparameters["maximum"] else 1),
    pooling=_pooling,
    own=(Flag("maximum", "the largest assignments follow their sums", default=False),),
    recognise_own=_recognise_own,
).family
