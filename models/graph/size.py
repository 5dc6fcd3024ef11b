"""Bytes that the graph takes beside the weights, bounded before anything is built.

The bounds are measured ones with room to spare; a test builds every family at every precision and holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.models import precisions, registry
from gapsack.models.graph.members import AnyMember, Member

FIXED_BYTES = 12 * 1024
"""Inputs, parsing, blend, the top classes, and what every SavedModel says of itself."""

MEMBER_BYTES = 26 * 1024
"""Operations of a member and its float32 variables, in the graph and in the checkpoint's index."""

EXTRA_FILES_BYTES = 8 * 1024
"""Left for `extra_files`, such as the ensemble's own description."""


def fixed_reserve_bytes() -> int:
    """Upper bound of what a graph takes on disk beside its members, whatever they are."""
    return FIXED_BYTES + EXTRA_FILES_BYTES


def member_reserve_bytes(family: str, hyperparameters: Mapping[str, Any], precision: str) -> int:
    """Upper bound of what a model of a family takes in a graph beside its weights."""
    chosen = registry.family(family)
    complete = chosen.validate(hyperparameters)
    tensors = chosen.tensors(complete)
    operations = MEMBER_BYTES if chosen.graph_bytes is None else chosen.graph_bytes(complete)
    return operations + precisions.precision(precision, tensors).graph_bytes(tensors)


def reserve_bytes(members: Sequence[AnyMember]) -> int:
    """Upper bound of what a graph of these members takes on disk beside their weights.

    Of a SavedModel the operations are weights in this sense: its size counts its own structure.
    """
    return fixed_reserve_bytes() + sum(
        member_reserve_bytes(member.family, member.hyperparameters, member.precision)
        if isinstance(member, Member)
        else MEMBER_BYTES
        for member in members
    )
