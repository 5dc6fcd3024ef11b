"""Numbers as cells of tables."""

from __future__ import annotations


def fixed(value: float | None, digits: int) -> str | None:
    """A number with so many digits after the point; None, an empty cell, where there is none."""
    return None if value is None else f"{value:.{digits}f}"
