"""Global average precision (GAP@k), the metric of the YouTube-8M challenges.

Each item gives its k highest-scoring classes; the (score, correct) pairs of all items go into one pool, sorted by
score, descending. ``GAP = (1/P) * sum over the correct pairs of (correct pairs so far / rank)``, where P counts every
ground-truth label of every item, also those outside the top k (Lee et al., "The 2nd YouTube-8M Large-Scale Video
Understanding Challenge", 2018).

Tie rule: a tie earns nothing. Among equal scores the incorrect pair comes first, both where an item's list is cut at k
and in the pool. The value is therefore the lowest that any order of the tied pairs could give, it depends on neither
the order of the items nor that of the classes, and a blend cannot gain by making scores equal. On data without ties
it is the challenge's own figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import InputError

CHUNK_VIDEOS = 8192  # whose lists are looked at together; bounds memory

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from gapsack.selection.pool.lists import Labels


def gap_at_k(scores: ArrayLike, labels: ArrayLike, k: int = 20) -> float:
    """GAP@k of dense scores.

    Args:
        scores: [items, classes], any real numbers without NaN; only their order counts.
        labels: [items, classes], bool (or 0 and 1).
        k: classes that each item gives to the pool, at least 1.

    Returns:
        A value in [0, 1]; 0.0 when no item has a label.

    Raises:
        InputError: shapes that differ, NaN, or k below 1.
    """
    score_rows = np.asarray(scores)
    correct_rows = np.asarray(labels).astype(bool)
    if score_rows.ndim != 2 or score_rows.shape != correct_rows.shape:
        raise InputError(
            "scores and labels must both have the shape [items, classes]; "
            f"got {score_rows.shape} and {correct_rows.shape}."
        )
    if np.isnan(score_rows).any():
        raise InputError(f"scores must be numbers; got NaN in {int(np.isnan(score_rows).sum())} places.")
    pooled_scores, pooled_correct = pool_rows(score_rows, correct_rows, k)
    return average_precision(pooled_scores, pooled_correct, int(correct_rows.sum()))


def gap_of_lists(top_indices: NDArray[np.int32], top_scores: ArrayLike, labels: Labels, k: int = 20) -> float:
    """GAP@k of each item's best classes, without dense arrays.

    Args:
        top_indices: [items, k'] classes, different within a row; rows in the order of ``labels``.
        top_scores: [items, k'] their scores, at least 0, in any order; classes that are not listed count as lower.
        labels: ground truth.
        k: classes that each item gives to the pool.

    Returns:
        A value in [0, 1]. With k' of at least k it is the dense value, up to ties at the end of the lists.
    """
    given = np.asarray(top_scores)
    if given.shape != np.shape(top_indices) or given.shape[0] != labels.video_count:
        raise InputError(
            f"lists must have one row for each of the {labels.video_count} items and equal shapes; "
            f"got indices {np.shape(top_indices)} and scores {given.shape}."
        )
    pooled = [
        _pairs(top_indices[part], given[part], labels, np.arange(part.start, part.stop), k)
        for part in (
            slice(start, min(start + CHUNK_VIDEOS, len(given))) for start in range(0, len(given), CHUNK_VIDEOS)
        )
    ]
    scores, correct = (np.concatenate(parts) for parts in zip(*pooled, strict=True))
    return average_precision(scores, correct, labels.label_count)


def _pairs(
    classes: NDArray[np.int32], listed: NDArray[np.floating], labels: Labels, videos: NDArray[np.int64], k: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """The pairs that the lists of some items give to the pool."""
    scores = listed.astype(np.float64)
    correct = labels.correct(classes, videos[:, None])
    # A correct class of score zero ties with every class that is not listed; those incorrect ones come first, so it
    # is in no dense top k as long as there are k of them.
    enough_incorrect = labels.class_count - labels.counts[videos] >= k
    out = correct & (scores == 0) & enough_incorrect[:, None]
    scores[out] = -1.0
    pooled_scores, pooled_correct = pool_rows(scores, correct, k)
    inside = pooled_scores >= 0
    return pooled_scores[inside], pooled_correct[inside]


def pool_rows(
    scores: NDArray[np.floating], correct: NDArray[np.bool_], k: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """The (score, correct) pairs of each row's k best entries, incorrect ones first where the cut meets a tie.

    Args:
        scores: [items, entries].
        correct: [items, entries].
        k: entries that each row gives, at least 1.

    Returns:
        Two flat arrays of equal length, in no particular order.
    """
    if k < 1:
        raise InputError(f"k must be at least 1; got {k}.")
    entries = scores.shape[1]
    if entries <= k:
        return scores.ravel(), correct.ravel()
    threshold = np.partition(scores, entries - k, axis=1)[:, entries - k]
    above = scores > threshold[:, None]
    tied = scores == threshold[:, None]
    free_slots = k - above.sum(axis=1)
    tied_incorrect = np.minimum((tied & ~correct).sum(axis=1), free_slots)
    tied_correct = free_slots - tied_incorrect
    return (
        np.concatenate([scores[above], np.repeat(threshold, tied_incorrect), np.repeat(threshold, tied_correct)]),
        np.concatenate([correct[above], np.zeros(tied_incorrect.sum(), bool), np.ones(tied_correct.sum(), bool)]),
    )


def average_precision(scores: NDArray[np.floating], correct: NDArray[np.bool_], positives: int) -> float:
    """Mean over ``positives`` of the precision at each correct pair; 0.0 when there are none. Ties as in the module."""
    if positives == 0:
        return 0.0
    order = np.lexsort((correct, -scores))
    ranks = np.flatnonzero(correct[order]) + 1.0
    return float(np.sum(np.arange(1, len(ranks) + 1) / ranks) / positives)
