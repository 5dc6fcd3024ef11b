"""Context gating: values times sigmoid(batch norm of a product), with the batch's own statistics.

A task has some columns of all videos, which stay in the second-level cache while they are gone over.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import workers
from gapsack.models.training.backends.cpu.tiles import exponentials
from gapsack.models.training.backends.cpu.vectors import LANES
from gapsack.selection.compiled import jit

Floats = NDArray[np.float32]

_COLUMNS = 256  # of a task


class Gated(NamedTuple):
    """Values [B, columns], and the statistics of the product, [columns] each."""

    values: Floats
    mean: Floats
    variance: Floats


class GatedGradients(NamedTuple):
    """Of inputs and product, [B, columns], and of gamma and beta, [columns]."""

    inputs: Floats
    product: Floats
    gamma: Floats
    beta: Floats


def gated(inputs: Floats, product: Floats, gamma: Floats, beta: Floats, epsilon: float) -> Gated:
    """inputs * sigmoid(product normalised over the videos * gamma + beta); `epsilon` is added to the variance."""
    videos, columns = inputs.shape
    found = Gated(workers.aligned(videos, columns), workers.aligned(columns), workers.aligned(columns))

    def some(task: tuple[int, int], scratch: Floats) -> None:
        _gate(inputs, product, gamma, beta, np.float32(epsilon), *task, scratch, found)

    workers.run(some, workers.stretches(columns, _COLUMNS), _COLUMNS)
    return found


def gated_gradients(
    inputs: Floats, product: Floats, gamma: Floats, beta: Floats, epsilon: float, found: Gated, upstream: Floats
) -> GatedGradients:
    """Gradients of `gated`, which found `found`; `upstream` [B, columns] is that of its values."""
    videos, columns = inputs.shape
    out = GatedGradients(
        workers.aligned(videos, columns),
        workers.aligned(videos, columns),
        workers.aligned(columns),
        workers.aligned(columns),
    )

    def some(task: tuple[int, int], scratch: Floats) -> None:
        _ungate(inputs, product, gamma, beta, np.float32(epsilon), found, upstream, *task, scratch, out)

    workers.run(some, workers.stretches(columns, _COLUMNS), _COLUMNS)
    return out


@jit()
def _gate(
    inputs: Floats,
    product: Floats,
    gamma: Floats,
    beta: Floats,
    epsilon: np.float32,
    first: int,
    stop: int,
    shares: Floats,
    found: Gated,
) -> None:
    """Columns first … stop-1; `shares` [_COLUMNS] is for use."""
    videos = len(inputs)
    mean, variance = found.mean[first:stop], found.variance[first:stop]
    mean[:] = 0
    variance[:] = 0
    for video in range(videos):
        row = product[video, first:stop]
        for i in range(len(row)):
            mean[i] += row[i]
    for i in range(len(mean)):
        mean[i] /= np.float32(videos)
    for video in range(videos):
        row = product[video, first:stop]
        for i in range(len(row)):
            variance[i] += (row[i] - mean[i]) ** 2
    for i in range(len(mean)):
        variance[i] /= np.float32(videos)
    scale, offset = _scale_and_offset(gamma[first:stop], beta[first:stop], epsilon, mean, variance)
    for video in range(videos):
        _sigmoids(product[video, first:stop], scale, offset, shares)
        row, values = inputs[video, first:stop], found.values[video, first:stop]
        for i in range(len(row)):
            values[i] = row[i] * shares[i]


@jit()
def _ungate(
    inputs: Floats,
    product: Floats,
    gamma: Floats,
    beta: Floats,
    epsilon: np.float32,
    found: Gated,
    upstream: Floats,
    first: int,
    stop: int,
    shares: Floats,
    out: GatedGradients,
) -> None:
    """Columns first … stop-1; `shares` [_COLUMNS] is for use."""
    videos = len(inputs)
    mean, variance = found.mean[first:stop], found.variance[first:stop]
    scale, offset = _scale_and_offset(gamma[first:stop], beta[first:stop], epsilon, mean, variance)
    of_gamma, of_beta = out.gamma[first:stop], out.beta[first:stop]
    of_gamma[:] = 0
    of_beta[:] = 0
    for video in range(videos):
        row, above, values = product[video, first:stop], upstream[video, first:stop], inputs[video, first:stop]
        of_input, of_row = out.inputs[video, first:stop], out.product[video, first:stop]
        _sigmoids(row, scale, offset, shares)
        for i in range(len(row)):
            of_input[i] = above[i] * shares[i]
            of_row[i] = of_input[i] * values[i] * (np.float32(1) - shares[i])
            of_beta[i] += of_row[i]
            of_gamma[i] += of_row[i] * (row[i] - mean[i])
    inverse = np.empty_like(mean)
    for i in range(len(mean)):
        inverse[i] = np.float32(1) / (variance[i] + epsilon)  # both factors of the deviation's inverse
    for video in range(videos):
        row, of_row = product[video, first:stop], out.product[video, first:stop]
        for i in range(len(row)):
            common = of_beta[i] + (row[i] - mean[i]) * inverse[i] * of_gamma[i]
            of_row[i] = scale[i] * (of_row[i] - common / np.float32(videos))
    for i in range(len(mean)):
        of_gamma[i] *= np.sqrt(inverse[i])


@jit()
def _scale_and_offset(
    gamma: Floats, beta: Floats, epsilon: np.float32, mean: Floats, variance: Floats
) -> tuple[Floats, Floats]:
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


@jit()
def _sigmoids(row: Floats, scale: Floats, offset: Floats, out: Floats) -> None:
    """Of row * scale + offset, into the first of `out` [whole vectors]."""
    for i in range(len(row)):
        out[i] = -(row[i] * scale[i] + offset[i])
    out[len(row) :] = 0
    exponentials(out.ctypes.data, -(-len(row) // LANES))
    for i in range(len(row)):
        out[i] = np.float32(1) / (np.float32(1) + out[i])
