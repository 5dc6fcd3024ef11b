"""Compiled loops: blend class-sparse rows, take each item's best k, rank the pool. All release the GIL.

Scores are positive numbers: probabilities, or logits moved by a constant (see ``selection.rows.rows``). They stay
float64 throughout, so their order is the one of the dense blend. Positive floats are ordered as their bits are, which
the loops use for buckets and for bisection.

A pool of pairs is scored without sorting it. Only the correct pairs are sorted (a seventh of a YouTube-8M pool), by
buckets; each incorrect pair then looks up how many correct ones beat it. That gives the rank of every correct pair,
and GAP needs nothing else. An item's best k are not sorted either: a bisection finds a value that exactly k entries
exceed, each step a branch-free count. (An insertion list of k takes about twice as long: its branches are a gamble.)

Ties follow ``selection.gap``: an incorrect pair comes before a correct one of the same score.
"""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions take their arrays by position
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.compiled import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Bools = NDArray[np.bool_]

BLOCK = 16  # entries blended at a time; a few vector registers
SPARE = 12  # entries beyond k from which on a row's best are narrowed down to k
# Buckets by exponent and leading mantissa bits, 2,048 to each factor of two, from 2^-26 to 2^6.
BUCKETS = 1 << 16
MANTISSA_SHIFT = 41
LOWEST_KEY = int(np.float64(2.0**-26).view(np.int64)) >> MANTISSA_SHIFT
SMALL_BUCKET = 24  # entries up to which insertion beats a library sort
ROUNDING = 1e-12  # relative; a weighted mean may exceed its largest term by this much
STRIDE = 1 << 53  # first step of the bisection, in bits: a factor of four
MAX_STEPS = 60  # of the bisection; only ties need more


@jit(inline="always")
def _bucket(score: np.floating | float) -> int:
    """Bucket of a score, not decreasing in it."""
    place = int(np.float64(score).view(np.int64) >> MANTISSA_SHIFT) - LOWEST_KEY
    return min(max(place, 0), BUCKETS - 1)


@jit()
def _sort_descending(values: Floats) -> None:
    """Sort in place."""
    if len(values) > SMALL_BUCKET:
        values[:] = np.sort(values)[::-1].copy()
        return
    for i in range(1, len(values)):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] < value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value


@jit()
def _sorted_by_bucket(scores: Floats) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """(scores in descending order, starts [BUCKETS + 1]); bucket b is ``ordered[starts[b + 1]:starts[b]]``."""
    starts = np.zeros(BUCKETS + 1, np.int32)
    for i in range(len(scores)):
        starts[_bucket(scores[i]) + 1] += 1
    for b in range(BUCKETS - 1, 0, -1):
        starts[b] += starts[b + 1]
    starts[0] = len(scores)
    # Each bucket is filled from its end, so that its end becomes its start: the start of the bucket below.
    ordered = np.empty(len(scores), np.float64)
    for i in range(len(scores)):
        b = _bucket(scores[i]) + 1
        starts[b] -= 1
        ordered[starts[b]] = scores[i]
    first = 0
    while first < len(scores):
        last = starts[_bucket(ordered[first])]
        if last - first > 1:
            _sort_descending(ordered[first:last])
        first = last
    return ordered, starts


@jit()
def precision_sum(correct_scores: Floats, incorrect_scores: Floats) -> float:
    """Sum over the correct pairs of (correct pairs so far / rank).

    Args:
        correct_scores: float64 scores of the pooled correct pairs, any order.
        incorrect_scores: float64 scores of the pooled incorrect pairs, any order.
    """
    found = len(correct_scores)
    if found == 0:
        return 0.0
    ordered, starts = _sorted_by_bucket(correct_scores)
    ahead = np.zeros(found + 1, np.int32)  # ahead[p]: incorrect pairs that exactly p correct ones beat
    lowest = ordered[found - 1]
    for i in range(len(incorrect_scores)):
        score = incorrect_scores[i]
        if score < lowest:
            continue
        b = _bucket(score)
        place, stop = starts[b + 1], starts[b]
        while stop - place > 8:
            middle = (place + stop) // 2
            if ordered[middle] > score:
                place = middle + 1
            else:
                stop = middle
        while place < stop and ordered[place] > score:
            place += 1
        ahead[place] += 1
    total = 0.0
    incorrect = 0
    for place in range(found):
        incorrect += ahead[place]
        total += (place + 1.0) / (place + 1.0 + incorrect)
    return total


@jit()
def _count_above(scores: Floats, size: int, bound: np.floating | float) -> int:
    count = 0
    for i in range(size):
        count += scores[i] > bound
    return count


@jit()
def _separator(scores: Floats, size: int, k: int, guess: float) -> float:
    """A value that exactly k < size of the scores exceed, or -1.0 when ties leave none.

    ``guess`` (0 or more) is where the search starts: a neighbouring item's separator is near.
    """
    low, high = np.int64(-1), np.int64(-1)  # bits: more than k scores exceed low, fewer than k exceed high
    at = np.float64(guess).view(np.int64)
    stride = STRIDE
    for _ in range(MAX_STEPS):
        bound = np.int64(at).view(np.float64)
        count = _count_above(scores, size, bound)
        if count == k:
            return bound
        if count > k:
            low = at
        else:
            high = at
        if high < 0:
            at += stride
            stride *= 2
        elif low < 0:
            if at == 0:
                return -1.0
            at = max(at - stride, np.int64(0))
            stride *= 2
        elif high - low <= 1:
            return -1.0
        else:
            at = (low + high) // 2
    return -1.0


@jit()
def _narrow_ties(scores: Floats, right: Bools, size: int, k: int) -> float:
    """``_narrow`` where a tie meets the cut: of the tied entries, the correct ones go first."""
    cut: float = np.sort(scores[:size])[size - k]
    room = k - _count_above(scores, size, cut)
    for i in range(size):
        if scores[i] == cut and not right[i]:
            room -= 1
    place = 0
    spare = max(-room, 0)  # tied incorrect entries without room
    for i in range(size):
        if scores[i] < cut:
            continue
        if scores[i] == cut:
            if right[i]:
                if room <= 0:
                    continue
                room -= 1
            elif spare > 0:
                spare -= 1
                continue
        scores[place] = scores[i]
        right[place] = right[i]
        place += 1
    return cut


@jit()
def _narrow(scores: Floats, right: Bools, size: int, k: int, guess: float) -> float:
    """Move the best k of the first ``size`` > k entries to the front; returns a value that no other one exceeds."""
    bound = _separator(scores, size, k, guess)
    if bound < 0.0:
        return _narrow_ties(scores, right, size, k)
    place = 0
    for i in range(size):
        score = scores[i]
        scores[place] = score
        right[place] = right[i]
        place += score > bound
    return bound


@jit()
def pooled_pairs(
    values: Floats,
    peaks: Floats,
    correct: Bools,
    indptr: Ints,
    columns: Ints,
    weights: Floats,
    videos: int,
    k: int,
    skip_zero: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Blend each item's row and keep its best k entries.

    Args:
        values: [columns, entries] scores of each model.
        peaks: [entries] the largest score of an entry by any model; descending within a row.
        correct: [entries] bool.
        indptr: [items + 1] row bounds.
        columns: [members] rows of ``values`` to blend, at least one.
        weights: [members] float64, not negative, at most 1 in sum.
        videos: how many rows, from the first, to use.
        k: entries that each item gives to the pool.
        skip_zero: leave out correct entries of blended score 0: they tie with more than k unlisted incorrect classes.

    Returns:
        (correct scores, incorrect scores), each float64 [pairs], in no particular order.
    """
    room = int(min(indptr[videos], videos * k))
    pairs = np.empty(room, np.float64)  # correct scores from the front, incorrect ones from the back
    found, others = 0, room
    best = np.empty(k + SPARE + BLOCK, np.float64)
    right = np.empty(k + SPARE + BLOCK, np.bool_)
    guess = 0.01
    block = np.empty(BLOCK, np.float64)
    for video in range(videos):
        size = 0
        threshold = -np.inf
        start, end = indptr[video], indptr[video + 1]
        while start < end:
            peak = peaks[start]
            if peak + abs(peak) * ROUNDING < threshold:
                break  # peaks descend: nothing further on can enter
            width = min(BLOCK, end - start)
            for j in range(width):
                block[j] = weights[0] * values[columns[0], start + j]
            for m in range(1, len(columns)):
                weight, column = weights[m], columns[m]
                for j in range(width):
                    block[j] += weight * values[column, start + j]
            for j in range(width):
                best[size] = block[j]
                right[size] = correct[start + j]
                size += block[j] >= threshold
            start += width
            if size >= k + SPARE:
                threshold = _narrow(best, right, size, k, guess)
                size = k
        if size > k:
            threshold = _narrow(best, right, size, k, guess)
            size = k
        guess = max(threshold, 0.0)
        for j in range(size):
            if not right[j]:
                others -= 1
                pairs[others] = best[j]
            elif not (skip_zero and best[j] == 0.0):
                pairs[found] = best[j]
                found += 1
    return pairs[:found], pairs[others:]


@jit()
def blended_precision_sum(
    values: Floats,
    peaks: Floats,
    correct: Bools,
    indptr: Ints,
    columns: Ints,
    weights: Floats,
    videos: int,
    k: int,
    skip_zero: bool,
) -> float:
    """``precision_sum`` of ``pooled_pairs``."""
    right, wrong = pooled_pairs(values, peaks, correct, indptr, columns, weights, videos, k, skip_zero)
    return precision_sum(right, wrong)
