"""The model's primitives as TensorFlow runs them fastest on a CPU; results differ from the plain ones by rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gapsack.models.layers.frames import OFFSET, SMALLEST_SQUARE, STEP
from gapsack.models.layers.kernels import Clusters, Kernels
from gapsack.models.layers.statistics import EPSILON, Normalisation, scale_and_offset
from gapsack.models.training.backends.cpu import frames as host_frames
from gapsack.models.training.backends.cpu import gating, mixture, netvlad, products
from gapsack.models.training.backends.products import ProductGradient

LARGE = 2**16
"""Elements of a matrix from which on a product is worth a call out of TensorFlow's graph."""


class CpuKernels(Kernels):
    """For steps that are a plain graph.

    XLA's loops beat TensorFlow's chains of element-wise operations, each of which writes its result to memory, so XLA
    compiles those. It does worse on matrix products; in float32 the large ones are our own
    (`models.training.backends.cpu`), in narrower types TensorFlow's.

    Args:
        keep_products: whether the updates can take gradients as products.
    """

    def __init__(self, *, keep_products: bool) -> None:
        self._keep_products = keep_products
        self._places: dict[Any, int] = {}
        self._found: dict[int, ProductGradient] = {}

    def product(self, left: Any, right: Any, narrow: str) -> Any:
        """As the base; the gradient of a weight is left as a product where that was asked for."""
        right = tf.convert_to_tensor(right)
        if len(left.shape) != 2 or len(right.shape) != 2:
            return super().product(left, right, narrow)
        # Beside such a product goes the gram of its rows. Where that is larger than the matrix (a row a frame, not a
        # row a video), it costs more than the gradient itself.
        few_rows = left.shape[0] is not None and left.shape[0] ** 2 <= right.shape.num_elements()
        place = self._places.get(right.ref()) if few_rows else None
        ours = few_rows and narrow == "float32" and right.shape.num_elements() >= LARGE
        taken = _OWN if ours else _tensorflow_products(narrow)

        @tf.custom_gradient
        def run(left: Any, right: Any) -> Any:
            out, weight_square = taken.forward(left, right)

            def gradient(upstream: Any) -> tuple[Any, Any]:
                of_left, gram = taken.of_left(upstream, right)
                if place is None:
                    narrowed = (tf.cast(factor, narrow) for factor in (left, upstream))
                    return of_left, tf.cast(tf.matmul(*narrowed, transpose_a=True), "float32")
                self._found[place] = ProductGradient(left, upstream, gram, out, weight_square)
                return of_left, None

            return out, gradient

        return run(left, right)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled by XLA inside of a graph; as it is when run eagerly, where compiling costs more than it saves."""
        return function if tf.executing_eagerly() else tf.function(function, jit_compile=True)

    def split_frames(self, frames: Any, rgb: int, narrow: str) -> tuple[Any, Any]:
        """As the base; bytes stay bytes in float32, where our own products read them as they are."""
        if frames.dtype != tf.uint8 or narrow != "float32":
            return super().split_frames(frames, rgb, narrow)
        width = frames.shape[-1]
        gain, shift = on_host(_gain_and_shift, [frames], [frames.shape[:2]] * 2)
        return ByteFrames(frames, gain, shift, 0, rgb), ByteFrames(frames, gain, shift, rgb, width - rgb)

    def described(self, frames: Any, clusters: Clusters, narrow: str) -> tuple[Any, tuple[Any, Any]]:
        """As the base."""
        return (
            frames.described(clusters)
            if isinstance(frames, ByteFrames)
            else super().described(frames, clusters, narrow)
        )

    def gated(self, inputs: Any, product: Any, norm: Normalisation) -> tuple[Any, tuple[Any, Any]]:
        """As the base; our own with the batch's statistics, in training."""
        if norm.given is not None:
            return super().gated(inputs, product, norm)

        @tf.custom_gradient
        def run(*operands: Any) -> Any:
            columns = (inputs.shape[1],)
            found = on_host(_gated, list(operands), [inputs.shape, columns, columns])

            def gradient(upstream: Any, *_statistics: Any) -> Any:
                return on_host(_ungated, [*operands, *found, upstream], [operand.shape for operand in operands])

            return tuple(found), gradient

        values, mean, variance = run(inputs, product, tf.convert_to_tensor(norm.gamma), tf.convert_to_tensor(norm.beta))
        return values, (mean, variance)

    def mixed(self, gates: Any, experts: Any, biases: Any) -> Any:
        """As the base."""

        @tf.custom_gradient
        def run(*operands: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                return on_host(mixture.mixed_gradients, [*operands, upstream], [operand.shape for operand in operands])

            batch, classes = gates.shape[0], gates.shape[1] - experts.shape[1]
            return on_host(mixture.mixed, list(operands), [(batch, classes)])[0], gradient

        return run(gates, experts, tf.convert_to_tensor(biases))

    @contextmanager
    def gradients_as_products(self, weights: Sequence[Any]) -> Iterator[Mapping[int, ProductGradient]]:
        """Of the large matrices among the weights; see the base."""
        large = [weight.shape.num_elements() >= LARGE and len(weight.shape) == 2 for weight in weights]
        self._places = {
            weight.ref(): place for place, weight in enumerate(weights) if large[place] and self._keep_products
        }
        self._found = {}
        try:
            yield self._found
        finally:
            self._places = {}


@dataclass(frozen=True)
class ByteFrames:
    """Unit frames whose codes are still bytes, described on the host; stands in for `Frames`.

    Attributes:
        codes: uint8 [batch, frames, width], of which features first … first + count - 1 are meant.
        gain: [batch, frames], of codes q - 128.
        shift: [batch, frames].
        first: see `codes`.
        count: see `codes`.
    """

    codes: Any
    gain: Any
    shift: Any
    first: int
    count: int

    def described(self, clusters: Clusters) -> tuple[Any, tuple[Any, Any]]:
        """See `Kernels.described`."""
        part = [self.codes, self.first, self.count, self.gain, self.shift]
        (videos, length), count = self.codes.shape[:2], clusters.assignment.shape[1]

        @tf.custom_gradient
        def run(*parameters: Any) -> Any:
            assignment, gamma, beta, centres = parameters
            by_frame = (videos, count, length)
            scores, *found = on_host(_scored, [*part, assignment], [by_frame, (count,), (count,)])
            statistics = tuple(found) if clusters.norm.given is None else clusters.norm.given
            scale, offset = scale_and_offset(clusters.norm._replace(gamma=gamma, beta=beta), statistics)
            shapes = [(videos, self.count * count), by_frame, (videos, count), (videos, count + 1)]
            described = on_host(_described, [*part, scores, scale, offset, centres], shapes)

            def gradient(upstream: Any, *_statistics: Any) -> Any:
                if clusters.norm.given is not None:
                    raise ValueError("expected the batch's own statistics, whose gradients are known, got others")
                operands = [*part, described[0], scores, *described[1:], upstream, *found, gamma, centres]
                return on_host(_gradients, operands, [parameter.shape for parameter in parameters])

            return (described[0], *statistics), gradient

        norm = clusters.norm
        parameters = (clusters.assignment, norm.gamma, norm.beta, clusters.centres)
        descriptor, mean, variance = run(*(tf.convert_to_tensor(parameter) for parameter in parameters))
        return descriptor, (mean, variance)


_PART_FIELDS = len(host_frames.Part._fields)
_LIMITS = netvlad.Limits(np.float32(EPSILON), np.float32(SMALLEST_SQUARE))


def _part(codes: Any, first: Any, count: Any, gain: Any, shift: Any) -> host_frames.Part:
    # Run eagerly, numbers come as arrays.
    return host_frames.Part(codes, int(first), int(count), gain, shift)


def _scored(*operands: Any) -> Any:
    scores, statistics = netvlad.scored(_part(*operands[:_PART_FIELDS]), *operands[_PART_FIELDS:])
    return scores, *statistics


def _described(*operands: Any) -> Any:
    scores, scale, offset, centres = operands[_PART_FIELDS:]
    found = netvlad.described(_part(*operands[:_PART_FIELDS]), scores, scale, offset, centres[0], _LIMITS)
    return found.descriptor, found.share, found.sizes, found.inverses


def _gradients(*operands: Any) -> Any:
    descriptor, scores, share, sizes, inverses, upstream, mean, variance, gamma, centres = operands[_PART_FIELDS:]
    of_assignment, of_gamma, of_beta, of_centres = netvlad.gradients(
        _part(*operands[:_PART_FIELDS]),
        netvlad.Described(descriptor, scores, share, sizes, inverses),
        upstream,
        netvlad.Statistics(mean, variance),
        gamma,
        centres[0],
        _LIMITS,
    )
    return of_assignment, of_gamma, of_beta, of_centres[np.newaxis]


def _gated(inputs: Any, product: Any, gamma: Any, beta: Any) -> Any:
    return tuple(gating.gated(inputs, product, gamma, beta, EPSILON))


def _ungated(*operands: Any) -> Any:
    inputs, product, gamma, beta, values, mean, variance, upstream = operands
    found = gating.Gated(values, mean, variance)
    return tuple(gating.gated_gradients(inputs, product, gamma, beta, EPSILON, found, upstream))


def _gain_and_shift(frames: Any) -> tuple[Any, Any]:
    """What makes unit vectors of codes q - 128, both float32 [batch, frames]; sums are exact."""
    sums, squares = (found.astype(np.float64) for found in host_frames.code_sums(frames))
    square = STEP**2 * squares + 2 * STEP * OFFSET * sums + OFFSET**2 * frames.shape[-1]
    inverse = 1 / np.sqrt(np.maximum(square, SMALLEST_SQUARE))
    return (inverse * STEP).astype(np.float32), (inverse * OFFSET).astype(np.float32)


@dataclass(frozen=True)
class _Products:
    """How products are taken.

    Attributes:
        forward: (left, right) -> left @ right, and the sum of right's squares.
        of_left: (upstream, right) -> upstream @ right^T, the gradient in the left factor, and upstream @ upstream^T.
    """

    forward: Callable[[Any, Any], tuple[Any, Any]]
    of_left: Callable[[Any, Any], tuple[Any, Any]]


def _own_forward(left: Any, right: Any) -> tuple[Any, Any]:
    out, square = on_host(products.product, [left, right], [(left.shape[0], right.shape[1]), ()])
    return out, square


def _own_of_left(upstream: Any, right: Any) -> tuple[Any, Any]:
    videos = upstream.shape[0]
    of_left, gram = on_host(
        products.product_with_transpose, [upstream, right], [(videos, right.shape[0]), (videos, videos)]
    )
    return of_left, gram


def _tensorflow_products(narrow: str) -> _Products:
    def forward(left: Any, right: Any) -> tuple[Any, Any]:
        out = tf.cast(tf.matmul(tf.cast(left, narrow), tf.cast(right, narrow)), "float32")
        return out, 2 * tf.nn.l2_loss(right)

    def of_left(upstream: Any, right: Any) -> tuple[Any, Any]:
        # Taken transposed, which is a third faster with oneDNN than as it comes.
        turned = tf.matmul(tf.cast(right, narrow), tf.cast(upstream, narrow), transpose_b=True)
        return tf.cast(tf.transpose(turned), "float32"), tf.matmul(upstream, upstream, transpose_b=True)

    return _Products(forward, of_left)


_OWN = _Products(_own_forward, _own_of_left)


def on_host(function: Callable[..., Any], operands: list[Any], shapes: list[Any]) -> list[Any]:
    """The float32 tensors of these shapes that a function of arrays makes.

    TensorFlow keeps the function for as long as the process lives, so it should be a module's own, not a closure that
    holds a graph.
    """
    found = tf.numpy_function(function, operands, [tf.float32] * len(shapes), stateful=False)
    results: list[Any] = tf.nest.flatten(found)  # run eagerly, a single result comes without its list
    for result, shape in zip(results, shapes, strict=True):
        result.set_shape(shape)
    return results
