"""Hit@1 and mean average precision of each item's best classes, for data too large for dense scores.

The tie rule is that of ``selection.gap``: among equal scores the incorrect one comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels


def hit_at_one_of_lists(top_indices: NDArray[np.int32], top_scores: NDArray[np.floating], labels: Labels) -> float:
    """Share of the items, those without labels included, whose highest-scoring class is correct.

    Args:
        top_indices: [items, k] classes, different within a row; rows in the order of ``labels``.
        top_scores: [items, k] their scores.
        labels: ground truth.
    """
    correct = labels.correct(top_indices)
    best_correct = np.where(correct, top_scores, -np.inf).max(axis=1)
    best_incorrect = np.where(correct, -np.inf, top_scores).max(axis=1)
    return float(np.mean(best_correct > best_incorrect))


def mean_average_precision_of_lists(
    top_indices: NDArray[np.int32], top_scores: NDArray[np.floating], labels: Labels
) -> float:
    """Mean over the classes that have a label of each class's average precision among the listed pairs.

    A label that is not listed counts as never found, which is how the challenge's evaluation takes mean average
    precision over the 20 best classes of each item. With lists of all classes it is the dense figure.

    Args:
        top_indices: [items, k] classes, different within a row; rows in the order of ``labels``.
        top_scores: [items, k] their scores.
        labels: ground truth.

    Returns:
        A value in [0, 1]; 0.0 when no class has a label.
    """
    classes = top_indices.ravel()
    correct = labels.correct(top_indices).ravel()
    order = np.lexsort((correct, -np.asarray(top_scores).ravel(), classes))
    classes, correct = classes[order], correct[order]
    starts = np.searchsorted(classes, np.arange(labels.class_count + 1))
    found_before = np.concatenate([[0], np.cumsum(correct)])
    places = np.flatnonzero(correct)
    owners = classes[places]
    found = found_before[places + 1] - found_before[starts[owners]]
    ranks = places + 1 - starts[owners]
    sums = np.bincount(owners, weights=found / ranks, minlength=labels.class_count)
    positives = np.bincount(labels.indices, minlength=labels.class_count)
    present = positives > 0
    return float(np.mean(sums[present] / positives[present])) if present.any() else 0.0
