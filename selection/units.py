"""Units of sizes. The challenge's "MB" is a MiB, and so is every MB here."""

from __future__ import annotations

import math

MIB = 2**20
"""Bytes of a MiB."""


def mib(size_bytes: float) -> float:
    """Bytes in MiB."""
    return size_bytes / MIB


def per_mib_text(score: float) -> str:
    """What a MiB is worth in score: two digits that matter, however small, without an exponent."""
    if score == 0.0:
        return "0"
    digits = max(1 - math.floor(math.log10(abs(score))), 0)
    return f"{score:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{score:.0f}"
