"""A gradient of a large matrix as it comes out of backpropagation: a product that need not be taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.recipe import Recipe


@dataclass(frozen=True)
class ProductGradient:
    """scale * (left^T @ upstream + penalty * weight), as its factors.

    Of `left @ weight` the gradient in the weight is left^T @ upstream, as large as the weight. An update can sum it
    tile by tile, and its norm comes from the small factors (`ProductKernels.sums_of_squares`).

    Attributes:
        left: [batch, rows], what the weight [rows, columns] was multiplied by.
        upstream: [batch, columns], the gradient of the product.
        upstream_gram: [batch, batch], upstream @ upstream^T.
        product: [batch, columns], left @ weight.
        weight_square: sum of the weight's squares.
        penalty: multiple of the weight that is added, as L2 regularisation does.
        scale: of the whole, after clipping.
    """

    left: Any
    upstream: Any
    upstream_gram: Any
    product: Any
    weight_square: Any
    penalty: float = 0.0
    scale: Any = 1.0

    def with_penalty(self, penalty: float) -> ProductGradient:
        """The same plus penalty * weight."""
        return replace(self, penalty=penalty)

    def scaled(self, factor: Any) -> ProductGradient:
        """The same times a number."""
        return replace(self, scale=self.scale * factor)


class ProductKernels(Kernels, ABC):
    """Kernels that leave gradients of large matrices as products; so they have to take norms and updates of them."""

    @abstractmethod
    def gradients_as_products(self, weights: Sequence[Any]) -> AbstractContextManager[Mapping[int, ProductGradient]]:
        """Inside, gradients of these weights may be left untaken: yields those by the weight's place in the list."""

    @abstractmethod
    def sums_of_squares(self, gradients: Sequence[ProductGradient]) -> Any:
        """Of each of n gradients before its scale, [n]."""

    @abstractmethod
    def update(
        self,
        products: Mapping[str, ProductGradient],
        taken: Mapping[str, Any],
        values: Mapping[str, Any],
        learning_rate: Any,
        recipe: Recipe,
    ) -> Any:
        """Adam's update of the variables whose `values` by slot name these are, all in their own memory.

        Args:
            products: Gradients by tensor name.
            taken: Gradients of the other tensors, as tensors.
            values: Slot values as they were read before the step.
            learning_rate: Of this step.
            recipe: What to compute.

        Returns:
            The operation that is done when everything is updated.
        """
