"""Exact GAP@20 of any blend of a pool's candidates, plain and fast: what every baseline is scored with.

Written apart from `selection`'s kernel on purpose: the baselines and the final figures of all methods, ours included,
come from here, so a slip in the product's kernel cannot flatter the product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.compiled import jit
from gapsack.selection.pool import CandidatePool

K = 20
_BUCKETS = (32 << 11) + 1


class BlendScorer:
    """Scores blends of a pool's candidates (their plain predictions) and counts how many it scored.

    Each video's row holds the union of all candidates' lists; a class that a candidate does not list scores zero
    there. Entries of a row stand in descending order of their highest score in any candidate: a blend's score cannot
    exceed that, so a row is read only until it falls below the twentieth best.
    """

    def __init__(self, pool: CandidatePool) -> None:
        self.videos = videos = len(pool.labels.video_ids)
        width = pool.labels.class_count
        lists = [(each.predictions.top_indices, each.predictions.top_scores) for each in pool.candidates]
        rows = np.arange(videos, dtype=np.int64)[:, None] * width
        listed = np.zeros(videos * width, np.bool_)
        for indices, _ in lists:
            listed[rows + indices] = True
        keys = np.flatnonzero(listed)
        place = np.cumsum(listed, dtype=np.int32) - 1
        scores = np.zeros((len(lists), len(keys)), np.float32)
        for row, (indices, values) in zip(scores, lists, strict=True):
            row[place[rows + indices]] = values
        upper = scores.max(axis=0)
        order = np.lexsort((-upper, keys // width))
        counts = np.diff(pool.labels.indptr)
        truth = np.repeat(rows[:, 0], counts) + pool.labels.indices
        self.names = [candidate.name for candidate in pool.candidates]
        self.evaluations = 0
        self._positives_of_first = pool.labels.indptr
        self._starts = np.searchsorted(keys, np.append(rows[:, 0], videos * width))
        self._upper = upper[order]
        self._scores = np.ascontiguousarray(scores[:, order])
        self._labels = np.isin(keys, truth)[order]

    def gap(self, weights: NDArray[np.float64]) -> float:
        """GAP@20 of the blend with these non-negative weights [candidates], scaled to sum to one."""
        self.evaluations += 1
        return self._gap(weights, self.videos)

    def glance(self, weights: NDArray[np.float64]) -> float:
        """The same on the first eighth of the videos; does not count as an evaluation."""
        return self._gap(weights, max(1, self.videos // 8))

    def _gap(self, weights: NDArray[np.float64], videos: int) -> float:
        members = np.flatnonzero(weights)
        shares = weights[members] / weights[members].sum()
        scores, hits = _top(self._starts[: videos + 1], self._upper, self._scores, self._labels, members, shares)
        return float(_gap_of_pairs(scores, hits)) / self._positives_of_first[videos]

    def single_gaps(self) -> NDArray[np.float64]:
        """GAP of each candidate alone."""
        return np.array([self.gap(row) for row in np.eye(len(self.names))])


def dense_gap(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """GAP@20 of dense scores [videos, classes]; 0.0 when no video has a label."""
    videos, width = scores.shape
    flat = np.ascontiguousarray(scores, np.float64).reshape(1, -1)
    starts = np.arange(videos + 1, dtype=np.int64) * width
    unordered = np.full(flat.shape[1], np.inf, np.float32)  # rows are read to their end
    truth = np.ascontiguousarray(labels).ravel()
    pairs = _top(starts, unordered, flat, truth, np.zeros(1, np.int64), np.ones(1))
    return float(_gap_of_pairs(*pairs)) / max(1, int(np.count_nonzero(truth)))


@jit()
def _top(  # noqa: PLR0917 - compiled functions take arrays one by one
    starts: NDArray[np.int64],
    upper: NDArray[np.float32],
    scores: NDArray[np.floating],
    labels: NDArray[np.bool_],
    members: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The best K blended entries of each row: their scores and whether they are true, rows one after another."""
    best = np.empty((len(starts) - 1) * K)
    true = np.empty(len(best), np.bool_)
    blended = np.empty(np.max(np.diff(starts)))
    filled = 0
    for row in range(len(starts) - 1):
        start, width = starts[row], starts[row + 1] - starts[row]
        blended[:width] = 0.0
        for member, share in zip(members, shares):  # noqa: B905 - not known to the compiler
            part = scores[member, start : start + width]
            for entry in range(width):
                blended[entry] += share * part[entry]
        kept = 0
        for entry in range(width):
            # The margin covers the rounding of shares that sum to one only nearly.
            if kept == K and upper[start + entry] * (1 + 1e-9) < best[filled + K - 1]:
                break
            score, correct = blended[entry], labels[start + entry]
            if kept == K and not _stands_before(score, correct, best[filled + K - 1], true[filled + K - 1]):
                continue
            at = filled + min(kept, K - 1)
            while at > filled and _stands_before(score, correct, best[at - 1], true[at - 1]):
                best[at] = best[at - 1]
                true[at] = true[at - 1]
                at -= 1
            best[at] = score
            true[at] = correct
            kept = min(kept + 1, K)
        filled += kept
    return best[:filled], true[:filled]


@jit()
def _stands_before(score: float, correct: bool, other_score: float, other_correct: bool) -> bool:
    """The tie rule of `selection.gap`: among equal scores the incorrect one first."""
    return score > other_score or (score == other_score and other_correct and not correct)


@jit()
def _bucket(score: float) -> int:
    """A number that does not fall when the score rises: exponent and first 11 bits of the fraction, 0 below 2^-31."""
    return max(0, (np.float32(score).view(np.int32) >> 12) - (96 << 11))


@jit()
def _gap_of_pairs(scores: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Sum over the true pairs of (true pairs so far / rank), ranks by descending score.

    Only the true pairs are sorted; of the others it suffices how many stand before each true one. A table over the
    score's leading bits narrows the binary search for that.
    """
    ranked = np.sort(scores[true])[::-1]
    count = len(ranked)
    from_bucket = np.zeros(_BUCKETS + 1, np.int64)  # from_bucket[b]: true pairs in bucket b or a higher one
    for score in ranked:
        from_bucket[_bucket(score)] += 1
    for bucket in range(_BUCKETS - 1, -1, -1):
        from_bucket[bucket] += from_bucket[bucket + 1]
    others = np.zeros(count + 1, np.int64)  # others[i]: false pairs that stand right before true pair i
    for score in scores[~true]:
        bucket = _bucket(score)
        low, high = from_bucket[bucket + 1], from_bucket[bucket]
        while low < high:
            middle = (low + high) // 2
            if ranked[middle] > score:
                low = middle + 1
            else:
                high = middle
        others[low] += 1
    total, rank = 0.0, 0
    for position in range(count):
        rank += 1 + others[position]
        total += (position + 1) / rank
    return total
