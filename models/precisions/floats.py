"""Floating-point storage: float32 as it is, float16 and bfloat16 by rounding to nearest, ties to even."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from gapsack.models.precisions.codec import MAIN, Codec, Part

_LIMITS = {"float32": float(np.finfo(np.float32).max), "float16": 65504.0, "bfloat16": 255 / 128 * 2.0**127}


@dataclass(frozen=True)
class FloatCodec(Codec):
    """Stores a tensor in another floating-point type: `float32`, `float16` or `bfloat16`."""

    dtype: str

    @property
    def graph_bytes(self) -> int:
        """A cast."""
        return 128

    @property
    def limit(self) -> float:
        """Largest finite magnitude of the type: 65504 for float16."""
        return _LIMITS[self.dtype]

    def layout(self, shape: Sequence[int]) -> dict[str, Part]:
        """One array of the tensor's own shape."""
        return {MAIN: Part(tuple(shape), self.dtype)}

    def encode(self, array: NDArray[np.float32], moments: NDArray[np.float32] | None = None) -> dict[str, Any]:
        """The array rounded to the type; magnitudes below its smallest subnormal become zero."""
        return {MAIN: array.astype(_numpy_dtype(self.dtype))}

    def decode(self, parts: Mapping[str, Any], shape: Sequence[int]) -> NDArray[np.float32]:
        """The stored values, widened: exact."""
        return np.asarray(parts[MAIN]).astype(np.float32).reshape(shape)

    def decode_in_graph(self, parts: Mapping[str, Any], shape: Sequence[int]) -> Any:
        """A cast; nothing at all for float32."""
        import tensorflow as tf

        return tf.cast(parts[MAIN], tf.float32)


def _numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
