"""Metrics of dense scores beside GAP: hit@1, mean average precision, and two log losses.

All take scores [items, classes] and bool labels of the same shape, and all follow the tie rule of ``selection.gap``:
among equal scores the incorrect one comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LOG_LOSS_EPSILON = 1e-5  # added inside both logarithms, as in the training loss of the paper's public code
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)  # of a label in the categorical loss, as scikit-learn clips float32


def hit_at_one(scores: ArrayLike, labels: ArrayLike) -> float:
    """Share of the items, those without labels included, whose highest-scoring class is correct."""
    score_rows, correct = _checked(scores, labels)
    best_correct = np.where(correct, score_rows, -np.inf).max(axis=1)
    best_incorrect = np.where(correct, -np.inf, score_rows).max(axis=1)
    return float(np.mean(best_correct > best_incorrect))


def mean_average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Mean over the classes that have a label of the average precision over all items; 0.0 when no class has one."""
    score_rows, correct = _checked(scores, labels)
    precisions = []
    for klass in np.flatnonzero(correct.any(axis=0)):
        order = np.lexsort((correct[:, klass], -score_rows[:, klass]))
        ranks = np.flatnonzero(correct[order, klass]) + 1.0
        precisions.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return float(np.mean(precisions)) if precisions else 0.0


def binary_log_loss(scores: ArrayLike, labels: ArrayLike) -> float:
    """Cross entropy of independent classes, summed over classes, averaged over items (the paper's training loss).

    ``-(y log(p + 1e-5) + (1 - y) log(1 - p + 1e-5))`` for probabilities p; lower is better.
    """
    score_rows, correct = _checked(scores, labels)
    likelihood = np.where(correct, score_rows, 1.0 - score_rows) + LOG_LOSS_EPSILON
    return float(-np.log(likelihood).sum(axis=1).mean())


def categorical_log_loss(scores: ArrayLike, labels: ArrayLike) -> float:
    """Cross entropy of classes of which each item has exactly one; lower is better.

    ``-log p`` of the label, averaged over items. Each item's scores are divided by their sum first, as Keras does,
    and p is at least ``LEAST_PROBABILITY``.

    Raises:
        InputError: shapes that differ, NaN, or an item with another number of labels than one.
    """
    score_rows, correct = _checked(scores, labels)
    check_one_label(correct.sum(axis=1))
    sums = score_rows.sum(axis=1)
    share = np.where(correct, score_rows, 0.0).sum(axis=1) / np.where(sums > 0.0, sums, 1.0)
    return float(-np.log(np.clip(share, LEAST_PROBABILITY, 1.0)).mean())


def check_one_label(counts: NDArray[np.integer]) -> None:
    """Raise an InputError unless every item has exactly one label."""
    others = np.flatnonzero(counts != 1)
    if len(others):
        raise InputError(
            "categorical_log_loss needs exactly one label an item (binary_log_loss takes any number); "
            f"got {counts[others[0]]} in one and another number than one in {len(others)} of {len(counts)} items."
        )


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    score_rows = np.asarray(scores, np.float64)
    correct = np.asarray(labels).astype(bool)
    if score_rows.ndim != 2 or score_rows.shape != correct.shape or score_rows.size == 0:
        raise InputError(
            "scores and labels must both have the shape [items, classes], neither empty; "
            f"got {score_rows.shape} and {correct.shape}."
        )
    if np.isnan(score_rows).any():
        raise InputError(f"scores must be numbers; got NaN in {int(np.isnan(score_rows).sum())} places.")
    return score_rows, correct
