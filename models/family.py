"""What makes an architecture a family: its hyperparameters, its tensors, and how it is built."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

Value = int | float


@dataclass(frozen=True)
class Hyperparameter:
    """One number that a family is built from, with its range.

    Attributes:
        name: Keyword of `registry.build`.
        description: One line for people.
        minimum: Smallest valid value.
        below: Values must be smaller than this; None sets no limit.
        default: Value when none is given; None makes the hyperparameter required.
        integer: Whether only integers are valid.
    """

    name: str
    description: str
    minimum: Value = 1
    below: Value | None = None
    default: Value | None = None
    integer: bool = True

    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""
        if self._is_number(value) and self.minimum <= value and (self.below is None or value < self.below):
            return None
        limit = "" if self.below is None else f" and below {self.below}"
        wanted = "an integer" if self.integer else "a number"
        return f"{self.name} must be {wanted} of at least {self.minimum}{limit}, got {value!r}"

    def _is_number(self, value: Any) -> bool:
        kind = numbers.Integral if self.integer else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)


@dataclass(frozen=True)
class Family:
    """An architecture that grids can sweep.

    Attributes:
        name: Name in grid files and pools.
        hyperparameters: All of them; anything else is refused.
        tensors: Complete hyperparameters -> every stored tensor, in a fixed order. Must import no backend.
        network: (tensors, complete hyperparameters, seed) -> a `models.layers.base.Network`. Imports Keras inside.
    """

    name: str
    hyperparameters: tuple[Hyperparameter, ...]
    tensors: Callable[[Mapping[str, Any]], tuple[Tensor, ...]]
    network: Callable[[tuple[Tensor, ...], Mapping[str, Any], int], Any]

    def validate(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters with defaults filled in, in the family's order.

        Raises:
            InputError: Naming every unknown, missing and out-of-range hyperparameter at once.
        """
        known = {parameter.name: parameter for parameter in self.hyperparameters}
        problems = [
            f"{name!r} is not one of its hyperparameters ({', '.join(known)})"
            for name in hyperparameters
            if name not in known
        ]
        complete: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in hyperparameters and parameter.default is None:
                problems.append(f"{name} is missing ({parameter.description})")
                continue
            value: Any = hyperparameters.get(name, parameter.default)
            problem = parameter.problem(value)
            if problem:
                problems.append(problem)
                continue
            complete[name] = int(value) if parameter.integer else float(value)
        if problems:
            raise InputError(f"model family {self.name}: {'; '.join(problems)}")
        return complete
