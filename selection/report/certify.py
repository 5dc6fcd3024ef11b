"""What cut lists prove of a blend's GAP: an interval that contains the value of the dense predictions for certain.

A class that a model does not list scores between 0 and the model's last listed score. GAP never falls when a correct
class rises or an incorrect one sinks, within an item's best k and in the pool alike. So the correct classes at their
lower and the incorrect ones at their upper bounds give a GAP that the dense one cannot be below, and the opposite gives
one that it cannot be above.

The graph blends in float32, where sums of the same numbers differ with their order: two scores that are closer than
that may come in either order, or tie. So every bound is moved by the most that float32 can round, and the interval
holds for the graph's figures on these predictions, whichever order it adds in. (A model alone is not rounded.) What
the models themselves predict on another machine is another matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from gapsack.selection.rows.pooled import pooled_pairs, precision_sum
from gapsack.selection.rows.row_kernels import kth_largest_of_rows
from gapsack.selection.rows.rows import LOGIT_CLIP, LOGIT_SHIFT, build_rows, logit
from gapsack.selection.rows.streamed import chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.pool.lists import Labels, Predictions
    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]
    Pairs = tuple[Floats, Floats]
    BlendOfLists = tuple[Labels, Sequence[Predictions], Sequence[float], Blend]

UNIT = float(np.finfo(np.float32).eps) / 2.0  # relative rounding of one operation
LOGARITHM_ERROR = 5e-6  # of a float32 logit up to 14: two logarithms that are each right to two last places, and -
CLIP_ERROR = 0.0134  # log(1e-6 / 1.0133e-6): see ``_rounded_logits``


@dataclass(frozen=True)
class Certificate:
    """GAP of a blend of cut lists.

    Attributes:
        gap: in float64, taking classes that a model does not list as 0 (for a logit blend, as the last listed score).
        low: the dense GAP is at least this, in float64 and in float32.
        high: the dense GAP is at most this.
        open_videos: ids of the items with a class whose unknown or rounded score could change the order of correct
            and incorrect pairs. None when the interval has no width.
    """

    gap: float
    low: float
    high: float
    open_videos: tuple[str, ...]


@dataclass(frozen=True)
class _Entries:
    """Every class that can matter, by item: bounds and point value of its blended score.

    ``unknown`` are those that some member does not list, so that more than rounding is between their bounds.
    """

    indptr: NDArray[np.int64]
    correct: NDArray[np.bool_]
    low: Floats
    high: Floats
    point: Floats
    unknown: NDArray[np.bool_]

    def pairs(self, scores: Floats, k: int) -> Pairs:
        """The correct and the incorrect scores that the items give to the pool."""
        column, weight = np.zeros(1, np.int64), np.ones(1)
        unsorted = np.full(len(scores), np.inf)
        args = (scores[None, :], unsorted, self.correct, self.indptr, column, weight, len(self.indptr) - 1, k, False)
        return pooled_pairs(*args)

    def in_reach(self, k: int) -> _Entries:
        """Those that can be among their item's best k."""
        counts = np.diff(self.indptr)
        video = np.repeat(np.arange(len(counts)), counts)
        kept = self.high >= kth_largest_of_rows(self.low, self.indptr, k)[video]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(video[kept], minlength=len(counts)))]).astype(np.int64)
        return _Entries(
            indptr, self.correct[kept], self.low[kept], self.high[kept], self.point[kept], self.unknown[kept]
        )


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
    return certify_parts([(labels, members, weights, blend)], k=k)


def certify_parts(parts: Sequence[BlendOfLists], *, k: int = 20) -> Certificate:
    """Certify the GAP@k of all items of some parts together, each part blended in its own way.

    The items go by in chunks: memory holds the pairs that they give to the pool, and what can be among their best k.

    Args:
        parts: of each its labels, members' lists aligned to them, weights, and what is blended.
        k: of GAP@k.
    """
    low, high, point = _Pool(), _Pool(), _Pool()
    reached: list[_Entries] = []
    for entries in (entries for part in parts for entries in _entries_of(part, k)):
        low.add(entries.pairs(np.where(entries.correct, entries.low, entries.high), k))
        high.add(entries.pairs(np.where(entries.correct, entries.high, entries.low), k))
        point.add(entries.pairs(entries.point, k))
        reached.append(entries.in_reach(k))
    count = sum(labels.label_count for labels, _, _, _ in parts)
    least, most = low.gap(count), high.gap(count)
    open_rows = _open_rows(_joined(reached)) if most > least else np.zeros(0, np.int64)
    video_ids = np.concatenate([labels.video_ids for labels, _, _, _ in parts])
    ids = tuple(str(i) for i in video_ids[open_rows])
    return Certificate(point.gap(count), least, most, ids)


class _Pool:
    """Pairs that chunks of items give to the pool."""

    def __init__(self) -> None:
        self._correct: list[Floats] = []
        self._incorrect: list[Floats] = []

    def add(self, pairs: Pairs) -> None:
        """Add those of a chunk."""
        correct, incorrect = pairs
        self._correct.append(correct.copy())  # which are parts of a larger array
        self._incorrect.append(incorrect.copy())

    def gap(self, label_count: int) -> float:
        """GAP of all."""
        if label_count == 0:
            return 0.0
        return float(precision_sum(np.concatenate(self._correct), np.concatenate(self._incorrect))) / label_count


def _entries_of(part: BlendOfLists, k: int) -> Iterator[_Entries]:
    """Entries of the items of a part, some items at a time."""
    labels, members, weights, blend = part
    most_labels = int(labels.counts.max(initial=0))
    for videos in chunks_of(np.arange(labels.video_count)):
        rows = build_rows(labels.take(videos), members, None, videos, most_labels=most_labels)
        yield _entries(labels.counts[videos], rows, np.asarray(weights, np.float64), blend, k)


def _entries(label_counts: NDArray[np.int64], rows: Rows, weights: Floats, blend: Blend, k: int) -> _Entries:
    """Listed classes, then for each item its labels that nobody lists and k (or all) of the other unlisted classes.

    ``label_counts`` [items] are the labels of the items of the rows, which hold all entries.
    """
    counts = np.diff(rows.indptr)
    tails = rows.tails.astype(np.float64)
    low, high = np.zeros(len(rows.classes)), np.zeros(len(rows.classes))
    floor, ceiling = np.zeros(len(counts)), np.zeros(len(counts))
    point, unlisted_point = np.zeros(len(rows.classes)), np.zeros(len(counts))
    for weight, values, tail in zip(weights, rows.values, tails, strict=True):
        known = values.astype(np.float64)
        least, most = known, np.where(known > 0, known, np.repeat(tail, counts))
        bottom, top = np.zeros(len(counts)), tail
        if blend == "logit":
            point += weight * (logit(most) + LOGIT_SHIFT)
            unlisted_point += weight * (logit(top) + LOGIT_SHIFT)
            least, most = _rounded_logits(least, most)
            bottom, top = _rounded_logits(bottom, top)
        low += weight * least
        high += weight * most
        floor += weight * bottom
        ceiling += weight * top
    if blend == "probability":
        point, unlisted_point = low, floor
    voting = int((weights > 0.0).sum())
    unknown = high - low > (3.0 * LOGARITHM_ERROR if blend == "logit" else 0.0)
    unlisted_unknown = ceiling - floor > (3.0 * LOGARITHM_ERROR if blend == "logit" else 0.0)
    low, high = _rounded(low, high, voting, blend)
    floor, ceiling = _rounded(floor, ceiling, voting, blend)
    video = np.repeat(np.arange(len(counts)), counts)
    missed = label_counts - np.bincount(video, rows.correct, len(counts)).astype(np.int64)
    others = np.minimum(rows.class_count - counts - missed, k)
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
        unknown=np.concatenate([unknown, unlisted_unknown[extra]])[order],
    )


def _rounded(low: Floats, high: Floats, members: int, blend: Blend) -> tuple[Floats, Floats]:
    """Bounds of a float32 blend from those of the exact one: probabilities (in rows a logit blend is of logits)."""
    if blend == "logit":
        sums = (members + 1) * UNIT * -np.log(LOGIT_CLIP)  # no logit is larger than that of the clip
        low, high = expit(low - LOGIT_SHIFT - sums), expit(high - LOGIT_SHIFT + sums)
        return low * (1.0 - 8.0 * UNIT), high * (1.0 + 8.0 * UNIT)
    if members == 1:
        return low, high  # one times a probability
    roundings = (members + 2) * UNIT  # a weight, a product, and a sum of as many as there are
    return low * (1.0 - roundings), high * (1.0 + roundings)


def _rounded_logits(least: Floats, most: Floats) -> tuple[Floats, Floats]:
    """Bounds of a member's float32 logits, plus ``LOGIT_SHIFT``, from those of its probabilities.

    Float32 has no number at the clip below 1: the graph's is further from 1 by a seventieth, and so are logits there.
    """
    at_clip = least > 1.0 - 1.02 * LOGIT_CLIP
    low = logit(least) + LOGIT_SHIFT - LOGARITHM_ERROR - CLIP_ERROR * at_clip
    return low, logit(most) + LOGIT_SHIFT + LOGARITHM_ERROR


def _joined(chunks: Sequence[_Entries]) -> _Entries:
    """The entries of all chunks, in the order of their items."""
    counts = np.concatenate([np.diff(chunk.indptr) for chunk in chunks])
    return _Entries(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        correct=np.concatenate([chunk.correct for chunk in chunks]),
        low=np.concatenate([chunk.low for chunk in chunks]),
        high=np.concatenate([chunk.high for chunk in chunks]),
        point=np.concatenate([chunk.point for chunk in chunks]),
        unknown=np.concatenate([chunk.unknown for chunk in chunks]),
    )


def _open_rows(entries: _Entries) -> NDArray[np.int64]:
    """Items with an uncertain class whose range meets that of a class of the other kind; all are fit for a best k."""
    counts = np.diff(entries.indptr)
    video = np.repeat(np.arange(len(counts)), counts)
    is_open = np.zeros(len(counts), bool)
    for kind in (True, False):
        mine, theirs = entries.correct == kind, entries.correct != kind
        # What is only rounded is open where it meets another such: against an unknown one, that one's item is.
        for uncertain, others in ((entries.unknown, theirs), (~entries.unknown, theirs & ~entries.unknown)):
            unsure = mine & uncertain & (entries.high > entries.low)
            starts, ends = np.sort(entries.low[others]), np.sort(entries.high[others])
            begun = np.searchsorted(starts, entries.high[unsure], side="right")
            over = np.searchsorted(ends, entries.low[unsure], side="left")
            is_open[video[unsure][begun > over]] = True
    return np.flatnonzero(is_open)
