"""The primitives as a graph runs them whose weights are there for good: the same results by fewer and shorter passes.

In training a layer is followed by its gradient; in a graph that only predicts, time goes into what lies between the
products, and whatever is computed of weights alone is free where a graph decodes once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from keras import ops

from gapsack.models.layers.experts import Experts, mixture
from gapsack.models.layers.frames import SMALLEST_SQUARE, Frames, inverse_norm, split_frames
from gapsack.models.layers.kernels import Kernels
from gapsack.models.layers.netvlad import Clusters, described, projected, scored
from gapsack.models.layers.statistics import moments, normalised
from gapsack.models.tasks.youtube8m.quantization import LOWEST, STEP

ZERO_CODE = -LOWEST / STEP
"""The byte, were there one, whose feature is 0: 127 + 1/512. What is left of a byte without it is exact in float32."""

MOST_TOGETHER = 16  # vectors whose products with each other are computed for those with themselves
LARGEST_SCORE = 80.0
"""Of a gate, whose power and the sum of some of which are within float32, which ends at exp(88.7)."""

SMALLEST_SIZE = 1e-30  # of a cluster that is divided by: one without frames stays zeros


def inference_kernels() -> Kernels:
    """Plain kernels with the primitives of this module."""
    kernels = Kernels()
    kernels.replace(split_frames, split_by_products)
    kernels.replace(described, cluster_major)
    kernels.replace(projected, project_cluster_major)
    kernels.replace(mixture, expert_by_expert)
    return kernels


def split_by_products(frames: Any, rgb: int, dtype: str) -> tuple[Frames, Frames]:
    """As `frames.split_frames`; where products are of float32, without a shift: unit frames are multiples of codes."""
    if dtype != "float32":
        return split_frames(frames, rgb, dtype)
    is_quantized = str(ops.dtype(frames)) == "uint8"
    parts = [ops.cast(part, "float32") for part in (frames[..., :rgb], frames[..., rgb:])]
    codes = [part - ZERO_CODE for part in parts] if is_quantized else parts
    step = STEP if is_quantized else 1.0
    gain = inverse_norm(step**2 * sum(squared_norms(part) for part in codes)) * step
    video, audio = (Frames(part, gain, None) for part in codes)
    return video, audio


def squared_norms(vectors: Any) -> Any:
    """[batch, vectors, features] -> [batch, vectors, 1].

    Products of some neighbouring vectors with each other, of which only those with themselves are taken: in half of the
    time of a pass that writes all squares and one that sums them.
    """
    _, count, features = vectors.shape
    counts = () if count is None else range(2, MOST_TOGETHER + 1)  # None where a graph takes any number of frames
    together = max((number for number in counts if count % number == 0), default=None)
    if together is None:
        return ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    groups = ops.reshape(vectors, (-1, together, features))
    products = ops.matmul(groups, ops.transpose(groups, (0, 2, 1)))
    return ops.reshape(ops.sum(products * ops.eye(together), axis=-1), (-1, count, 1))


def cluster_major(kernels: Kernels, frames: Frames, clusters: Clusters, narrow: str) -> tuple[Any, tuple[Any, Any]]:
    """As `netvlad.described`, but [batch, K, features], as frames multiply without being transposed, for
    `project_cluster_major`.

    Residuals are those of the clusters' mean frames, which takes a pass less than those of their sums, and both norms
    with the clusters' sizes come as one factor.
    """
    scores = scored(kernels, frames, clusters.assignment, narrow)
    norm = clusters.norm
    statistics = moments(scores) if norm.given is None else norm.given
    share = ops.softmax(normalised(scores, norm, statistics))
    across = ops.transpose(share, (0, 2, 1))  # [batch, K, frames], small
    size = ops.sum(across, axis=-1, keepdims=True)  # [batch, K, 1]
    across = across / ops.maximum(size, SMALLEST_SIZE)
    centres = ops.transpose(clusters.centres, (0, 2, 1))
    if frames.shift is not None:
        centres = centres - ops.matmul(across, frames.shift)
    gain = ops.transpose(frames.gain, (0, 2, 1))
    residuals = kernels.product(across * gain, frames.codes, narrow) - centres
    square = ops.square(size) * squared_norms(residuals)
    own = ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
    whole = ops.sum(square * ops.square(own), axis=1, keepdims=True)
    return residuals * (size * own * ops.rsqrt(ops.maximum(whole, SMALLEST_SQUARE))), statistics


def project_cluster_major(kernels: Kernels, descriptors: Sequence[Any], matrix: Any, narrow: str) -> Any:
    """As `netvlad.projected`, of descriptors [batch, K, features]: the matrix is what is brought into their order."""
    products, first = [], 0
    for descriptor in descriptors:
        _, clusters, features = descriptor.shape
        rows = matrix[first : first + features * clusters]
        by_cluster = ops.transpose(ops.reshape(rows, (features, clusters, -1)), (1, 0, 2))
        reordered = ops.reshape(by_cluster, (clusters * features, -1))
        products.append(kernels.product(ops.reshape(descriptor, (-1, clusters * features)), reordered, narrow))
        first += features * clusters
    return reduce(ops.add, products)


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
    dummy_share, *shares = _shares(scores)
    answers = [
        share * ops.sigmoid(kernels.product(inputs, matrix, narrow) + bias)
        for share, matrix, bias in zip(shares, experts, biases, strict=True)
    ]
    # The ReLUs change no number: they keep TensorFlow from adding up all shares in one operation, which it does in the
    # order in which it may overwrite them, and that differs from call to call.
    total = reduce(lambda sums, share: ops.relu(sums + share), shares) + dummy_share
    return reduce(ops.add, answers) / total


def _shares(scores: Sequence[Any]) -> list[Any]:
    """Powers of the dummy's score, which is 0, and of these, each class's times one number that keeps them in float32.

    That number is 1 wherever none of the scores is large, as hardly any is: two passes less for each expert.
    """
    most = reduce(ops.maximum, [ops.max(each) for each in scores])

    def scaled() -> list[Any]:
        top = ops.relu(reduce(ops.maximum, scores))
        return [ops.exp(-top), *(ops.exp(each - top) for each in scores)]

    return list(ops.cond(most < LARGEST_SCORE, lambda: [ops.ones((1, 1)), *map(ops.exp, scores)], scaled))
