"""The arithmetic of a training step, as pure functions of named values, in `keras.ops` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.training.recipe import Recipe

Values = Mapping[str, Any]

BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
UPDATES_BEFORE_DOUBLING = 2000  # of the loss scale


def clip_factors(norms: Any, recipe: Recipe) -> Any:
    """What gradients of these norms [n] are multiplied by, [n].

    By `tf.clip_by_norm` each, or by `tf.clip_by_global_norm` all alike; ones without clipping.
    """
    if recipe.clip_norm is not None:
        return recipe.clip_norm / ops.maximum(norms, recipe.clip_norm)
    if recipe.global_clip_norm is not None:
        norm = ops.sqrt(ops.sum(ops.square(norms)))
        return ops.ones_like(norms) * (recipe.global_clip_norm / ops.maximum(norm, recipe.global_clip_norm))
    return ops.ones_like(norms)


def adam_rate(updates: Any, learning_rate: Any) -> Any:
    """Learning rate with Adam's bias corrections, for the update after `updates` earlier ones."""
    t = ops.cast(updates + 1, "float32")
    return learning_rate * ops.sqrt(1 - ops.power(BETA2, t)) / (1 - ops.power(BETA1, t))


def adam(weight: Any, gradient: Any, m: Any, v: Any, rate: Any) -> tuple[Any, Any, Any]:
    """One update of one tensor: new weight, m and v, with `rate` from `adam_rate`."""
    m = m + (gradient - m) * (1 - BETA1)
    v = v + (ops.square(gradient) - v) * (1 - BETA2)
    return weight - rate * m / (ops.sqrt(v) + ADAM_EPSILON), m, v


def updated(values: Values, gradients: Values, learning_rate: Any, recipe: Recipe) -> dict[str, Any]:
    """Weights and moments after an update with (clipped) gradients by tensor name."""
    rate = adam_rate(values["updates"], learning_rate)
    changed: dict[str, Any] = {"updates": values["updates"] + 1}
    for name, gradient in gradients.items():
        weight = decayed(values[f"weights/{name}"], learning_rate, recipe)
        keys = f"weights/{name}", f"adam_m/{name}", f"adam_v/{name}"
        changed.update(zip(keys, adam(weight, gradient, values[keys[1]], values[keys[2]], rate), strict=True))
    return changed


def decayed(weight: Any, learning_rate: Any, recipe: Recipe) -> Any:
    """The weight after AdamW's decay, which spares vectors: biases and batch norms."""
    if not recipe.weight_decay or len(weight.shape) < 2:
        return weight
    return weight * kept_share(learning_rate, recipe)


def kept_share(learning_rate: Any, recipe: Recipe) -> Any:
    """What AdamW's decay leaves of a weight: 1 without decay."""
    return 1 - learning_rate * recipe.weight_decay


def averaged(values: Values, changed: Values, recipe: Recipe) -> dict[str, Any]:
    """The moving averages of all weights, one step on; none without `ema_decay`."""
    prefix, decay = "average/", recipe.ema_decay
    if decay is None:
        return {}
    result = {}
    for key in (key for key in values if key.startswith(prefix)):
        weight = f"weights/{key.removeprefix(prefix)}"
        result[key] = values[key] + (changed.get(weight, values[weight]) - values[key]) * (1 - decay)
    return result


def counted(values: Values, loss: Any, step: Any) -> dict[str, Any]:
    """The loss accumulators after a step; the first loss that is not finite is kept with its step."""
    bad = ops.logical_and(values["bad_step"] < 0, ops.logical_not(ops.isfinite(loss)))
    return {
        "loss_sum": values["loss_sum"] + loss,
        "loss_count": values["loss_count"] + 1,
        "bad_step": ops.where(bad, step, values["bad_step"]),
        "bad_loss": ops.where(bad, loss, values["bad_loss"]),
    }


def rescaled(values: Values, finite: Any) -> dict[str, Any]:
    """The loss scale after a step: halved by an overflow, doubled after many steps without one."""
    steady = ops.where(finite, values["steady_updates"] + 1, 0)
    double = steady >= UPDATES_BEFORE_DOUBLING
    scale = values["loss_scale"] * ops.where(finite, ops.where(double, 2.0, 1.0), 0.5)
    return {"loss_scale": ops.maximum(scale, 1.0), "steady_updates": ops.where(double, 0, steady)}
