"""The paper's filter: a model that is larger than another without scoring better is inferior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gapsack.selection.errors import PoolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gapsack.selection.pool import Candidate


def inferior(candidates: Iterable[Candidate], *, precision: str | None = None, score: str = "gap") -> dict[str, str]:
    """Which candidates are inferior, and to whom.

    A candidate is inferior when another one is smaller with the same or a better score, or has the same size and a
    better score. Of candidates with equal size and equal score the first by name stays and dominates the others.

    Args:
        candidates: models with ``size_bytes`` and the figure ``metrics[score]``, higher being better.
        precision: whose sizes are compared; None takes each candidate's smallest.
        score: key of ``Candidate.metrics``.

    Returns:
        {dropped name: the best-scoring candidate that dominates it}, in order of size. Dominating candidates are
        themselves never inferior.

    Raises:
        PoolError: a candidate without that precision or without that score.
    """
    ranked = sorted(candidates, key=lambda c: (_size_bytes(c, precision), -_score(c, score), c.name))
    dropped: dict[str, str] = {}
    best: Candidate | None = None
    for candidate in ranked:
        if best is not None and _score(candidate, score) <= _score(best, score):
            dropped[candidate.name] = best.name
        else:
            best = candidate
    return dropped


def _size_bytes(candidate: Candidate, precision: str | None) -> int:
    if precision is None:
        return min(candidate.size_bytes.values())
    if precision not in candidate.size_bytes:
        raise PoolError(
            f"candidate {candidate.name}: expected a size for {precision}; "
            f"got sizes for {', '.join(candidate.size_bytes)}."
        )
    return candidate.size_bytes[precision]


def _score(candidate: Candidate, key: str) -> float:
    value = candidate.metrics.get(key)
    if not isinstance(value, int | float) or math.isnan(value):
        raise PoolError(f"candidate {candidate.name}: expected a number as metrics[{key!r}]; got {value!r}.")
    return float(value)
