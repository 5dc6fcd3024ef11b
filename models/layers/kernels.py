"""The primitives that a backend may replace by faster ones with the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from keras import ops

from gapsack.models.layers.frames import SMALLEST_SQUARE, Frames, split_frames
from gapsack.models.layers.statistics import Normalisation, moments, normalised


class Clusters(NamedTuple):
    """Parameters of a NetVLAD.

    Attributes:
        assignment: [features, K].
        norm: Of the scores.
        centres: [1, features, K].
    """

    assignment: Any
    norm: Normalisation
    centres: Any


class Kernels:
    """What every backend can run; the right choice where the whole step is compiled together.

    `narrow` is the type of matrix products, "float32", "bfloat16" or "float16"; results are float32.
    """

    def product(self, left: Any, right: Any, narrow: str) -> Any:
        """Matrix product [rows, inner] x [inner, columns]; leading axes of a batch multiply one by one."""
        return ops.cast(ops.matmul(ops.cast(left, narrow), ops.cast(right, narrow)), "float32")

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of tensors, element by element or nearly so, that is best run as one loop."""
        return function

    def split_frames(self, frames: Any, rgb: int, narrow: str) -> tuple[Frames, Frames]:
        """Video and audio parts of unit frames; see `frames.split_frames`."""
        prepare = self.fused(partial(split_frames, rgb=rgb, dtype=narrow))
        video, audio = prepare(frames)
        return video, audio

    def described(self, frames: Frames, clusters: Clusters, narrow: str) -> tuple[Any, tuple[Any, Any]]:
        """NetVLAD: frames -> descriptors [batch, features * K] of norm 1, feature-major, and the norm's statistics.

        Soft assignment a = softmax(batch_norm(x @ W)); residuals v_k = sum_i a_ik (x_i - c_k) with centres c of their
        own, each normalised over the features, then all together.
        """
        scores = self._scores(frames, clusters.assignment, narrow)
        norm = clusters.norm
        statistics = moments(scores) if norm.given is None else norm.given
        share = ops.softmax(normalised(scores, norm, statistics))
        assigned = self._assigned(frames, share, narrow)
        size = ops.sum(share, axis=1, keepdims=True)  # [batch, 1, K]
        return self.fused(_descriptor)(assigned, size, clusters.centres), statistics

    def _scores(self, frames: Frames, matrix: Any, narrow: str) -> Any:
        """Unit frames [batch, frames, features] @ matrix [features, K] -> [batch, frames, K]."""
        _, length, features = ops.shape(frames.codes)
        rows = self.product(ops.reshape(frames.codes, (-1, features)), matrix, narrow)
        found = ops.reshape(rows, (-1, length, rows.shape[-1]))
        return found * frames.gain + frames.shift * ops.sum(matrix, axis=0)

    def _assigned(self, frames: Frames, share: Any, narrow: str) -> Any:
        """Each video's unit frames, transposed, @ share [batch, frames, K] -> [batch, features, K]."""
        # codes^T @ (share * gain) sums the assigned frames; a shift common to all features comes as one number.
        found = self.product(ops.transpose(frames.codes, (0, 2, 1)), share * frames.gain, narrow)
        return found + ops.sum(share * frames.shift, axis=1, keepdims=True)

    def gated(self, inputs: Any, product: Any, norm: Normalisation) -> tuple[Any, tuple[Any, Any]]:
        """inputs * sigmoid(batch_norm(product)), all [batch, width], and the norm's statistics."""
        values, statistics = self.fused(_gated)(inputs, product, norm)
        return values, statistics

    def mixed(self, gates: Any, experts: Any, biases: Any) -> Any:
        """Mixture of logistic experts: [batch, V * (M + 1)], [batch, V * M] and [V * M] -> probabilities [batch, V].

        For every class a softmax over M + 1 gates, of which the last is a dummy expert that predicts 0, times the
        sigmoids of experts + biases. Outputs of both products are class-major, [batch, V, gates], so that reading them
        by class moves no data.
        """
        return self.fused(_mixed)(gates, experts, biases)

    @contextmanager
    def gradients_as_products(self, _weights: Sequence[Any]) -> Iterator[Mapping[int, Any]]:
        """Inside, gradients of these weights may be left as products not taken: yields them by the weight's place."""
        yield {}


class ObservedKernels(Kernels):
    """Plain kernels that show what is multiplied."""

    def __init__(self, observe: Callable[[Any, Any], None]) -> None:
        self._observe = observe

    def product(self, left: Any, right: Any, narrow: str) -> Any:
        """See the base."""
        self._observe(left, right)
        return super().product(left, right, narrow)


def _gated(inputs: Any, product: Any, norm: Normalisation) -> tuple[Any, tuple[Any, Any]]:
    statistics = moments(product) if norm.given is None else norm.given
    return inputs * ops.sigmoid(normalised(product, norm, statistics)), statistics


def _mixed(gates: Any, experts: Any, biases: Any) -> Any:
    classes = gates.shape[1] - experts.shape[1]
    mixtures = experts.shape[1] // classes
    share = ops.softmax(ops.reshape(gates, (-1, classes, mixtures + 1)))[..., :mixtures]
    experts = ops.reshape(experts + biases, (-1, classes, mixtures))
    return ops.sum(share * ops.sigmoid(experts), axis=-1)


def _descriptor(assigned: Any, size: Any, centres: Any) -> Any:
    residuals = _unit(assigned - size * centres, axis=1)
    return _unit(ops.reshape(residuals, (-1, residuals.shape[1] * residuals.shape[2])), axis=-1)


def _unit(vectors: Any, axis: int) -> Any:
    square = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
