"""Pruned storage: one bit an element says which are kept, and the kept ones follow, packed.

What defeated the paper was the format: sparse indices take 32 to 64 bits an element, and a boolean takes a
byte. A packed mask takes one bit, so 75 % sparsity in float16 costs 5 bits an element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.precisions.codec import MAIN, Codec, Part, as_matrix_shape
from gapsack.models.precisions.integers import SCALES, UNIT
from gapsack.models.precisions.scales import quantize

MASK = "mask"


@dataclass(frozen=True)
class PrunedCodec(Codec):
    """Keeps the largest magnitudes of a tensor, a fixed number of them, as float16 or int8.

    `sparsity_percent` in 0…99: of n elements, n - floor(n * percent / 100) are kept. In a tensor that training
    has pruned further, some of the kept ones are zeros; the size stays what the layout says. int8 values have
    one float16 scale a column, as the unpruned precision has.
    """

    sparsity_percent: int
    values: str

    @property
    def graph_bytes(self) -> int:
        """The mask and its decoding; scales on top."""
        return 2000 if self.values == "float16" else 3500

    @property
    def limit(self) -> float:
        """Largest magnitude of the values' type."""
        return 65504.0 if self.values == "float16" else math.inf

    def layout(self, shape: Sequence[int]) -> dict[str, Part]:
        """Kept values, the mask (little-endian bits in row-major order), and int8's scales."""
        count = math.prod(shape)
        parts = {
            MAIN: Part((count - count * self.sparsity_percent // 100,), self.values),
            MASK: Part((-(-count // 8),), "uint8"),
        }
        if self.values == "int8":
            columns = as_matrix_shape(shape)[1]
            parts |= {SCALES: Part((1, columns), "float16"), UNIT: Part((), "float32")}
        return parts

    def encode(self, array: NDArray[np.float32], moments: NDArray[np.float32] | None = None) -> dict[str, Any]:
        """The mask of the largest magnitudes (ties by position) and their values."""
        kept = self.layout(array.shape)[MAIN].shape[0]
        mask = largest_magnitudes(array.reshape(-1), kept)
        parts: dict[str, Any] = {MASK: np.packbits(mask, bitorder="little")}
        if self.values == "float16":
            return {MAIN: array.reshape(-1)[mask].astype(np.float16), **parts}
        rows, columns = as_matrix_shape(array.shape)
        sparse = np.where(mask, array.reshape(-1), np.float32(0)).reshape(rows, columns)
        values, scales, unit = quantize(sparse, bits=8, group_rows=max(1, rows))
        return {MAIN: values.reshape(-1)[mask], **parts, SCALES: scales, UNIT: unit}

    def decode(self, parts: Mapping[str, Any], shape: Sequence[int]) -> NDArray[np.float32]:
        """Kept values at the mask's ones, zeros elsewhere."""
        mask = np.unpackbits(parts[MASK], count=math.prod(shape), bitorder="little").astype(bool)
        dense = np.zeros(mask.size, np.float32)
        dense[mask] = parts[MAIN]
        if self.values == "int8":
            dense = dense.reshape(as_matrix_shape(shape)) * (parts[SCALES].astype(np.float32) * parts[UNIT])
        return dense.reshape(shape)

    def decode_in_graph(self, parts: Mapping[str, Any], shape: Sequence[int]) -> Any:
        """The value of a kept element is found by counting the mask's ones up to it."""
        import tensorflow as tf

        mask = _mask_in_graph(parts[MASK], math.prod(shape))
        position = tf.maximum(tf.cumsum(tf.cast(mask, tf.int32)) - 1, 0)
        gathered = tf.gather(tf.cast(parts[MAIN], tf.float32), position)
        dense = tf.reshape(gathered * mask, list(as_matrix_shape(shape)))
        if self.values == "int8":
            dense = dense * (tf.cast(parts[SCALES], tf.float32) * parts[UNIT])
        return tf.reshape(dense, list(shape))


def _mask_in_graph(packed: Any, count: int) -> Any:
    """The mask's bits as float32 [count]; bit b of a byte is set where byte mod 2^(b + 1) >= 2^b.

    In float32 arithmetic, as LiteRT has no bitwise and. Not by repeated halving: TensorFlow 2.21's constant folding
    merges the divisors of floor(x / a) / b and gives other bits in a graph than eagerly.
    """
    import tensorflow as tf

    powers = tf.constant([[2.0**bit for bit in range(8)]])
    remainder = tf.math.floormod(tf.cast(packed, tf.float32)[:, tf.newaxis], 2 * powers)
    return tf.reshape(tf.cast(remainder >= powers, tf.float32), [-1])[:count]


def largest_magnitudes(flat: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Mask of the `count` elements, at least one, of largest magnitude; among equals the earlier ones."""
    if count >= flat.size:
        return np.ones(flat.size, bool)
    magnitude = flat[flat != 0]  # partitioning many equal values takes ten times as long
    np.abs(magnitude, out=magnitude)
    threshold = np.float32(0)
    if count < magnitude.size:
        magnitude.partition(magnitude.size - count)
        threshold = magnitude[magnitude.size - count]
    del magnitude  # one copy at a time
    magnitude = np.abs(flat)
    mask: NDArray[np.bool_] = magnitude > threshold
    ties = np.flatnonzero(magnitude == threshold)
    mask[ties[: count - np.count_nonzero(mask)]] = True
    return mask
