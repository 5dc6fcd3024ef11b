"""Bytes that the graph takes beside the weights, bounded before anything is built."""

from __future__ import annotations

FIXED_BYTES = 48 * 1024
MEMBER_BYTES = 56 * 1024


def reserve_bytes(member_count: int) -> int:
    """Upper bound of what a graph of `member_count` members takes on disk beside the weights."""
    return FIXED_BYTES + member_count * MEMBER_BYTES
