"""How much items and classes count in a metric.

An item's pairs count with its weight, as scikit-learn's ``sample_weight`` has it; what classes are averaged over, they
are averaged with theirs. Weights say how much something counts beside others: twice as much for all changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]


def unequal(weights: Floats | None) -> Floats | None:
    """The weights, or None where all are the same, so that equal weights give the figures of none to the bit."""
    return None if weights is None or weights.size == 0 or bool((weights == weights[0]).all()) else weights


def is_weighted(rows: Rows | Labels) -> bool:
    """Whether items or classes count differently."""
    return not (unequal(rows.item_weights) is None and unequal(rows.class_weights) is None)


def video_weights(rows: Rows) -> Floats:
    """[items] weight of each item; ones where they count the same."""
    weights = unequal(rows.item_weights)
    return np.ones(rows.video_count) if weights is None else weights


def class_weights(rows: Rows) -> Floats:
    """[classes] weight of each class; ones where they count the same."""
    weights = unequal(rows.class_weights)
    return np.ones(rows.class_count) if weights is None else weights


def pair_weights(rows: Rows) -> Floats | None:
    """[entries] weight of each entry, its item's times its class's; None where all are the same."""
    items, classes = unequal(rows.item_weights), unequal(rows.class_weights)
    if items is None and classes is None:
        return None
    weights = np.repeat(video_weights(rows), np.diff(rows.indptr))
    return weights if classes is None else weights * classes[rows.classes]


def label_weights(rows: Rows) -> Floats:
    """[labels] weight of each pair of an item and its label, in the order of ``rows.truth.indices``."""
    items = np.repeat(video_weights(rows), np.diff(rows.truth.indptr))
    return np.asarray(items * class_weights(rows)[rows.truth.indices])


def mean_over_classes(values: Floats, weights: Floats) -> float:
    """The mean of some classes' figures, each class counting with its weight; all counting the same, ``numpy.mean``."""
    return float(np.mean(values)) if unequal(weights) is None else float(np.average(values, weights=weights))


def sums_by(places: NDArray[np.integer], weights: NDArray[np.number], count: int) -> Floats:
    """[count] summed weights of each place."""
    return np.asarray(np.bincount(places, weights, count), np.float64)
