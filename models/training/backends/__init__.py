"""What training needs of TensorFlow or JAX, as a protocol; the Keras backend decides which one runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.recipe import Recipe

Differentiable = Callable[[list[Any]], tuple[Any, Any]]
"""Trainable values -> (loss, auxiliary values)."""


class TrainingStep(Protocol):
    """A training step as a pure function of named values; `training.step.Step` is one.

    Attributes:
        recipe: What the step computes.
        scaled: Whether the loss is scaled, so that an overflow may cancel the step.
    """

    recipe: Recipe
    scaled: bool

    def __call__(
        self, values: Mapping[str, Any], inputs: Mapping[str, Any], labels: Any, learning_rate: Any, step: Any
    ) -> dict[str, Any]:
        """Every value that the step changes, weights and moments included."""

    def gradients(
        self, values: Mapping[str, Any], inputs: Mapping[str, Any], labels: Any, step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Gradients ready for Adam by tensor name, and what else changes; "finite" says whether to use them."""


class Backend(Protocol):
    """TensorFlow or JAX, set up for one recipe."""

    @property
    def kernels(self) -> Kernels:
        """What runs the primitives of the model's layers."""

    def differentiate(
        self, objective: Differentiable, values: list[Any], *, as_products: bool
    ) -> tuple[tuple[Any, Any], list[Any]]:
        """What the objective returned at `values`, and the gradients of its loss.

        With `as_products`, those of large matrices come as `ProductGradient`s where the kernels make them.
        """

    def sums_of_squares(self, tensors: Sequence[Any]) -> Any:
        """Of each of n tensors, [n]; of a `ProductGradient` before its scale."""

    def compile_step(self, step: TrainingStep, variables: dict[str, Any]) -> Callable[..., None]:
        """(inputs, labels, learning rate, step number) -> None: the step, run on the Keras variables by slot name."""

    def compile_prediction(self, function: Callable[..., Any], variables: dict[str, Any]) -> Callable[..., Any]:
        """(*arrays) -> `function` of the variables' values by name and the arrays."""

    def flops(
        self, function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, tuple[tuple[int, ...], str]]
    ) -> int | None:
        """FLOPs of a function of arrays by name, of which shapes and types are given; None where they are not known."""

    def forget_graphs(self) -> None:
        """Let go of what the library itself keeps of graphs that nobody will use again."""
