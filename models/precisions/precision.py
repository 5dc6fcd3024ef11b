"""Precisions by name: which codec stores which tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.precisions.codec import GROUP_ROWS, Codec
from gapsack.models.precisions.floats import FloatCodec
from gapsack.models.precisions.integers import IntegerCodec
from gapsack.models.precisions.pruned import PrunedCodec
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

MIXED_ORDER: tuple[str, ...] = (
    "tower/hidden1_weights/hidden1_weights",
    "tower/gates/weights",
    "tower/experts/weights",
    "tower/gating_prob_weights",
)
"""Large tensors whose precisions the name of a mixed precision lists, in this order."""

_FLOAT32 = FloatCodec("float32")
_CODECS: dict[str, Codec] = {
    "float32": _FLOAT32,
    "float16": FloatCodec("float16"),
    "bfloat16": FloatCodec("bfloat16"),
    "int8": IntegerCodec(8, GROUP_ROWS),
    "int4": IntegerCodec(4, GROUP_ROWS),
}
_MIXED_LETTERS = {"32": "float32", "16": "float16", "b16": "bfloat16", "8": "int8", "4": "int4"}


@dataclass(frozen=True)
class Precision:
    """How one member is stored: a codec for each matrix; vectors (biases, norms and their statistics) stay float32.

    Attributes:
        name: Name in pools, file names and on command lines.
        large: Codec of the large tensors.
        matrices: Codec of the other matrices, a few percent of the bytes: float32 where the large ones are float16, as
            in the paper; but they would weigh a sixth of an int8 member, so there they are int8 as well.
        by_tensor: Codecs of single tensors, by name, that come before `large`; empty unless the precision is mixed.
    """

    name: str
    large: Codec
    matrices: Codec = _FLOAT32
    by_tensor: Mapping[str, Codec] = field(default_factory=dict)

    @property
    def uses_moments(self) -> bool:
        """Whether `models.calibration` changes what is stored: whether there are integers to choose."""
        return any(codec.uses_moments for codec in (self.large, self.matrices, *self.by_tensor.values()))

    def codec(self, tensor: Tensor) -> Codec:
        """The codec that stores a tensor."""
        if tensor.large:
            return self.by_tensor.get(tensor.name, self.large)
        return self.matrices if len(tensor.shape) > 1 else _FLOAT32

    def tensor_bytes(self, tensor: Tensor) -> int:
        """Exact stored bytes of a tensor: what the graph's variables hold, scales and masks included."""
        return self.codec(tensor).size_bytes(tensor.shape)

    def graph_bytes(self, large: int, matrices: int) -> int:
        """Upper bound of what storing so many large tensors and other matrices adds to the definition of a graph."""
        worst = max([self.large, *self.by_tensor.values()], key=lambda codec: codec.graph_bytes)
        return large * worst.graph_bytes + matrices * self.matrices.graph_bytes

    def encode(
        self,
        tensor: Tensor,
        array: NDArray[np.float32],
        *,
        moments: NDArray[np.float32] | None = None,
        saturated: Counter[str] | None = None,
    ) -> dict[str, Any]:
        """Stored arrays of a tensor by part name.

        Args:
            tensor: Which one; it decides the codec.
            array: Its values, of its shape.
            moments: Of the tensor's inputs, from `models.calibration`; see `Codec.encode`.
            saturated: When given, values beyond the codec's range are clipped to it and counted here by tensor name.

        Raises:
            InputError: Naming the tensor, when a value is not finite, or is beyond the range and `saturated` is None.
        """
        codec = self.codec(tensor)
        array = np.ascontiguousarray(array, np.float32)
        peak = max(float(array.max(initial=0.0)), -float(array.min(initial=0.0)))
        if not np.isfinite(peak):
            raise InputError(f"expected finite weights to store as {self.name}, got {peak} in {tensor.name}")
        if peak > codec.limit:
            beyond = int(np.count_nonzero(np.abs(array) > codec.limit))
            if saturated is None:
                raise InputError(
                    f"expected weights within ±{codec.limit:g} to store as {self.name}, got {beyond} beyond it in "
                    f"{tensor.name}, up to {peak:g}"
                )
            saturated[tensor.name] += beyond
            array = np.clip(array, -codec.limit, codec.limit)
        return codec.encode(array, moments)


_PLAIN: dict[str, Precision] = {
    stored.name: stored
    for stored in (
        Precision("float32", _FLOAT32),
        Precision("float16", _CODECS["float16"]),
        Precision("bfloat16", _CODECS["bfloat16"]),
        Precision("int8", _CODECS["int8"], _CODECS["int8"]),
        Precision("int4", _CODECS["int4"], _CODECS["int8"]),
    )
}


def names() -> tuple[str, ...]:
    """Precisions that any trained member can be stored in, the most exact first.

    `precision` knows more: `pruned<percent>_float16` and `pruned<percent>_int8` for members trained with pruning, and
    `mixed_<hidden1>_<gates>_<experts>_<gating_prob>_<other matrices>` with 32, 16, b16, 8 or 4 for each.
    """
    return tuple(_PLAIN)


def mixed(letters: Sequence[str]) -> str:
    """Name of the mixed precision with a letter (32, 16, b16, 8 or 4) for each of `MIXED_ORDER`, then the others."""
    return "_".join(("mixed", *letters))


def precision(name: str) -> Precision:
    """The precision of that name; InputError names the known ones when there is none."""
    if name in _PLAIN:
        return _PLAIN[name]
    pruned = re.fullmatch(r"pruned([1-9][0-9]?)_(float16|int8)", name)
    if pruned:
        return Precision(name, PrunedCodec(int(pruned[1]), pruned[2]), _CODECS[pruned[2]])
    letters = name.split("_")[1:]
    if name.startswith("mixed_") and len(letters) == len(MIXED_ORDER) + 1 and set(letters) <= set(_MIXED_LETTERS):
        *large, matrices = (_CODECS[_MIXED_LETTERS[letter]] for letter in letters)
        return Precision(name, _FLOAT32, matrices, dict(zip(MIXED_ORDER, large, strict=True)))
    raise InputError(
        f"expected one of the precisions {', '.join(names())}, or a name like pruned75_float16, pruned75_int8 or "
        f"mixed_8_4_4_16_8, got {name!r}"
    )


def roundtrip(
    weights: Mapping[str, NDArray[np.float32]],
    name: str,
    tensors: Iterable[Tensor],
    *,
    calibration: Mapping[str, NDArray[np.float32]] | None = None,
    saturated: Counter[str] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """The float32 weights that a graph computes with when `weights` are stored in precision `name`.

    `tensors` are the model's (`sizes.tensors`, or `tensors` of the built model); `calibration` is what
    `calibration.calibrate` returned, and must then be given to the graph's `Member` as well. Errors and `saturated` as
    for `Precision.encode`.
    """
    stored, moments = precision(name), calibration or {}
    decoded = {}
    for tensor in tensors:
        parts = stored.encode(tensor, weights[tensor.name], moments=moments.get(tensor.name), saturated=saturated)
        decoded[tensor.name] = stored.codec(tensor).decode(parts, tensor.shape)
    return decoded
