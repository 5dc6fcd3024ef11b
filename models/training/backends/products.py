"""A gradient of a large matrix as it comes out of backpropagation: a product that need not be taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class ProductGradient:
    """scale * (left^T @ upstream + penalty * weight), as its factors.

    Of `left @ weight` the gradient in the weight is left^T @ upstream, as large as the weight. An update can sum it
    tile by tile, and its norm comes from the small factors (`models.training.backends.cpu.products.squared_norms`).

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
