"""A paired difference of two scores, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gapsack.selection.report.bootstrap import Sample


@dataclass(frozen=True)
class Difference:
    """One score less another on the same items, and its bootstrap standard error, on the same draws for both."""

    difference: float
    standard_error: float

    @classmethod
    def of(cls, one: Sample | None, other: Sample | None) -> Difference | None:
        """One sample less another; None where one is missing."""
        if one is None or other is None:
            return None
        paired = one.minus(other)
        return cls(paired.score, paired.standard_error)
