"""The primitives that a backend may replace by faster ones with the same results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from keras import ops

Function = TypeVar("Function", bound=Callable[..., Any])


class Kernels:
    """What every backend can run; the right choice where the whole step is compiled together.

    `narrow` is the type of matrix products, "float32", "bfloat16" or "float16"; results are float32.

    Attributes:
        name: Of the kernels, as a trial's record tells it.
    """

    name = "plain"
    _replacements: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType({})

    def product(self, left: Any, right: Any, narrow: str) -> Any:
        """Matrix product [rows, inner] x [inner, columns]; leading axes of a batch multiply one by one."""
        return ops.cast(ops.matmul(ops.cast(left, narrow), ops.cast(right, narrow)), "float32")

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of tensors, element by element or nearly so, that is best run as one loop."""
        return function

    def replace(self, function: Function, replacement: Function) -> None:
        """Run `replacement` wherever a layer asks these kernels for `function`, such as `netvlad.described`."""
        self._replacements = {**self._replacements, function: replacement}

    def chosen(self, function: Function) -> Function:
        """What to run for a layer's own `function`: itself, or what replaces it."""
        return cast(Function, self._replacements.get(function, function))


class ObservedKernels(Kernels):
    """Plain kernels that show what is multiplied."""

    def __init__(self, observe: Callable[[Any, Any], None]) -> None:
        super().__init__()
        self._observe = observe

    def product(self, left: Any, right: Any, narrow: str) -> Any:
        """See the base."""
        self._observe(left, right)
        return super().product(left, right, narrow)
