"""The interface that every storage codec follows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP_ROWS = 64
"""Rows of a matrix that are quantized together: they share an integer scale, and their inputs' moments are known."""

MAIN = ""
"""Key of the part that carries the tensor's own name; further parts are named `<tensor>/<part>`."""


@dataclass(frozen=True)
class Part:
    """One stored array: its shape, and its element type by the name that numpy and TensorFlow share."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size_bytes(self) -> int:
        """Bytes of the elements; what a checkpoint's data file holds of this array."""
        return math.prod(self.shape) * _itemsize(self.dtype)


class Codec(ABC):
    """Stores one float32 tensor as a few arrays."""

    @property
    def limit(self) -> float:
        """The largest magnitude that can be stored; encoding a larger one is the caller's mistake."""
        return math.inf

    @property
    def uses_moments(self) -> bool:
        """Whether what is stored depends on the moments that `encode` is given."""
        return False

    @property
    @abstractmethod
    def graph_bytes(self) -> int:
        """Upper bound of what storing a tensor this way adds to a graph's definition, over a plain float32 one."""

    @abstractmethod
    def layout(self, shape: Sequence[int]) -> dict[str, Part]:
        """The stored arrays for a tensor of `shape`, by part name: exact before anything is encoded."""

    @abstractmethod
    def encode(self, array: NDArray[np.float32], moments: NDArray[np.float32] | None = None) -> dict[str, Any]:
        """Arrays as `layout` announces them, from finite values no larger than `limit`.

        `moments` [groups, GROUP_ROWS, GROUP_ROWS] are the second moments of the inputs that the matrix is multiplied by
        (see `models.calibration`), by which the error of the output is made least; codecs with no choice ignore them.
        """

    @abstractmethod
    def decode(self, parts: Mapping[str, Any], shape: Sequence[int]) -> NDArray[np.float32]:
        """Float32 array of `shape` from stored arrays, in numpy: the reference for `decode_in_graph`."""

    @abstractmethod
    def decode_in_graph(self, parts: Mapping[str, Any], shape: Sequence[int]) -> Any:
        """Float32 `tf.Tensor` of `shape` from tensors of the stored arrays."""

    def size_bytes(self, shape: Sequence[int]) -> int:
        """Exact stored bytes of a tensor of `shape`."""
        return sum(part.size_bytes for part in self.layout(shape).values())


def part_name(tensor: str, part: str) -> str:
    """Name under which a part of a tensor is stored."""
    return tensor if part == MAIN else f"{tensor}/{part}"


def as_matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a tensor whose last axis is the output: [inputs…, outputs]."""
    if not shape:
        return 1, 1
    return math.prod(shape[:-1]), int(shape[-1])


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
