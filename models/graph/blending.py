"""The weighted mean of the members' probabilities, or of their logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Blend = Literal["probability", "logit"]

LOGIT_EPSILON = 1e-6
"""Probabilities are kept this far from 0 and 1 before a logit is taken."""


def blended(outputs: Sequence[Any], weights: Sequence[float], blend: Blend) -> Any:
    """Probabilities [batch, classes] of the ensemble from those of its members."""
    import tensorflow as tf

    with tf.name_scope("blend"):
        if blend == "logit":
            outputs = [_logit(output) for output in outputs]
        total = tf.add_n([output * weight for output, weight in zip(outputs, weights, strict=True)])
        return tf.sigmoid(total) if blend == "logit" else total


def _logit(probabilities: Any) -> Any:
    import tensorflow as tf

    kept = tf.clip_by_value(probabilities, LOGIT_EPSILON, 1 - LOGIT_EPSILON)
    return tf.math.log(kept) - tf.math.log1p(-kept)
