"""The loss of a student: a part of its labels, and a part of a teacher's probabilities."""

from __future__ import annotations

from typing import Any

from keras import ops

from gapsack.models.tasks.losses import LOG_EPSILON, Loss
from gapsack.models.training.teaching import Teaching


def taught(loss: Loss, teaching: Teaching) -> Loss:
    """The loss whose labels are pairs of labels and a teacher's probabilities."""

    def both(probabilities: Any, labels: tuple[Any, Any], smoothing: float, logits: Any = None) -> Any:
        truth, targets = labels
        of_labels = loss(probabilities, truth, smoothing, logits)
        of_teacher = _of_teacher(loss, teaching.temperature, probabilities, targets, logits)
        return (1 - teaching.weight) * of_labels + teaching.weight * of_teacher

    return both


def _of_teacher(loss: Loss, temperature: float, probabilities: Any, targets: Any, logits: Any) -> Any:
    if temperature == 1:
        return loss(probabilities, targets, 0.0, logits)
    if logits is not None:
        soft_logits = logits / temperature
        found = loss(ops.sigmoid(soft_logits), softened(targets, temperature), 0.0, soft_logits)
    else:
        found = loss(softened(probabilities, temperature), softened(targets, temperature), 0.0, None)
    return temperature**2 * found


def softened(probabilities: Any, temperature: float) -> Any:
    """Probabilities of classes by themselves, with their logits divided by `temperature`."""
    odds = ops.log(probabilities + LOG_EPSILON) - ops.log(1 - probabilities + LOG_EPSILON)
    return ops.sigmoid(odds / temperature)
