"""The arithmetic of batch norm over all axes but the last, with the paper's epsilon."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

EPSILON = 1e-3


class Normalisation(NamedTuple):
    """What features are normalised by.

    Attributes:
        gamma: Scale, [features].
        beta: Offset, [features].
        given: Mean and biased variance to use, [features] each; None for those of the batch.
    """

    gamma: Any
    beta: Any
    given: tuple[Any, Any] | None


def moments(inputs: Any, real: Any = None) -> tuple[Any, Any]:
    """Mean and biased variance of every feature of [..., features], of the rows whose `real` [..., 1] is 1."""
    axes = list(range(len(inputs.shape) - 1))
    if real is None:
        mean, variance = ops.moments(inputs, axes=axes)
        return mean, variance
    rows = ops.maximum(ops.sum(real), 1.0)
    mean = ops.sum(inputs * real, axis=axes) / rows
    return mean, ops.sum(ops.square(inputs - mean) * real, axis=axes) / rows


def scale_and_offset(norm: Normalisation, statistics: tuple[Any, Any]) -> tuple[Any, Any]:
    """What to multiply features by, and what to add, so that these statistics become beta and gamma squared."""
    mean, variance = statistics
    scale = norm.gamma * ops.rsqrt(variance + EPSILON)
    return scale, norm.beta - mean * scale


def normalised(inputs: Any, norm: Normalisation, statistics: tuple[Any, Any]) -> Any:
    """[..., features] -> the same shape."""
    scale, offset = scale_and_offset(norm, statistics)
    return inputs * scale + offset
