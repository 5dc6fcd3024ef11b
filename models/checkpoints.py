"""Weights by tensor name: in and out of models, in and out of files, and averaged over checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.errors import InputError
from gapsack.selection.files import whole_file
from gapsack.selection.npz import read_npz

Weights = dict[str, NDArray[np.float32]]


def load_reference_weights(model: Any, arrays: Mapping[str, Any]) -> None:
    """Set every tensor of a model from `registry.build`.

    Args:
        model: The model.
        arrays: All tensors of the model, any float type, by their names in the authors' graph, without ":0".

    Raises:
        InputError: Naming every tensor that is missing, unknown or of the wrong shape; the model is then unchanged.
    """
    problems = [f"{name} is unknown to the model" for name in arrays if name not in model.table]
    for tensor in model.tensors:
        if tensor.name not in arrays:
            problems.append(f"{tensor.name} is missing")
        elif np.shape(arrays[tensor.name]) != tensor.shape:
            problems.append(f"{tensor.name} has shape {np.shape(arrays[tensor.name])}, expected {tensor.shape}")
    if problems:
        raise InputError(f"weights do not fit the model: {'; '.join(problems)}")
    for name, variable in model.tensor_variables.items():
        variable.assign(np.asarray(arrays[name], np.float32))


def reference_weights(model: Any) -> Weights:
    """Every tensor of a model from `registry.build`, copied to the host, as float32, in the family's order."""
    import keras

    return {
        name: np.array(keras.ops.convert_to_numpy(variable), np.float32)
        for name, variable in model.tensor_variables.items()
    }


def write_weights(path: str | os.PathLike[str], weights: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name to one uncompressed .npz; the file appears whole or not at all."""
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(values) for name, values in weights.items()})


def read_weights(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Arrays by name from `write_weights`; InputError when the file is missing, damaged or no such archive."""
    return read_npz(path)


class RunningAverage:
    """Mean of checkpoints, each read once: float64 sums, so that the order of adding leaves no trace in float32."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Add one checkpoint; InputError when its names or shapes differ from those before it."""
        shapes = {name: np.shape(values) for name, values in weights.items()}
        if self.count and shapes != {name: total.shape for name, total in self._sums.items()}:
            raise InputError("expected a checkpoint with the tensors of those before it, got other names or shapes")
        for name, values in weights.items():
            if self.count:
                self._sums[name] += values
            else:
                self._sums[name] = np.array(values, np.float64)
        self.count += 1

    def mean(self) -> Weights:
        """The average, as float32; InputError when nothing was added."""
        if not self.count:
            raise InputError("expected at least one checkpoint to average, got none")
        return {name: (total / self.count).astype(np.float32) for name, total in self._sums.items()}
