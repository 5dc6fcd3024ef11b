"""What cut lists prove of a blend's GAP: an interval that contains the value of the dense predictions for certain.

A class that a model does not list scores between 0 and the model's last listed score. GAP never falls when a correct
class rises or an incorrect one sinks, within a video's best k and in the pool alike. So the correct classes at their
lower and the incorrect ones at their upper bounds give a GAP that the dense one cannot be below, and the opposite gives
one that it cannot be above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.rows.build import kth_largest_of_rows
from gapsack.selection.rows.pooled import blended_precision_sum
from gapsack.selection.rows.rows import LOGIT_SHIFT, build_rows, logit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.pool.lists import Labels, Predictions

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certificate:
    """GAP of a blend of cut lists.

    Attributes:
        gap: taking classes that a model does not list as 0 (for a logit blend, as the last listed score).
        low: the dense GAP is at least this.
        high: the dense GAP is at most this.
        open_videos: ids of the videos with a class whose unknown score could change the order of correct and incorrect
            pairs. None when the interval has no width.
    """

    gap: float
    low: float
    high: float
    open_videos: tuple[str, ...]


@dataclass(frozen=True)
class _Entries:
    """Every class that can matter, by video: bounds and point value of its blended score."""

    indptr: NDArray[np.int64]
    correct: NDArray[np.bool_]
    low: Floats
    high: Floats
    point: Floats

    def gap(self, scores: Floats, k: int, label_count: int) -> float:
        if label_count == 0:
            return 0.0
        column, weight = np.zeros(1, np.int64), np.ones(1)
        unsorted = np.full(len(scores), np.inf)
        args = (scores[None, :], unsorted, self.correct, self.indptr, column, weight, len(self.indptr) - 1, k, False)
        return float(blended_precision_sum(*args)) / label_count


def certify(
    labels: Labels,
    members: Sequence[Predictions],
    weights: Sequence[float],
    *,
    blend: Blend = "probability",
    k: int = 20,
) -> Certificate:
    """Certify the GAP@k of a weighted blend.

    Args:
        labels: ground truth.
        members: lists aligned to the labels.
        weights: one a member, not negative, of sum one.
        blend: of probabilities or of logits.
        k: of GAP@k.
    """
    entries = _entries(labels, members, np.asarray(weights, np.float64), blend, k)
    count = labels.label_count
    low = entries.gap(np.where(entries.correct, entries.low, entries.high), k, count)
    high = entries.gap(np.where(entries.correct, entries.high, entries.low), k, count)
    open_rows = _open_rows(entries, k) if high > low else np.zeros(0, np.int64)
    ids = tuple(str(i) for i in labels.video_ids[open_rows])
    return Certificate(entries.gap(entries.point, k, count), low, high, ids)


def _entries(labels: Labels, members: Sequence[Predictions], weights: Floats, blend: Blend, k: int) -> _Entries:
    """Listed classes, then for each video its labels that nobody lists and k (or all) of the other unlisted classes."""
    rows = build_rows(labels, members, None)
    counts = np.diff(rows.indptr)
    tails = rows.tails.astype(np.float64)
    low, high = np.zeros(len(rows.classes)), np.zeros(len(rows.classes))
    floor, ceiling = np.zeros(len(counts)), np.zeros(len(counts))
    for weight, values, tail in zip(weights, rows.values, tails, strict=True):
        known = values.astype(np.float64)
        least, most = known, np.where(known > 0, known, np.repeat(tail, counts))
        bottom, top = np.zeros(len(counts)), tail
        if blend == "logit":
            least, most, bottom, top = (logit(part) + LOGIT_SHIFT for part in (least, most, bottom, top))
        low += weight * least
        high += weight * most
        floor += weight * bottom
        ceiling += weight * top
    point, unlisted_point = (high, ceiling) if blend == "logit" else (low, floor)
    video = np.repeat(np.arange(len(counts)), counts)
    missed = labels.counts - np.bincount(video, rows.correct, len(counts)).astype(np.int64)
    others = np.minimum(labels.class_count - counts - missed, k)
    extra = np.concatenate([np.repeat(np.arange(len(counts)), missed), np.repeat(np.arange(len(counts)), others)])
    owner = np.concatenate([video, extra])
    order = np.argsort(owner, kind="stable")
    correct = np.concatenate([rows.correct, np.ones(missed.sum(), bool), np.zeros(others.sum(), bool)])
    return _Entries(
        indptr=np.concatenate([[0], np.cumsum(counts + missed + others)]).astype(np.int64),
        correct=correct[order],
        low=np.concatenate([low, floor[extra]])[order],
        high=np.concatenate([high, ceiling[extra]])[order],
        point=np.concatenate([point, unlisted_point[extra]])[order],
    )


def _open_rows(entries: _Entries, k: int) -> NDArray[np.int64]:
    """Videos with an uncertain class whose range meets that of a class of the other kind, both fit for a best k."""
    counts = np.diff(entries.indptr)
    video = np.repeat(np.arange(len(counts)), counts)
    in_reach = entries.high >= kth_largest_of_rows(entries.low, entries.indptr, k)[video]
    is_open = np.zeros(len(counts), bool)
    for kind in (True, False):
        mine = in_reach & (entries.correct == kind) & (entries.high > entries.low)
        theirs = in_reach & (entries.correct != kind)
        starts, ends = np.sort(entries.low[theirs]), np.sort(entries.high[theirs])
        begun = np.searchsorted(starts, entries.high[mine], side="right")
        over = np.searchsorted(ends, entries.low[mine], side="left")
        is_open[video[mine][begun > over]] = True
    return np.flatnonzero(is_open)
