"""Training and prediction compiled by TensorFlow.

On CPUs XLA's matrix products are slower than TensorFlow's own, so the step is a plain graph there, and weights and
moments are updated in place by TensorFlow's fused Adam: one pass over memory instead of a dozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.layers.kernels import Kernels
from models.training.arithmetic import ADAM_EPSILON, BETA1, BETA2, averaged, decayed
from models.training.recipe import Recipe
from models.training.step import Objective, Step
from models.training.tensorflow_kernels import CpuKernels


def differentiate(objective: Objective, values: list[Any]) -> tuple[tuple[Any, Any], list[Any]]:
    """The objective at `values`, and the gradients of its loss."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        result = objective(values)
    return result, tape.gradient(result[0], values)


def sum_of_squares(tensor: Any) -> Any:
    """Sum of a tensor's squares, without storing them."""
    return 2 * tf.nn.l2_loss(tensor)


def kernels(recipe: Recipe) -> Kernels:
    """What runs the model's primitives."""
    return Kernels() if uses_xla(recipe) else CpuKernels()


def compile_step(step: Step, variables: dict[str, Any]) -> Callable[..., None]:
    """(frames, labels, learning rate, step number) -> None: the step, run on the variables."""
    xla = uses_xla(step.recipe)
    in_place = not xla and not step.scaled

    def run(frames: Any, labels: Any, learning_rate: Any, number: Any) -> None:
        values = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
        if not in_place:
            _assign(variables, step(values, frames, labels, learning_rate, number))
            return
        gradients, changed = step.gradients(values, frames, labels, number)
        del changed["finite"]
        for name, gradient in gradients.items():
            _adam_in_place(name, gradient, variables, learning_rate, step.recipe)
        _assign(variables, changed)
        variables["updates"].assign(values["updates"] + 1)
        now = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
        _assign(variables, averaged(values, now, step.recipe))

    compiled: Callable[..., None] = tf.function(run, jit_compile=xla)
    return compiled


def compile_prediction(function: Callable[..., Any], variables: dict[str, Any], recipe: Recipe) -> Callable[..., Any]:
    """(*arrays) -> `function` of the variables' values by name and the arrays."""

    def run(*arrays: Any) -> Any:
        return function({name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}, *arrays)

    compiled: Callable[..., Any] = tf.function(run, jit_compile=uses_xla(recipe))
    return compiled


def forget_graphs() -> None:
    """Let go of graphs that nobody will differentiate again.

    Every `tf.custom_gradient` that is traced puts its closure, and with it the graph and the variables in it, into a
    registry that TensorFlow reads while it builds gradients, never clears, and has no public name for: a worker would
    keep every model that it ever trained.
    """
    from tensorflow.python.framework import ops

    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]


def uses_xla(recipe: Recipe) -> bool:
    """Whether steps of this recipe are compiled by XLA here."""
    return bool(tf.config.list_logical_devices("GPU")) if recipe.xla is None else recipe.xla


def _assign(variables: dict[str, Any], changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        variables[name].value.assign(value)


def _adam_in_place(name: str, gradient: Any, variables: dict[str, Any], learning_rate: Any, recipe: Recipe) -> None:
    weight, m, v = (variables[f"{kind}/{name}"].value for kind in ("weights", "adam_m", "adam_v"))
    if recipe.weight_decay:
        weight.assign(decayed(weight, learning_rate, recipe))
    t = tf.cast(variables["updates"].value + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=m.handle,
        v=v.handle,
        beta1_power=BETA1**t,
        beta2_power=BETA2**t,
        lr=learning_rate,
        beta1=BETA1,
        beta2=BETA2,
        epsilon=ADAM_EPSILON,
        grad=gradient,
    )
