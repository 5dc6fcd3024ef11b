"""Losses of tasks, in `keras.ops` alone."""

from __future__ import annotations

from typing import Any

from keras import ops

LOG_EPSILON = 1e-5
"""Added to probabilities before a logarithm is taken, as in the YouTube-8M starter code."""


def cross_entropy(probabilities: Any, labels: Any, smoothing: float) -> Any:
    """Sum over classes, mean over examples; probabilities float32 and labels bool, both [batch, classes]."""
    y = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / 2
    terms = y * ops.log(probabilities + LOG_EPSILON) + (1 - y) * ops.log(1 - probabilities + LOG_EPSILON)
    return -ops.sum(terms) / probabilities.shape[0]


def categorical_cross_entropy(probabilities: Any, labels: Any, smoothing: float) -> Any:
    """Of classes that exclude each other, mean over examples; shapes as for `cross_entropy`."""
    y = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / probabilities.shape[1]
    return -ops.sum(y * ops.log(probabilities + LOG_EPSILON)) / probabilities.shape[0]
