"""What a model's matrices are multiplied by, on real videos: so that integers can be chosen by the error of the output.

A weight's rounding error matters as much as its input does, and errors of rows whose inputs go together can make up for
each other. Second moments of the inputs say both. They are kept within groups of rows only: all of hidden1's, with its
100,000 rows, would be 40 GB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.precisions.codec import GROUP_ROWS

Calibration = dict[str, NDArray[np.float32]]
"""Moments [groups, GROUP_ROWS, GROUP_ROWS] by tensor name; a last group of fewer rows is filled up with zeros."""


def calibrate(model: Any, batches: Iterable[Mapping[str, NDArray[Any]]]) -> Calibration:
    """Mean second moments of what every matrix of a model from `registry.build` is multiplied by.

    `batches` are inputs by name as the model takes them; a few hundred examples of the training files are enough.
    Matrices that enter no product, such as NetVLAD's centres, are left out. Write it with `checkpoints.write_weights`.
    """
    names = {id(variable): name for name, variable in model.tensor_variables.items()}
    sums: dict[str, NDArray[np.float32]] = {}
    counts: dict[str, int] = {}

    def observe(left: Any, right: Any) -> None:
        name = names.get(id(right))
        if name is not None:
            inputs = _to_numpy(left)
            sums[name] = sums.get(name, np.float32(0)) + group_moments(inputs)
            counts[name] = counts.get(name, 0) + len(inputs)

    with model.observed_products(observe):
        for inputs in batches:
            model(inputs, training=False)
    return {name: total / np.float32(counts[name]) for name, total in sums.items()}


def group_moments(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of x xᵀ over the rows x of `inputs` [samples, features], within groups of features."""
    samples, features = inputs.shape
    padded = np.pad(inputs, ((0, 0), (0, -features % GROUP_ROWS)))
    grouped = padded.reshape(samples, -1, GROUP_ROWS).transpose(1, 0, 2)
    sums: NDArray[np.float32] = np.matmul(grouped.transpose(0, 2, 1), grouped)
    return sums


def _to_numpy(values: Any) -> NDArray[np.float32]:
    import keras

    array = np.asarray(keras.ops.convert_to_numpy(values), np.float32)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])
