"""Units of sizes. The challenge's "MB" is a MiB, and so is every MB here."""

from __future__ import annotations

MIB = 2**20
"""Bytes of a MiB."""


def mib(size_bytes: float) -> float:
    """Bytes in MiB."""
    return size_bytes / MIB
