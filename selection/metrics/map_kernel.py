"""Compiled loop of mean average precision on class-sparse entries. Releases the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.compiled import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@jit()
def precision_sums_by_class(
    scores: NDArray[np.float64],
    correct: NDArray[np.bool_],
    bounds: NDArray[np.integer],
    positives: NDArray[np.integer],
    videos: int,
) -> NDArray[np.float64]:
    """[classes] sum over a class's correct items of (correct so far / rank).

    Args:
        scores: [entries] float64, grouped by class.
        correct: [entries] bool.
        bounds: [classes + 1] where each class's entries start.
        positives: [classes] items with this label, also those whose entry is not listed.
        videos: items in all; those without an entry have score 0.
    """
    sums = np.zeros(len(positives), np.float64)
    for klass in range(len(positives)):
        if positives[klass] == 0:
            continue
        start, end = bounds[klass], bounds[klass + 1]
        order = np.argsort(-scores[start:end], kind="mergesort")
        found, rank, first = 0, 0, 0
        while first < len(order) and scores[start + order[first]] > 0.0:
            score = scores[start + order[first]]
            last, right = first, 0
            while last < len(order) and scores[start + order[last]] == score:
                right += correct[start + order[last]]
                last += 1
            rank += last - first - right  # among equal scores the incorrect ones come first
            for _ in range(right):
                found += 1
                rank += 1
                sums[klass] += found / rank
            first = last
        for missed in range(positives[klass] - found, 0, -1):  # score 0 or unlisted: behind all others
            found += 1
            sums[klass] += found / (videos - missed + 1.0)
    return sums
