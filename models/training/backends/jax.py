"""Training and prediction compiled by JAX: one XLA program a step, which reuses the buffers of what it replaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.backends import Differentiable, TrainingStep
from gapsack.models.training.recipe import Recipe
from gapsack.selection.errors import InputError


class JaxBackend:
    """See `Backend`. XLA sees the whole step and fuses it by itself, so no kernels but the plain ones run.

    Raises:
        InputError: The recipe asks for kernels of another backend.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.kernels == "cpu":
            raise InputError("expected kernels: auto or plain with the Keras backend jax, got cpu (TensorFlow's alone)")
        self.kernels = Kernels()

    def differentiate(
        self, objective: Differentiable, values: list[Any], *, as_products: bool
    ) -> tuple[tuple[Any, Any], list[Any]]:
        """See the protocol; all gradients are taken."""
        del as_products
        result: tuple[tuple[Any, Any], list[Any]] = jax.value_and_grad(objective, has_aux=True)(values)
        return result

    def sums_of_squares(self, tensors: Sequence[Any]) -> Any:
        """See the protocol."""
        return jax.numpy.stack([jax.numpy.sum(jax.numpy.square(tensor)) for tensor in tensors])

    def compile_step(self, step: TrainingStep, variables: dict[str, Any]) -> Callable[..., None]:
        """See the protocol."""

        def replace(values: dict[str, Any], *arguments: Any) -> dict[str, Any]:
            return {**values, **step(values, *arguments)}

        compiled = jax.jit(replace, donate_argnums=0)

        def run(*arguments: Any) -> None:
            values = compiled({name: variable.value for name, variable in variables.items()}, *arguments)
            for name, variable in variables.items():
                variable.assign(values[name])

        return run

    def compile_prediction(self, function: Callable[..., Any], variables: dict[str, Any]) -> Callable[..., Any]:
        """See the protocol."""
        compiled = jax.jit(function)
        return lambda *arrays: compiled({name: variable.value for name, variable in variables.items()}, *arrays)

    def flops(
        self, function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, tuple[tuple[int, ...], str]]
    ) -> int | None:
        """None: they are counted on TensorFlow alone."""
        del function, arrays
        return None

    def forget_graphs(self) -> None:
        """Nothing: JAX keeps no graph beyond the function that was compiled from it."""
