"""The plug-in itself: TensorFlow's large products, their gradients and Adam's updates, run by functions of arrays.

Results differ from TensorFlow's own by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from gapsack.models.training.arithmetic import ADAM_EPSILON, BETA1, BETA2, adam_rate, kept_share
from gapsack.models.training.backends.cpu import products
from gapsack.models.training.backends.cpu.update import AdamStep, SmallUpdate, Update, update
from gapsack.models.training.backends.product_gradients import ProductGradient, ProductKernels
from gapsack.models.training.recipe import Recipe

LARGE = 2**16
"""Elements of a matrix from which on a product is worth a call out of TensorFlow's graph."""


class CpuKernels(ProductKernels):
    """For steps that TensorFlow runs as a plain graph on a CPU.

    XLA's loops beat TensorFlow's chains of element-wise operations, each of which writes its result to memory, so XLA
    compiles those. It does worse on matrix products; in float32 the large ones are our own, in narrower types
    TensorFlow's.
    """

    name = "cpu"

    def __init__(self) -> None:
        self._keep_products = arrays_are_variables()
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

    @contextmanager
    def gradients_as_products(self, weights: Sequence[Any]) -> Iterator[Mapping[int, ProductGradient]]:
        """Of the large matrices among the weights, where updates can write to the memory of variables."""
        large = [weight.shape.num_elements() >= LARGE and len(weight.shape) == 2 for weight in weights]
        self._places = {
            weight.ref(): place for place, weight in enumerate(weights) if large[place] and self._keep_products
        }
        self._found = {}
        try:
            yield self._found
        finally:
            self._places = {}

    def sums_of_squares(self, gradients: Sequence[ProductGradient]) -> Any:
        """See the base; no gradient is stored."""
        operands = [
            operand
            for gradient in gradients
            for operand in (
                *(gradient.left, gradient.upstream, gradient.upstream_gram, gradient.product),
                *(gradient.penalty, gradient.weight_square),
            )
        ]
        return _on_host(_squared_norms, operands, [(len(gradients),)])[0]

    def update(
        self,
        products: Mapping[str, ProductGradient],
        taken: Mapping[str, Any],
        values: Mapping[str, Any],
        learning_rate: Any,
        recipe: Recipe,
    ) -> Any:
        """See the base.

        A tensor read from a variable refers to the variable's memory, and so does the array that `numpy_function` is
        given. `arrays_are_variables` has made sure of it.
        """
        kept, rate = kept_share(learning_rate, recipe), adam_rate(values["updates"], learning_rate)
        operands: list[Any] = [np.int32(len(products))]
        for name, gradient in products.items():
            operands += [values[f"{kind}/{name}"] for kind in ("weights", "adam_m", "adam_v")]
            operands += [gradient.left, gradient.upstream, gradient.scale, gradient.scale * gradient.penalty]
            operands += [kept, rate]
        for name, gradient in taken.items():
            tensor, m, v = (values[f"{kind}/{name}"] for kind in ("weights", "adam_m", "adam_v"))
            operands += [tensor, m, v, gradient, kept if len(tensor.shape) > 1 else np.float32(1), rate]
        return tf.numpy_function(_update_arrays, operands, tf.bool)


@cache
def arrays_are_variables() -> bool:
    """Whether what `numpy_function` writes to the array of a variable's value is in the variable: tried once.

    It is so wherever TensorFlow does not copy values, but nothing promises it.
    """
    variable = tf.Variable(np.zeros((64, 64), np.float32))
    tf.function(lambda: tf.numpy_function(_fill, [tf.convert_to_tensor(variable)], tf.bool))()
    return bool(variable.numpy().all())


def _fill(array: Any) -> Any:
    array.fill(1)
    return np.True_


_OPERANDS_OF_AN_UPDATE = 9  # weight and moments, both factors, and four scalars
_OPERANDS_OF_A_SMALL_UPDATE = 6  # tensor and moments, gradient, and two scalars


def _update_arrays(count: Any, *operands: Any) -> Any:
    large = int(count) * _OPERANDS_OF_AN_UPDATE
    updates = [
        Update(matrix, m, v, left, upstream, _adam_step(*scalars))
        for matrix, m, v, left, upstream, *scalars in _cut(operands[:large], _OPERANDS_OF_AN_UPDATE)
    ]
    small = [
        SmallUpdate(tensor, m, v, gradient, _adam_step(1, 0, *scalars))
        for tensor, m, v, gradient, *scalars in _cut(operands[large:], _OPERANDS_OF_A_SMALL_UPDATE)
    ]
    update(updates, small)
    return np.True_


def _adam_step(*scalars: Any) -> AdamStep:
    return AdamStep(*(np.float32(scalar) for scalar in (*scalars, 1 - BETA1, 1 - BETA2, ADAM_EPSILON)))


def _squared_norms(*operands: Any) -> Any:
    return products.squared_norms([products.Gradient(*fields) for fields in _cut(operands, _OPERANDS_OF_A_NORM)])


_OPERANDS_OF_A_NORM = len(products.Gradient._fields)


def _cut(operands: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [operands[start : start + size] for start in range(0, len(operands), size)]


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
    out, square = _on_host(products.product, [left, right], [(left.shape[0], right.shape[1]), ()])
    return out, square


def _own_of_left(upstream: Any, right: Any) -> tuple[Any, Any]:
    videos = upstream.shape[0]
    of_left, gram = _on_host(
        products.product_with_transpose, [upstream, right], [(videos, right.shape[0]), (videos, videos)]
    )
    return of_left, gram


_OWN = _Products(_own_forward, _own_of_left)


def _tensorflow_products(narrow: str) -> _Products:
    def forward(left: Any, right: Any) -> tuple[Any, Any]:
        out = tf.cast(tf.matmul(tf.cast(left, narrow), tf.cast(right, narrow)), "float32")
        return out, 2 * tf.nn.l2_loss(right)

    def of_left(upstream: Any, right: Any) -> tuple[Any, Any]:
        # Taken transposed, which is a third faster with oneDNN than as it comes.
        transposed = tf.matmul(tf.cast(right, narrow), tf.cast(upstream, narrow), transpose_b=True)
        return tf.cast(tf.transpose(transposed), "float32"), tf.matmul(upstream, upstream, transpose_b=True)

    return _Products(forward, of_left)


def _on_host(function: Callable[..., Any], operands: list[Any], shapes: list[Any]) -> list[Any]:
    """The float32 tensors of these shapes that a function of arrays makes.

    TensorFlow keeps the function for as long as the process lives, so it should be a module's own, not a closure that
    holds a graph.
    """
    found = tf.numpy_function(function, operands, [tf.float32] * len(shapes), stateful=False)
    results: list[Any] = tf.nest.flatten(found)  # run eagerly, a single result comes without its list
    for result, shape in zip(results, shapes, strict=True):
        result.set_shape(shape)
    return results
