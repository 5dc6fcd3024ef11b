"""What a pool is made of: ground truth, and each model's best classes a video."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import PoolError
from gapsack.selection.pool.kinds import SCORE_SLACK, class_count_of, numbers, texts, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    VideoIds = NDArray[np.str_]

NAMED_IDS = 3  # ids that an error message names before it says how many more there are
MIN_TOP_K = 20  # shortest list that a pool accepts, unless there are fewer classes


@dataclass(frozen=True)
class Labels:
    """Ground truth as compressed rows.

    Attributes:
        video_ids: [n], all different.
        indptr: [n + 1] int64; the labels of video i are ``indices[indptr[i]:indptr[i + 1]]``. A video may have none.
        indices: int32 classes, ascending and different within a video.
        class_count: classes of the vocabulary.
        item_weights: [n] float64, positive: how much each video counts; None where all count the same.
        class_weights: [class_count] float64, positive: how much each class counts; None where all count the same.

    Raises:
        PoolError: ids that repeat, rows that do not add up, a label outside the vocabulary or twice in a video, a
            weight that is not positive and finite.
    """

    video_ids: VideoIds
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    class_count: int
    item_weights: NDArray[np.float64] | None = None
    class_weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_ids", checked_ids(self.video_ids, "labels"))
        object.__setattr__(self, "class_count", class_count_of(self.class_count))
        object.__setattr__(self, "indptr", whole_numbers(self.indptr, "labels: indptr", np.int64))
        object.__setattr__(self, "indices", whole_numbers(self.indices, "labels: classes", np.int32))
        self._check()
        items = positive_weights(self.item_weights, len(self.video_ids), "item weights")
        object.__setattr__(self, "item_weights", items)
        classes = positive_weights(self.class_weights, self.class_count, "class weights")
        object.__setattr__(self, "class_weights", classes)
        order = np.lexsort((self.indices, self._rows))
        object.__setattr__(self, "indices", self.indices[order])
        repeated = (np.diff(self.indices) == 0) & (np.diff(self._rows) == 0)
        if repeated.any():
            first = int(np.flatnonzero(repeated)[0])
            raise PoolError(
                "labels must name a class once a video; "
                f"got class {self.indices[first]} twice for {named_ids(self.video_ids[self._rows[first : first + 1]])}."
            )

    def _check(self) -> None:
        n = len(self.video_ids)
        rows_add_up = (
            self.indptr.shape == (n + 1,)
            and self.indices.ndim == 1
            and self.indptr[0] == 0
            and self.indptr[-1] == len(self.indices)
            and bool((np.diff(self.indptr) >= 0).all())
        )
        if not rows_add_up:
            raise PoolError(
                f"labels: indptr must rise from 0 to the {self.indices.size} indices in {n + 1} steps; "
                f"got {self.indptr.size} values, {self.indptr.flat[:1].tolist()} to {self.indptr.flat[-1:].tolist()}."
            )
        outside = (self.indices < 0) | (self.indices >= self.class_count)
        if outside.any():
            first = int(np.flatnonzero(outside)[0])
            raise PoolError(
                f"labels must be classes from 0 to {self.class_count - 1}; "
                f"got {self.indices[first]} for {named_ids(self.video_ids[self._rows[first : first + 1]])}."
            )

    @classmethod
    def from_dense(cls, video_ids: ArrayLike, labels: ArrayLike) -> Labels:
        """Labels from a [videos, classes] array of truth values, or of 0 and 1."""
        given = np.asarray(labels)
        if given.dtype.kind != "b" and not np.isin(numbers(given, "labels"), (0, 1)).all():
            raise PoolError(
                "a matrix of labels must hold 0 and 1 alone (regression is not supported); got other values."
            )
        dense = given.astype(bool)
        if dense.ndim != 2:
            raise PoolError(f"labels must have the shape [videos, classes]; got {dense.shape}.")
        counts = dense.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(np.asarray(video_ids), indptr, np.nonzero(dense)[1].astype(np.int32), dense.shape[1])

    @property
    def video_count(self) -> int:
        """Videos, those without a label included."""
        return len(self.video_ids)

    @property
    def label_count(self) -> int:
        """Labels of all videos: the P of GAP."""
        return len(self.indices)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[n] labels of each video."""
        return np.diff(self.indptr)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.video_ids)), np.diff(self.indptr))

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        return self._rows * self.class_count + self.indices

    def correct(self, classes: NDArray[np.integer], rows: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
        """Whether each class is a label of its video.

        Args:
            classes: [n, k] classes, row i for video i; or [m] classes of the videos ``rows`` [m].
            rows: see ``classes``.
        """
        if len(self._keys) == 0:
            return np.zeros(classes.shape, bool)
        videos = np.arange(self.video_count)[:, None] if rows is None else rows
        wanted = videos.astype(np.int64) * self.class_count + classes
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.asarray(self._keys[place] == wanted)

    def difference(self, other: Labels) -> str | None:
        """What the ground truth of the same videos, in any order, says otherwise; None when it says the same.

        Raises:
            PoolError: a video that only one of them has.
        """
        if self.class_count != other.class_count:
            return f"{other.class_count} classes instead of {self.class_count}"
        theirs = other.take(rows_of(self.video_ids, other.video_ids, "labels"))
        fewer = np.flatnonzero(self.counts != theirs.counts)
        if len(fewer):
            return f"another number of labels for {named_ids(self.video_ids[fewer])}"
        others = np.flatnonzero(self.indices != theirs.indices)
        return f"other labels for {named_ids(np.unique(self.video_ids[self._rows[others]]))}" if len(others) else None

    def take(self, videos: NDArray[np.integer]) -> Labels:
        """The labels of some videos, in the order given."""
        counts = self.counts[videos]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
        indices = self.indices[np.repeat(self.indptr[:-1][videos], counts) + within]
        items = None if self.item_weights is None else self.item_weights[videos]
        return Labels(self.video_ids[videos], indptr, indices, self.class_count, items, self.class_weights)


@dataclass(frozen=True)
class Predictions:
    """Each video's best classes by one model.

    Attributes:
        video_ids: [n], all different.
        top_indices: [n, k] int32 classes, different within a row.
        top_scores: [n, k] float32 probabilities, descending within a row. A class that is not listed has a score no
            higher than the last one listed.

    Raises:
        PoolError: shapes that differ, a score that is no probability, a row that is not descending, a class twice.
    """

    video_ids: VideoIds
    top_indices: NDArray[np.int32]
    top_scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "video_ids", checked_ids(self.video_ids, "predictions"))
        object.__setattr__(self, "top_indices", whole_numbers(self.top_indices, "predictions: classes", np.int32))
        object.__setattr__(self, "top_scores", np.ascontiguousarray(numbers(self.top_scores, "scores"), np.float32))
        shape = self.top_indices.shape
        if len(shape) != 2 or shape != self.top_scores.shape or shape[0] != len(self.video_ids) or shape[1] == 0:
            raise PoolError(
                "predictions need top_indices and top_scores of the shape [videos, k]; "
                f"got {shape} and {self.top_scores.shape} for {len(self.video_ids)} videos."
            )
        check_probabilities(self.top_scores, self.video_ids)
        if self.top_scores.size and not 0.0 <= self.top_scores.min() <= self.top_scores.max() <= 1.0:
            object.__setattr__(self, "top_scores", np.clip(self.top_scores, 0.0, 1.0))
        self._refuse(np.diff(self.top_scores, axis=1) > 0, "scores must descend within a video")
        self._refuse(self.top_indices < 0, "classes must not be negative")
        ordered = np.sort(self.top_indices, axis=1)
        self._refuse(np.diff(ordered, axis=1) == 0, "a video must list a class once")

    def _refuse(self, bad: NDArray[np.bool_], expectation: str) -> None:
        if bad.any():
            raise PoolError(f"{expectation}; got otherwise in {named_ids(self.video_ids[np.any(bad, axis=1)])}.")

    @classmethod
    def from_dense(cls, video_ids: ArrayLike, scores: ArrayLike, k: int = 100) -> Predictions:
        """The k best classes of each row of dense scores [videos, classes]; among equal ones the lower class."""
        dense = numbers(scores, "scores")
        ids = texts(video_ids, "predictions: video_ids")
        if dense.ndim != 2 or ids.ndim != 1 or dense.shape[0] != len(ids) or dense.shape[1] < 1 or k < 1:
            raise PoolError(
                f"scores must have the shape [videos, classes] and k be at least 1; "
                f"got {dense.shape} for {ids.size} videos, and k {k}."
            )
        check_probabilities(dense, ids)
        k = min(k, dense.shape[1])
        chunks = [top_of_rows(dense[start : start + 2048], k) for start in range(0, len(dense), 2048)]
        if not chunks:
            raise PoolError("predictions need at least one video; got none.")
        return cls(ids, np.concatenate([c for c, _ in chunks]), np.concatenate([s for _, s in chunks]))

    @property
    def k(self) -> int:
        """Length of the lists."""
        return int(self.top_indices.shape[1])

    def take(self, videos: NDArray[np.integer]) -> Predictions:
        """The lists of some videos, in the order given."""
        return Predictions(self.video_ids[videos], self.top_indices[videos], self.top_scores[videos])

    def aligned_to(self, labels: Labels, name: str) -> Predictions:
        """The same lists in the order of the labels.

        Args:
            labels: ground truth of the same videos.
            name: what to call these predictions in an error.

        Raises:
            PoolError: a video on one side only, classes outside the vocabulary, or lists that are too short.
        """
        if int(self.top_indices.max()) >= labels.class_count:
            bad = (self.top_indices >= labels.class_count).any(axis=1)
            raise PoolError(
                f"{name}: classes must be below the labels' {labels.class_count}; "
                f"got {int(self.top_indices.max())}, in {named_ids(self.video_ids[bad])}."
            )
        if self.k < min(MIN_TOP_K, labels.class_count):
            raise PoolError(
                f"{name}: lists must hold at least {min(MIN_TOP_K, labels.class_count)} classes a video; got {self.k}."
            )
        if np.array_equal(self.video_ids, labels.video_ids):
            return self
        return self.take(rows_of(labels.video_ids, self.video_ids, name))


def positive_weights(weights: ArrayLike | None, count: int, what: str) -> NDArray[np.float64] | None:
    """Weights as float64 [count]; None for None. Raises a PoolError unless each is a positive, finite number."""
    if weights is None:
        return None
    found = np.ascontiguousarray(numbers(weights, what), np.float64)
    if found.shape != (count,):
        raise PoolError(f"{what} must be one each, {count} in all; got the shape {found.shape}.")
    wrong = ~(np.isfinite(found) & (found > 0.0))
    if wrong.any():
        raise PoolError(f"{what} must be positive, finite numbers; got {found[wrong][0]!r}.")
    return found


def top_of_rows(scores: NDArray[np.floating], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Classes and float32 scores of each row's k highest, descending; among equal ones the lower class first.

    The cut is made on the float32 values that are returned, so that rounding cannot put a listed class below one left
    out.
    """
    rounded = np.asarray(scores, np.float32)
    n, classes = rounded.shape
    threshold = np.partition(rounded, classes - k, axis=1)[:, classes - k, None]
    above = rounded > threshold
    tied = rounded == threshold
    chosen = above | (tied & (np.cumsum(tied, axis=1) <= k - above.sum(axis=1, keepdims=True)))
    indices = np.nonzero(chosen)[1].reshape(n, k)
    values = np.take_along_axis(rounded, indices, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(indices, order, axis=1).astype(np.int32), np.take_along_axis(values, order, axis=1)


def check_probabilities(scores: NDArray[np.floating], video_ids: NDArray[np.generic]) -> None:
    """Raise a PoolError when a score is NaN, negative or above 1, by more than ``SCORE_SLACK``."""
    for wrong, what in (
        (np.isnan(scores), "NaN"),
        (scores < -SCORE_SLACK, "a negative score"),
        (scores > 1 + SCORE_SLACK, "a score above 1"),
    ):
        if wrong.any():
            value = str(scores[wrong].flat[0])  # as many digits as tell it from its neighbours: 1.0000012, not 1
            bad_ids = np.asarray(video_ids)[wrong.any(axis=1)]
            raise PoolError(
                f"scores must be probabilities from 0 to 1; got {what} ({value}) in {named_ids(bad_ids)}; "
                "pass logits through a sigmoid first."
            )


def checked_ids(video_ids: ArrayLike, owner: str) -> VideoIds:
    """Ids as a one-dimensional string array; bytes are decoded. Raises a PoolError when one repeats."""
    ids = texts(video_ids, f"{owner}: video_ids")
    if ids.ndim != 1 or len(ids) == 0:
        raise PoolError(f"{owner}: video_ids must be a list of at least one id; got the shape {ids.shape}.")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != len(ids):
        raise PoolError(f"{owner}: every video id must be there once; got {named_ids(unique[counts > 1])} repeatedly.")
    return ids


def rows_of(wanted: VideoIds, available: VideoIds, name: str) -> NDArray[np.int64]:
    """Row of each wanted id among the available ones; a PoolError names the ids that only one side has."""
    missing = np.setdiff1d(wanted, available)
    unknown = np.setdiff1d(available, wanted)
    if len(missing) or len(unknown):
        parts = [f"no row for {named_ids(missing)}"] if len(missing) else []
        parts += [f"rows without labels for {named_ids(unknown)}"] if len(unknown) else []
        raise PoolError(f"{name}: predictions and labels must be of the same videos; got {' and '.join(parts)}.")
    order = np.argsort(available)
    return np.asarray(order[np.searchsorted(available, wanted, sorter=order)])


def named_ids(ids: NDArray[np.generic] | Sequence[object]) -> str:
    """The first few ids, and how many more there are, for a message."""
    shown = ", ".join(repr(str(i)) for i in ids[:NAMED_IDS])
    more = f" and {len(ids) - NAMED_IDS} more" if len(ids) > NAMED_IDS else ""
    return f"video{'s' if len(ids) > 1 else ''} {shown}{more}"
