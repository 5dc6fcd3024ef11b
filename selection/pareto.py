"""The paper's filter: a model that is larger than another without scoring better is inferior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import PoolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    pool = list(candidates)
    return dominated(
        {each.name: size_at(each.name, each.size_bytes, precision) for each in pool},
        {each.name: score_in(each.name, each.metrics, score) for each in pool},
    )


def dominated(sizes: Mapping[str, int], scores: Mapping[str, float]) -> dict[str, str]:
    """``inferior`` of models by name, each with its size in bytes and its score."""
    dropped: dict[str, str] = {}
    best: str | None = None
    for name in sorted(scores, key=lambda name: (sizes[name], -scores[name], name)):
        if best is not None and scores[name] <= scores[best]:
            dropped[name] = best
        else:
            best = name
    return dropped


def size_at(name: str, sizes: Mapping[str, int], precision: str | None) -> int:
    """A model's bytes in a precision; None takes its smallest. Raises a PoolError when it has no such precision."""
    if precision is None:
        return min(sizes.values())
    if precision not in sizes:
        raise PoolError(f"candidate {name}: expected a size for {precision}; got sizes for {', '.join(sizes)}.")
    return sizes[precision]


def score_in(name: str, metrics: Mapping[str, Any], key: str) -> float:
    """A model's figure. Raises a PoolError when it is no number."""
    value = metrics.get(key)
    if not isinstance(value, int | float) or math.isnan(value):
        raise PoolError(f"candidate {name}: expected a number as metrics[{key!r}]; got {value!r}.")
    return float(value)
