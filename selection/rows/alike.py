"""Candidates whose lists are cut at different lengths, made comparable.

A class that is not listed counts as 0, so a blend of short lists has fewer incorrect classes to lose against than one
of long lists: its GAP is higher for what it does not say. Cut at one length, all are wrong in the same way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gapsack.selection.pool import CandidatePool, Predictions

if TYPE_CHECKING:
    from gapsack.selection.pool import Candidate

NAMED = 3  # candidates that a sentence names


def alike(pool: CandidatePool) -> tuple[CandidatePool, tuple[str, ...]]:
    """A pool whose lists are all as long as its shortest, and a sentence if that changed it."""
    lengths = {candidate.name: min(lists.k for lists in _lists(candidate)) for candidate in pool.candidates}
    longest = max(lists.k for candidate in pool.candidates for lists in _lists(candidate))
    k = min(lengths.values())
    if longest == k:
        return pool, ()
    short = [name for name, length in lengths.items() if length == k]
    named = ", ".join(short[:NAMED]) + (f" and {len(short) - NAMED} more" if len(short) > NAMED else "")
    note = (
        f"Lists are cut at different lengths ({k} to {longest} classes an item). To be comparable all were cut at {k}, "
        f"the length of {named}; longer lists of those (--top-k) give more certain figures."
    )
    return CandidatePool(pool.labels, [_cut(candidate, k) for candidate in pool.candidates]), (note,)


def _lists(candidate: Candidate) -> list[Predictions]:
    return [candidate.predictions, *candidate.by_precision.values()]


def _cut(candidate: Candidate, k: int) -> Candidate:
    return replace(
        candidate,
        predictions=candidate.predictions.shortened(k),
        by_precision={name: lists.shortened(k) for name, lists in candidate.by_precision.items()},
    )
