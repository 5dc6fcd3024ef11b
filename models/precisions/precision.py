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
from gapsack.models.tensors import Tensor, groups_of
from gapsack.selection.errors import InputError

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
        by_group: Codecs of single groups of large tensors that come before `large`; empty unless the precision is
        mixed.
    """

    name: str
    large: Codec
    matrices: Codec = _FLOAT32
    by_group: Mapping[str, Codec] = field(default_factory=dict)

    @property
    def uses_moments(self) -> bool:
        """Whether `models.calibration` changes what is stored: whether there are integers to choose."""
        return any(codec.uses_moments for codec in (self.large, self.matrices, *self.by_group.values()))

    def codec(self, tensor: Tensor) -> Codec:
        """The codec that stores a tensor."""
        if tensor.group is not None:
            return self.by_group.get(tensor.group, self.large)
        return self.matrices if tensor.is_matrix else _FLOAT32

    def tensor_bytes(self, tensor: Tensor) -> int:
        """Exact stored bytes of a tensor: what the graph's variables hold, scales and masks included."""
        return self.codec(tensor).size_bytes(tensor.shape)

    def graph_bytes(self, tensors: Iterable[Tensor]) -> int:
        """Upper bound of what storing these tensors adds to the definition of a graph."""
        return sum(self.codec(tensor).graph_bytes for tensor in tensors if tensor.large or tensor.is_matrix)

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
    `mixed_<letters>_<letter>` with 32, 16, b16, 8 or 4 for each group of the family's large tensors, in order, and
    then for the other matrices: `mixed_<hidden1>_<gates>_<experts>_<gating_prob>_<other matrices>` of a gated NetVLAD.
    """
    return tuple(_PLAIN)


def mixed(letters: Sequence[str]) -> str:
    """Name of the mixed precision with a letter (32, 16, b16, 8 or 4) for each group of a family, then the others."""
    return "_".join(("mixed", *letters))


def precision(name: str, tensors: Iterable[Tensor] = ()) -> Precision:
    """The precision of that name, for a model of these tensors.

    Raises:
        InputError: There is none, with the known ones named; or a mixed one has not a letter for each group of the
            tensors.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    pruned = re.fullmatch(r"pruned([1-9][0-9]?)_(float16|int8)", name)
    if pruned:
        return Precision(name, PrunedCodec(int(pruned[1]), pruned[2]), _CODECS[pruned[2]])
    letters = _letters(name)
    groups = groups_of(tensors)
    if len(letters) != len(groups) + 1:
        raise InputError(
            f"expected a mixed precision with {len(groups) + 1} letters, one for each of "
            f"{', '.join((*groups, 'the other matrices'))}, got {name!r}"
        )
    *large, matrices = (_CODECS[_MIXED_LETTERS[letter]] for letter in letters)
    return Precision(name, _FLOAT32, matrices, dict(zip(groups, large, strict=True)))


def check_name(name: str) -> None:
    """Raise InputError, naming the known ones, when no model has a precision of that name."""
    if name not in _PLAIN and not name.startswith("mixed_"):
        precision(name)
    elif name not in _PLAIN:
        _letters(name)


def uses_moments(name: str) -> bool:
    """Whether `models.calibration` changes what this precision stores, of any model; InputError as `check_name`."""
    if name in _PLAIN or not name.startswith("mixed_"):
        return precision(name).uses_moments
    return any(_CODECS[_MIXED_LETTERS[letter]].uses_moments for letter in _letters(name))


def _letters(name: str) -> list[str]:
    """Letters of a mixed precision; InputError for any other name."""
    letters = name.split("_")[1:]
    if not name.startswith("mixed_") or not letters or not set(letters) <= set(_MIXED_LETTERS):
        raise InputError(
            f"expected one of the precisions {', '.join(names())}, or a name like pruned75_float16, pruned75_int8 or "
            f"mixed_8_4_4_16_8, got {name!r}"
        )
    return letters


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
    tensors = tuple(tensors)
    stored, moments = precision(name, tensors), calibration or {}
    decoded = {}
    for tensor in tensors:
        parts = stored.encode(tensor, weights[tensor.name], moments=moments.get(tensor.name), saturated=saturated)
        decoded[tensor.name] = stored.codec(tensor).decode(parts, tensor.shape)
    return decoded
