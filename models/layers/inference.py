"""The primitives as a graph runs them whose weights are there for good: the same results by fewer and shorter passes.

In training a layer is followed by its gradient; in a graph that only predicts, time goes into what lies between the
products, and whatever is computed of weights alone is free where a graph decodes once.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from keras import ops

from gapsack.models.layers.experts import Experts, mixture
from gapsack.models.layers.frames import CENTRE, OFFSET, SMALLEST_SQUARE, Frames, inverse_norm, split_frames
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.netvlad import Clusters, described, scored
from gapsack.models.layers.statistics import moments, normalised
from gapsack.models.tasks.youtube8m.quantization import STEP


def inference_kernels() -> Kernels:
    """Plain kernels with the primitives of this module."""
    kernels = Kernels()
    kernels.replace(split_frames, split_by_products)
    kernels.replace(described, cluster_major)
    kernels.replace(mixture, expert_by_expert)
    return kernels


def split_by_products(frames: Any, rgb: int, dtype: str) -> tuple[Frames, Frames]:
    """As `frames.split_frames`, with codes q - 128, which are exact in 8 significant bits too. A frame's norm comes of
    the sums of its codes and of their squares, which are products with a vector of ones: several times as fast as a sum
    along rows.
    """
    if str(ops.dtype(frames)) != "uint8":
        return split_frames(frames, rgb, dtype)
    codes = [ops.cast(part, "float32") - CENTRE for part in (frames[..., :rgb], frames[..., rgb:])]
    squares = sum(_row_sums(ops.square(part)) for part in codes)
    sums = sum(_row_sums(part) for part in codes)
    features = sum(part.shape[-1] for part in codes)
    inverse = inverse_norm(STEP**2 * squares + 2 * STEP * OFFSET * sums + features * OFFSET**2)
    gain, shift = inverse * STEP, inverse * OFFSET
    video, audio = (Frames(ops.cast(part, dtype), gain, shift) for part in codes)
    return video, audio


def _row_sums(values: Any) -> Any:
    """[batch, frames, features] -> [batch, frames, 1]."""
    _, length, features = values.shape
    rows = ops.reshape(values, (-1, features))
    return ops.reshape(ops.matmul(rows, ops.ones((features, 1), "float32")), (-1, length, 1))


def cluster_major(kernels: Kernels, frames: Frames, clusters: Clusters, narrow: str) -> tuple[Any, tuple[Any, Any]]:
    """As `netvlad.described`. Residuals are [batch, K, features] until they are done, so that frames multiply as they
    lie and norms are sums of neighbours; both norms come as one factor of each cluster.
    """
    scores = scored(kernels, frames, clusters.assignment, narrow)
    norm = clusters.norm
    statistics = moments(scores) if norm.given is None else norm.given
    share = ops.softmax(normalised(scores, norm, statistics))
    across = ops.transpose(share, (0, 2, 1))  # [batch, K, frames], small
    gain, shift = (ops.transpose(each, (0, 2, 1)) for each in (frames.gain, frames.shift))
    size = ops.sum(across, axis=-1, keepdims=True)  # [batch, K, 1]
    centres = ops.transpose(clusters.centres, (0, 2, 1))
    offset = size * centres - ops.sum(across * shift, axis=-1, keepdims=True)
    residuals = kernels.product(across * gain, frames.codes, narrow) - offset
    square = ops.sum(ops.square(residuals), axis=-1, keepdims=True)  # [batch, K, 1]
    own = ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
    whole = ops.sum(square * ops.square(own), axis=1, keepdims=True)
    unit = residuals * (own * ops.rsqrt(ops.maximum(whole, SMALLEST_SQUARE)))
    width = unit.shape[1] * unit.shape[2]
    return ops.reshape(ops.transpose(unit, (0, 2, 1)), (-1, width)), statistics


def expert_by_expert(kernels: Kernels, inputs: Any, parameters: Experts, narrow: str) -> Any:
    """As `experts.mixture`, in matrices [batch, V] of one expert of every class, which stay in the cache.

    A softmax is of the differences to its last term, here the dummy expert's gate: one product less, of matrices that
    are subtracted before.
    """
    width, columns = parameters.gates.shape
    classes = columns - parameters.experts.shape[1]
    mixtures = parameters.experts.shape[1] // classes
    *gates, dummy = ops.unstack(ops.reshape(parameters.gates, (width, classes, mixtures + 1)), axis=-1)
    experts = ops.unstack(ops.reshape(parameters.experts, (width, classes, mixtures)), axis=-1)
    biases = ops.unstack(ops.reshape(parameters.biases, (classes, mixtures)), axis=-1)
    scores = [kernels.product(inputs, each - dummy, narrow) for each in gates]
    top = ops.relu(reduce(ops.maximum, scores))  # the dummy's own score is 0
    shares = [ops.exp(each - top) for each in scores]
    answers = [
        share * ops.sigmoid(kernels.product(inputs, matrix, narrow) + bias)
        for share, matrix, bias in zip(shares, experts, biases, strict=True)
    ]
    # The ReLUs change no number: they keep TensorFlow from adding up all shares in one operation, which it does in the
    # order in which it may overwrite them, and that differs from call to call.
    total = reduce(lambda sums, share: ops.relu(sums + share), shares, ops.exp(-top))
    return reduce(ops.add, answers) / total
