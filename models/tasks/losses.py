"""Losses of tasks, in `keras.ops` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from gapsack.models.tasks.answer import Answer

Loss = Callable[[Any, Any, float, Any], Any]
"""(probabilities, labels, label smoothing, logits or None) -> mean loss of a batch; see `Task.loss`."""

LOG_EPSILON = 1e-5
"""Added to probabilities before a logarithm is taken, as in the YouTube-8M starter code."""


def cross_entropy(probabilities: Any, labels: Any, smoothing: float, logits: Any = None) -> Any:
    """Sum over classes, mean over examples.

    Args:
        probabilities: Float32 [batch, classes].
        labels: Bool, or float32 where targets are soft, of the same shape.
        smoothing: Labels become y (1 - e) + e / 2.
        logits: What probabilities are the sigmoids of. The loss is computed of these where they are there, without
            an epsilon: a probability that rounds to 1 has a finite loss then.
    """
    y = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / 2
    if logits is not None:
        return ops.sum(ops.softplus(logits) - y * logits) / logits.shape[0]
    terms = y * ops.log(probabilities + LOG_EPSILON) + (1 - y) * ops.log(1 - probabilities + LOG_EPSILON)
    return -ops.sum(terms) / probabilities.shape[0]


def categorical_cross_entropy(probabilities: Any, labels: Any, smoothing: float, logits: Any = None) -> Any:
    """Of classes that exclude each other, mean over examples; arguments as for `cross_entropy`.

    `logits` are those of a softmax.
    """
    y = ops.cast(labels, "float32") * (1 - smoothing) + smoothing / probabilities.shape[1]
    logarithms = ops.log(probabilities + LOG_EPSILON) if logits is None else ops.log_softmax(logits)
    return -ops.sum(y * logarithms) / probabilities.shape[0]


def loss_of_answer(loss: Loss, answer: Answer, labels: Any, smoothing: float) -> Any:
    """The loss of all that a network says of a batch: of its answer, of its branches, and its own penalty."""
    total = loss(answer.probabilities, labels, smoothing, answer.logits)
    for branch in answer.branches:
        total = total + loss_of_answer(loss, branch, labels, smoothing)
    return total if answer.penalty is None else total + answer.penalty
