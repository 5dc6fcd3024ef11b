"""Bytes that the graph takes beside the weights, bounded before anything is built.

The bounds are measured ones with room to spare; a test builds every family at every precision and holds them to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.models import precisions

FIXED_BYTES = 12 * 1024
"""Inputs, parsing, blend, the top classes, and what every SavedModel says of itself."""

MEMBER_BYTES = 26 * 1024
"""Operations of a member and its float32 variables, in the graph and in the checkpoint's index."""

EXTRA_FILES_BYTES = 8 * 1024
"""Left for `extra_files`, such as the ensemble's own description."""

LARGE_TENSORS, OTHER_MATRICES = 4, 6
"""Tensors of a member that a precision may store in its own way."""


def reserve_bytes(members: int | Sequence[str]) -> int:
    """Upper bound of what a graph takes on disk beside its weights.

    `members` lists the precision of each member; a number of members stands for so many of the worst precision.
    """
    if isinstance(members, int):
        worst = max(_member_bytes(name) for name in (*precisions.names(), "pruned50_int8"))
        return FIXED_BYTES + EXTRA_FILES_BYTES + members * worst
    return FIXED_BYTES + EXTRA_FILES_BYTES + sum(_member_bytes(name) for name in members)


def _member_bytes(name: str) -> int:
    return MEMBER_BYTES + precisions.precision(name).graph_bytes(LARGE_TENSORS, OTHER_MATRICES)
