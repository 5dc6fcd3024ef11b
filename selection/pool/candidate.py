"""One model to choose from: its name, its size in each precision, and what it predicts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import PoolError

if TYPE_CHECKING:
    from gapsack.selection.pool.lists import Predictions

# A name becomes a file name and, in the graph, part of a variable's name.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


@dataclass(frozen=True)
class Candidate:
    """One model that may join the ensemble.

    Attributes:
        name: letters, digits and ``. _ + = -``; unique in a pool; not "labels".
        size_bytes: bytes of the model by precision ("float32", "float16", "int8", ...), at least one, all positive.
        predictions: the lists that serve every precision without its own.
        by_precision: lists of the precisions that change the predictions.
        metrics: free-form figures; numbers in it can serve as a second budget.
        hyperparameters: free-form.
        origin: free-form; where the model came from and how to find its weights.
    """

    name: str
    size_bytes: dict[str, int]
    predictions: Predictions
    by_precision: dict[str, Predictions] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME_PATTERN.fullmatch(self.name) or self.name == "labels":
            raise PoolError(
                "a candidate's name must start with a letter or digit, hold letters, digits and ._+=- only, "
                f"and not be 'labels'; got {self.name!r}."
            )
        if not isinstance(self.size_bytes, dict) or not self.size_bytes:
            raise PoolError(
                f"candidate {self.name}: size_bytes must name at least one precision; got {self.size_bytes!r}."
            )
        for precision, size in self.size_bytes.items():
            if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
                raise PoolError(
                    f"candidate {self.name}: the size of {precision} must be a positive whole number of bytes; "
                    f"got {size!r}."
                )
        unknown = sorted(set(self.by_precision) - set(self.size_bytes))
        if unknown:
            raise PoolError(
                f"candidate {self.name}: predictions of a precision need its size in size_bytes; "
                f"got none for {', '.join(unknown)}."
            )

    def predictions_at(self, precision: str) -> Predictions:
        """The lists that a precision of ``size_bytes`` predicts."""
        if precision not in self.size_bytes:
            raise PoolError(
                f"candidate {self.name} comes in the precisions {', '.join(self.size_bytes)}; got {precision!r}."
            )
        return self.by_precision.get(precision, self.predictions)
