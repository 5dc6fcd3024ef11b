"""Sizes as tables show them."""

from __future__ import annotations

MIB = 2**20


def mib(size_bytes: float) -> float:
    """Bytes in MiB."""
    return size_bytes / MIB
