"""The two primitives that a backend may replace by faster ones with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops


class Kernels:
    """What every backend can run; the right choice where the whole step is compiled together."""

    def product(self, left: Any, right: Any) -> Any:
        """Matrix product [rows, inner] x [inner, columns], both of one float type."""
        return ops.matmul(left, right)

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of tensors, element by element or nearly so, that is best run as one loop."""
        return function
