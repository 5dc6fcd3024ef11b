"""Candidate lists as class-sparse rows: for each item the union of the classes that any model lists.

A column is one set of predictions: a candidate, or one of its precisions that predicts otherwise. A class that a
column does not list has the value 0 there, which is the submission's own convention; ``tails`` bounds what it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from gapsack.selection.rows.row_kernels import compact_rows, near_rows, union_counts, union_fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels, Predictions

CHUNK_LISTS = 1 << 14  # lists that are stacked at a time; bounds the memory of the union
LOGIT_CLIP = 1e-6  # probabilities are clipped to [1e-6, 1 - 1e-6] before a logit is taken, as in models.graph
LARGEST_K = 100  # of GAP@k on rows that were built for any metric
LOGIT_SHIFT = 17.0  # added to logits in rows, so that they are positive, as the compiled loops want them


@dataclass(frozen=True)
class Rows:
    """Class-sparse rows of n items and c columns.

    Attributes:
        indptr: [n + 1] int64 row bounds.
        classes: [entries] int32.
        correct: [entries] bool.
        peaks: [entries] largest value of any column, descending within a row.
        values: [c, entries] float32 probabilities, 0 where the column does not list the class; float64 logits plus
            17 where ``logits`` is set.
        tails: [c, n] float32 upper bound of a class that the column does not list; 0 where it lists all classes.
        truth: [n, classes] bool, all labels, also those that no column lists.
        skip_zero: a correct entry of score 0 is in no top k, because k or more incorrect classes tie with it.
        logits: whether ``values`` are logits.
        item_weights: [n], or None where all items count the same; see ``selection.metrics.weighting``.
        class_weights: [classes], or None where all classes count the same.
    """

    indptr: NDArray[np.int64]
    classes: NDArray[np.int32]
    correct: NDArray[np.bool_]
    peaks: NDArray[np.floating]
    values: NDArray[np.floating]
    tails: NDArray[np.float32]
    truth: csr_array
    skip_zero: bool
    logits: bool = False
    item_weights: NDArray[np.float64] | None = None
    class_weights: NDArray[np.float64] | None = None

    @property
    def video_count(self) -> int:
        """Items."""
        return len(self.indptr) - 1

    @property
    def column_count(self) -> int:
        """Sets of predictions."""
        return len(self.values)

    @property
    def class_count(self) -> int:
        """Classes of the vocabulary."""
        return int(self.truth.shape[1])

    @property
    def label_count(self) -> int:
        """Labels of all items: the P of GAP."""
        return int(self.truth.nnz)

    @cached_property
    def labels_by_class(self) -> NDArray[np.int64]:
        """[classes] items with this label."""
        return np.bincount(self.truth.indices, minlength=self.class_count).astype(np.int64)

    @cached_property
    def by_class(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order of the entries by class, and [classes + 1] where each class starts in it."""
        order = np.argsort(self.classes, kind="stable")
        bounds = np.searchsorted(self.classes[order], np.arange(self.class_count + 1))
        return order, bounds.astype(np.int64)

    def blend(self, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """[entries] float64 blended probabilities of some columns."""
        total = np.zeros(len(self.classes))
        for column, weight in zip(columns, weights, strict=True):
            total += weight * self.values[column].astype(np.float64)
        return np.asarray(expit(total - LOGIT_SHIFT)) if self.logits else total

    def take(self, videos: NDArray[np.integer]) -> Rows:
        """Some items in the order given; one may come several times."""
        counts = np.diff(self.indptr)[videos]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.indptr[:-1][videos] - indptr[:-1], counts) + np.arange(indptr[-1])
        truth = self.truth[videos]
        return replace(
            self,
            indptr=indptr,
            classes=self.classes[entries],
            correct=self.correct[entries],
            peaks=self.peaks[entries],
            values=np.ascontiguousarray(self.values[:, entries]),
            tails=self.tails[:, videos],
            truth=truth,
            item_weights=None if self.item_weights is None else self.item_weights[videos],
        )

    def only(self, columns: NDArray[np.int64], *, logits: bool = False) -> Rows:
        """All entries of a few columns; column i of the result is ``columns[i]``. ``logits`` as in ``compact``."""
        tails = np.ascontiguousarray(self.tails[columns])
        values = np.ascontiguousarray(self.values[columns])
        if logits:
            values = _shifted_logits(values, tails, self.indptr)
        return replace(self, values=values, tails=tails, logits=logits)

    def compact(self, columns: NDArray[np.int64], k: int, *, logits: bool = False) -> Rows:
        """The rows of a few columns, without the entries that no blend of them puts into an item's best k.

        An entry is left out when k others are higher in every column than it is in its best one; a weighted mean of
        logits is bounded in the same way, so this loses nothing for either blend.

        Args:
            columns: which columns; column i of the result is ``columns[i]``.
            k: entries that an item gives to the pool.
            logits: take the logit of every probability, that of ``tails`` for a class that is not listed.
        """
        tails = np.ascontiguousarray(self.tails[columns])
        indptr, kept, peaks = compact_rows(self.values, columns, self.indptr, k, tails)
        values = np.ascontiguousarray(self.values[columns[:, None], kept[None, :]])
        if logits:
            values, peaks = _shifted_logits(values, tails, indptr), logit(peaks) + LOGIT_SHIFT
        return replace(
            self,
            indptr=indptr,
            classes=self.classes[kept],
            correct=self.correct[kept],
            peaks=peaks,
            values=values,
            tails=tails,
            logits=logits,
        )

    def near(self, weights: NDArray[np.float64], radius: float, k: int) -> Rows:
        """The rows without the entries that no blend near some weights puts into an item's best k.

        Exact while every weight is within ``radius`` of ``weights`` [all columns] and their sum is one.
        """
        indptr, kept, peaks = near_rows(self.values, weights, radius, self.indptr, k)
        return replace(
            self,
            indptr=indptr,
            classes=self.classes[kept],
            correct=self.correct[kept],
            peaks=peaks,
            values=np.ascontiguousarray(self.values[:, kept]),
        )


def _shifted_logits(
    values: NDArray[np.floating], tails: NDArray[np.float32], indptr: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Logits of probabilities, plus 17; a class that is not listed is taken to score its upper bound."""
    listed = np.where(values == 0, np.repeat(tails, np.diff(indptr), axis=1), values)
    return logit(listed) + LOGIT_SHIFT


def build_rows(
    labels: Labels,
    columns: Sequence[Predictions],
    k: int | None,
    videos: NDArray[np.integer] | None = None,
    *,
    most_labels: int | None = None,
) -> Rows:
    """Rows of all items of the labels.

    Args:
        labels: ground truth; the rows come in its order.
        columns: predictions aligned to the labels, or to those that the labels were taken from.
        k: leave out the entries that no blend of any columns can put among an item's best k; None keeps all.
        videos: [n] rows of the columns that the labels are of; None where they are of all, in order.
        most_labels: of any item; None for the most of these.
    """
    n = labels.video_count
    if most_labels is None:
        most_labels = int(labels.counts.max(initial=0))
    # With few classes a correct class of score 0 can be among the best k: then rows list every class.
    complete = labels.class_count < (k or LARGEST_K) + most_labels
    best = k or 0

    def part_of(start: int) -> slice | NDArray[np.integer]:
        part = slice(start, min(start + chunk, n))
        return part if videos is None else videos[part]

    counts = np.empty(n, np.int64)
    chunk = max(CHUNK_LISTS // len(columns), 1)
    for start in range(0, n, chunk):
        stacked = _stacked(columns, part_of(start))
        counts[start : start + chunk] = union_counts(*stacked, labels.class_count, complete, best)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    classes = np.empty(indptr[-1], np.int32)
    peaks = np.empty(indptr[-1], np.float32)
    values = np.zeros((len(columns), indptr[-1]), np.float32)
    for start in range(0, n, chunk):
        indices, scores = _stacked(columns, part_of(start))
        union_fill(indices, scores, labels.class_count, complete, indptr[start:], classes, peaks, values)
    rows = np.repeat(np.arange(n), counts)
    return rows_of(
        labels,
        indptr=indptr,
        classes=classes,
        correct=labels.correct(classes, rows),
        peaks=peaks,
        values=values,
        tails=np.stack([tail(lists, labels.class_count, videos) for lists in columns]),
        skip_zero=not complete,
    )


def rows_of(labels: Labels, **parts: Any) -> Rows:
    """Rows of the labels' items, with what they have of the labels; ``parts`` is the rest of ``Rows``."""
    shape = (labels.video_count, labels.class_count)
    return Rows(
        truth=csr_array((np.ones(labels.label_count, bool), labels.indices, labels.indptr), shape=shape),
        item_weights=labels.item_weights,
        class_weights=labels.class_weights,
        **parts,
    )


def tail(lists: Predictions, class_count: int, videos: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
    """[n] upper bound of the classes that are not listed: the last listed score, 0 when all classes are listed.

    ``videos`` are the rows of the lists that it is of; None for all.
    """
    if lists.k == class_count:
        return np.zeros(len(lists.video_ids if videos is None else videos), np.float32)
    lasts = lists.last_scores(slice(None) if videos is None else videos)
    lists.let_go()
    return lasts


def logit(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of probabilities clipped to [1e-6, 1 - 1e-6]."""
    clipped = np.clip(probabilities.astype(np.float64), LOGIT_CLIP, 1 - LOGIT_CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _stacked(
    columns: Sequence[Predictions], part: slice | NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Lists [columns, items, longest k] of some items; shorter lists are padded with the class -1."""
    longest = max(lists.k for lists in columns)
    videos = part.stop - part.start if isinstance(part, slice) else len(part)
    indices = np.full((len(columns), videos, longest), -1, np.int32)
    scores = np.zeros((len(columns), videos, longest), np.float32)
    for column, lists in enumerate(columns):
        indices[column, :, : lists.k], scores[column, :, : lists.k] = lists.of(part)
        lists.let_go()
    return indices, scores
