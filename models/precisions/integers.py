"""Integer storage: int8, and int4 packed two to a byte, with float16 scales by group of rows and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.precisions.codec import MAIN, Codec, Part, as_matrix_shape
from gapsack.models.precisions.scales import expand_scales, quantize

SCALES = "scales"
UNIT = "unit"


@dataclass(frozen=True)
class IntegerCodec(Codec):
    """Stores a matrix [rows, columns] as integers of 4 or 8 bits.

    `group_rows` rows share a scale in each column; None gives each column (an output channel) one scale.
    4-bit integers are packed in pairs of rows: the even row in the low half of the byte, offset by 8.
    """

    bits: int
    group_rows: int | None = None

    @property
    def uses_moments(self) -> bool:
        """Which integers are best depends on the inputs."""
        return True

    @property
    def graph_bytes(self) -> int:
        """Two more variables and their product; unpacking on top."""
        return 2200 if self.bits == 8 else 2700

    def layout(self, shape: Sequence[int]) -> dict[str, Part]:
        """Integers, a float16 scale for each group and column, and one float32 unit for all scales."""
        rows, columns = as_matrix_shape(shape)
        main = Part(tuple(shape), "int8") if self.bits == 8 else Part((-(-rows // 2), columns), "uint8")
        groups = -(-rows // self._group_rows(rows))
        return {MAIN: main, SCALES: Part((groups, columns), "float16"), UNIT: Part((), "float32")}

    def encode(self, array: NDArray[np.float32], moments: NDArray[np.float32] | None = None) -> dict[str, Any]:
        """Integers and scales of least squared error: of the weights, or of the output where `moments` are given."""
        rows, columns = as_matrix_shape(array.shape)
        matrix = array.reshape(rows, columns)
        values, scales, unit = quantize(matrix, bits=self.bits, group_rows=self._group_rows(rows), moments=moments)
        stored = values.reshape(array.shape) if self.bits == 8 else _pack(values)
        return {MAIN: stored, SCALES: scales, UNIT: unit}

    def decode(self, parts: Mapping[str, Any], shape: Sequence[int]) -> NDArray[np.float32]:
        """Integers times scales."""
        rows, columns = as_matrix_shape(shape)
        values = parts[MAIN].reshape(rows, columns) if self.bits == 8 else _unpack(parts[MAIN], rows)
        scales = expand_scales(parts[SCALES], rows, self._group_rows(rows)) * parts[UNIT]
        decoded: NDArray[np.float32] = values.astype(np.float32) * scales
        return decoded.reshape(shape)

    def decode_in_graph(self, parts: Mapping[str, Any], shape: Sequence[int]) -> Any:
        """Integers times scales, in the same order of float32 operations as `decode`."""
        import tensorflow as tf

        rows, columns = as_matrix_shape(shape)
        group_rows = self._group_rows(rows)
        values = tf.cast(parts[MAIN], tf.float32) if self.bits == 8 else _unpack_in_graph(parts[MAIN], rows)
        scales = tf.cast(parts[SCALES], tf.float32) * parts[UNIT]
        if rows % group_rows == 0:  # no copy of the scales for every row
            decoded = tf.reshape(values, [rows // group_rows, group_rows, columns]) * scales[:, tf.newaxis]
        else:
            decoded = tf.reshape(values, [rows, columns]) * tf.repeat(scales, group_rows, axis=0)[:rows]
        return tf.reshape(decoded, list(shape))

    def _group_rows(self, rows: int) -> int:
        return max(1, rows) if self.group_rows is None else self.group_rows


def _pack(values: NDArray[np.int8]) -> NDArray[np.uint8]:
    rows, columns = values.shape
    nibbles = np.full((rows + rows % 2, columns), 8, np.uint8)
    nibbles[:rows] = values + np.int8(8)
    packed: NDArray[np.uint8] = nibbles[0::2] | (nibbles[1::2] << np.uint8(4))
    return packed


def _unpack(packed: NDArray[np.uint8], rows: int) -> NDArray[np.int8]:
    nibbles = np.empty((packed.shape[0] * 2, packed.shape[1]), np.int8)
    nibbles[0::2] = packed & np.uint8(15)
    nibbles[1::2] = packed >> np.uint8(4)
    return nibbles[:rows] - np.int8(8)


def _unpack_in_graph(packed: Any, rows: int) -> Any:
    """Float32 [rows, columns]; in float32 arithmetic, as LiteRT has no bitwise and, and stores what a shift gives."""
    import tensorflow as tf

    pairs = tf.cast(packed, tf.float32)
    odd = tf.floor(pairs / 16)
    even = pairs - 16 * odd
    nibbles = tf.reshape(tf.stack([even, odd], 1), [2 * packed.shape[0], packed.shape[1]])
    return nibbles[:rows] - 8
