"""Compiled loops of the bootstrap. All release the GIL."""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions take their arrays by position
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.compiled import jit
from gapsack.selection.rows.pooled import pooled_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Bools = NDArray[np.bool_]


@jit()
def pooled_with_videos(
    values: Floats, peaks: Floats, correct: Bools, indptr: Ints, columns: Ints, weights: Floats, k: int, skip_zero: bool
) -> tuple[NDArray[np.float64], Bools, NDArray[np.int32]]:
    """Like ``pooled_pairs`` over all items: (scores, correct, item) of each pooled pair, item by item."""
    videos = len(indptr) - 1
    scores = np.empty(videos * k, np.float64)
    right = np.empty(videos * k, np.bool_)
    owners = np.empty(videos * k, np.int32)
    size = 0
    for video in range(videos):
        found = pooled_pairs(values, peaks, correct, indptr[video : video + 2], columns, weights, 1, k, skip_zero)
        for kind in range(2):
            for score in found[kind]:
                scores[size], right[size], owners[size] = score, kind == 0, video
                size += 1
    return scores[:size], right[:size], owners[:size]


@jit()
def resampled_precision_sum(correct: Bools, owners: Ints, times: Ints) -> float:
    """Sum over the correct pairs of (correct so far / rank) when item v counts ``times[v]`` times.

    ``correct`` and ``owners`` are of the pool in its order. The copies of a pair follow one another.
    """
    found, rank, total = 0, 0, 0.0
    for i in range(len(correct)):
        copies = times[owners[i]]
        if correct[i]:
            for _ in range(copies):
                found += 1
                rank += 1
                total += found / rank
        else:
            rank += copies
    return total
