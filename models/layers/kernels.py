"""The primitives that a backend may replace by faster ones with the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from keras import ops

from models.layers.frames import Frames, split_frames


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

    def scores(self, frames: Frames, matrix: Any, narrow: str) -> Any:
        """Unit frames [batch, frames, features] @ matrix [features, K] -> [batch, frames, K]."""
        _, length, features = ops.shape(frames.codes)
        rows = self.product(ops.reshape(frames.codes, (-1, features)), matrix, narrow)
        found = ops.reshape(rows, (-1, length, rows.shape[-1]))
        return found * frames.gain + frames.shift * ops.sum(matrix, axis=0)

    def assigned(self, frames: Frames, share: Any, narrow: str) -> Any:
        """Each video's unit frames, transposed, @ share [batch, frames, K] -> [batch, features, K]."""
        # codes^T @ (share * gain) sums the assigned frames; a shift common to all features comes as one number.
        found = self.product(ops.transpose(frames.codes, (0, 2, 1)), share * frames.gain, narrow)
        return found + ops.sum(share * frames.shift, axis=1, keepdims=True)

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


def _mixed(gates: Any, experts: Any, biases: Any) -> Any:
    classes = gates.shape[1] - experts.shape[1]
    mixtures = experts.shape[1] // classes
    share = ops.softmax(ops.reshape(gates, (-1, classes, mixtures + 1)))[..., :mixtures]
    experts = ops.reshape(experts + biases, (-1, classes, mixtures))
    return ops.sum(share * ops.sigmoid(experts), axis=-1)
