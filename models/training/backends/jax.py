"""Training and prediction compiled by JAX: one XLA program a step, which reuses the buffers of what it replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.recipe import Recipe
from gapsack.models.training.step import Objective, Step


def differentiate(
    objective: Objective, values: list[Any], kernels: Kernels | None
) -> tuple[tuple[Any, Any], list[Any]]:
    """The objective at `values`, and the gradients of its loss, all of them taken."""
    del kernels
    result: tuple[tuple[Any, Any], list[Any]] = jax.value_and_grad(objective, has_aux=True)(values)
    return result


def sums_of_squares(tensors: Sequence[Any]) -> Any:
    """Of each of n tensors, [n]."""
    return jax.numpy.stack([jax.numpy.sum(jax.numpy.square(tensor)) for tensor in tensors])


def kernels(recipe: Recipe) -> Kernels:
    """What runs the model's primitives: XLA sees the whole step and fuses it by itself."""
    del recipe
    return Kernels()


def compile_step(step: Step, variables: dict[str, Any]) -> Callable[..., None]:
    """(inputs, labels, learning rate, step number) -> None: the step, run on the variables."""

    def replace(values: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        return {**values, **step(values, *arguments)}

    compiled = jax.jit(replace, donate_argnums=0)

    def run(*arguments: Any) -> None:
        values = compiled({name: variable.value for name, variable in variables.items()}, *arguments)
        for name, variable in variables.items():
            variable.assign(values[name])

    return run


def compile_prediction(function: Callable[..., Any], variables: dict[str, Any], recipe: Recipe) -> Callable[..., Any]:
    """(*arrays) -> `function` of the variables' values by name and the arrays."""
    del recipe  # JAX compiles everything with XLA
    compiled = jax.jit(function)
    return lambda *arrays: compiled({name: variable.value for name, variable in variables.items()}, *arrays)


def forget_graphs() -> None:
    """Nothing: JAX keeps no graph beyond the function that was compiled from it."""
