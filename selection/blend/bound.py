"""What no blend of some columns can score above: the one thing of a search that is proved.

A weighted mean lies between the least and the most that any member says, of each class of each item, and so does a
mean of logits. Most metrics never fall when a correct class rises or an incorrect one sinks. So the score of every
correct class at its most and every incorrect one at its least is a bound, for any subset and any weights. Log losses
are concave in the weights of probabilities besides: the tangent at any weights of all columns bounds them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.weights import mixture_weights
from gapsack.selection.metrics.objectives import Smooth
from gapsack.selection.rows.rows import LOGIT_CLIP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.rows.rows import Rows

SLACK = 1e-9  # relative; a mean may leave the range of its terms by rounding
MOST_COLUMNS = 40  # for which the tangent point is searched; any point would do, and a far one proves little


def upper_bound(rows: Rows, objective: Objective, columns: Sequence[int], blend: Blend) -> float | None:
    """A score that no blend of any of some columns exceeds on these items; None where none is known.

    None is known for a metric of the user's own, and for one in which the order of correct pairs counts.

    Args:
        rows: of probabilities.
        objective: the metric.
        columns: those that a blend may have.
        blend: of probabilities or of logits.
    """
    if not objective.rises(rows):
        return None
    bound = objective.score(_optimistic(rows, columns, blend), np.zeros(1, np.int64), np.ones(1))
    if isinstance(objective, Smooth) and blend == "probability" and len(columns) <= MOST_COLUMNS:
        tangent = _tangent(rows, objective, columns)
        bound = bound if tangent is None else min(bound, tangent)
    return bound


def _optimistic(rows: Rows, columns: Sequence[int], blend: Blend) -> Rows:
    """Rows of one column: the most that any column says of correct classes, the least of incorrect ones."""
    most = np.full(len(rows.classes), -np.inf)
    least = np.full(len(rows.classes), np.inf)
    counts = np.diff(rows.indptr)
    for column in columns:
        values = rows.values[column].astype(np.float64)
        if blend == "logit":  # there a class that is not listed counts as the last that is
            values = np.where(values == 0.0, np.repeat(rows.tails[column], counts), values)
            values = np.clip(values, LOGIT_CLIP, 1.0 - LOGIT_CLIP)
        np.maximum(most, values, out=most)
        np.minimum(least, values, out=least)
    values = np.where(rows.correct, most * (1.0 + SLACK), least * (1.0 - SLACK))
    unsorted = np.full(len(values), np.inf)
    return replace(rows, values=values[None, :], peaks=unsorted, tails=rows.tails[:1])


def _tangent(rows: Rows, objective: Smooth, columns: Sequence[int]) -> float | None:
    """The score at the best weights of all columns, and what its slope there leaves possible at most."""
    chosen = np.array(columns, np.int64)
    mixture = objective.mixture(rows, chosen)
    if mixture is None:
        return None
    mixture = mixture.of(np.arange(len(chosen)))
    weights = mixture_weights(mixture, np.full(len(chosen), 1.0 / len(chosen)))
    return objective.score(rows, chosen, weights) + mixture.rise(weights)
