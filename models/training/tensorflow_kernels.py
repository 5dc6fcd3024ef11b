"""The model's primitives as TensorFlow runs them fastest on a CPU; results differ from the plain ones by rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.layers.kernels import Kernels


class CpuKernels(Kernels):
    """For steps that are a plain graph.

    TensorFlow's own matrix products beat XLA's there by far, and XLA's loops beat TensorFlow's chains of element-wise
    operations, each of which writes its result to memory. So XLA compiles the loops alone.
    """

    def product(self, left: Any, right: Any) -> Any:
        """As the base; the gradient of `left` is taken transposed, a third faster with oneDNN than as it comes."""

        @tf.custom_gradient
        def run(left: Any, right: Any) -> Any:
            def gradient(upstream: Any) -> tuple[Any, Any]:
                of_left = tf.transpose(tf.matmul(right, upstream, transpose_b=True))
                return of_left, tf.matmul(left, upstream, transpose_a=True)

            return tf.matmul(left, right), gradient

        return run(left, right)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled by XLA inside of a graph; as it is when run eagerly, where compiling costs more than it saves."""
        return function if tf.executing_eagerly() else tf.function(function, jit_compile=True)
