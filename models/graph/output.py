"""A loaded graph of any format: what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gapsack.selection.errors import InputError


class GraphOutput(NamedTuple):
    """What a graph answers for a batch.

    Attributes:
        probabilities: [batch, classes].
        top_indices: [batch, k], classes by descending score, ties by lower class.
        top_scores: [batch, k].
    """

    probabilities: NDArray[np.float32]
    top_indices: NDArray[np.int32]
    top_scores: NDArray[np.float32]


class Predictor(Protocol):
    """A loaded graph of any format."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that the graph takes, sorted."""

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> GraphOutput:
        """Predictions for a batch, of the arrays by the names in `inputs`, as the graph's task says.

        Of YouTube-8M, `frames` is uint8 [batch, longest, width] at frame level and float32 [batch, 1, width] at video
        level; `num_frames` [batch] says how many frames of each video are real.

        Raises:
            InputError: An input is missing, unknown or of another type than the graph takes.
        """


@runtime_checkable
class DecodesOnce(Protocol):
    """A loaded graph that can keep its weights decoded."""

    def decode(self) -> Self:
        """Decode all weights now and keep them as float32, so that `predict` no longer does; the graph itself."""


def checked_inputs(given: Mapping[str, NDArray[Any]], types: Mapping[str, DTypeLike | None]) -> dict[str, NDArray[Any]]:
    """The arrays of `given` in the types that a graph takes by name; None takes any.

    An array of another type is converted where that changes no value, such as int64 counts to int32.

    Raises:
        InputError: See `Predictor.predict`.
    """
    if set(given) != set(types):
        raise InputError(f"expected the inputs {', '.join(sorted(types))}, got {', '.join(sorted(given)) or 'none'}")
    return {name: _as_type(name, np.asarray(given[name]), dtype) for name, dtype in types.items()}


def _as_type(name: str, values: NDArray[Any], dtype: DTypeLike | None) -> NDArray[Any]:
    if dtype is None or values.dtype == dtype:
        return values
    converted = values.astype(dtype)
    if not np.array_equal(converted, values):
        raise InputError(f"expected {name} as {np.dtype(dtype)}, got {values.dtype} values that it cannot hold")
    return converted
