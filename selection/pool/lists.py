"""What a pool is made of: ground truth, and each model's best classes an item."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gapsack.selection.errors import PoolError
from gapsack.selection.memory import let_go
from gapsack.selection.pool.kinds import SCORE_SLACK, class_count_of, numbers, texts, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    VideoIds = NDArray[np.str_]

NAMED_IDS = 3  # ids that an error message names before it says how many more there are
CHECKED_ROWS = 1 << 13  # items whose lists are looked at together; bounds the memory of the checks
MIN_TOP_K = 20  # shortest list that a pool accepts, unless there are fewer classes


@dataclass(frozen=True)
class Labels:
    """Ground truth as compressed rows.

    Attributes:
        video_ids: [n], all different.
        indptr: [n + 1] int64; the labels of item i are ``indices[indptr[i]:indptr[i + 1]]``. An item may have none.
        indices: int32 classes, ascending and different within an item.
        class_count: classes of the vocabulary.
        item_weights: [n] float64, positive: how much each item counts; None where all count the same.
        class_weights: [class_count] float64, positive: how much each class counts; None where all count the same.

    Raises:
        PoolError: ids that repeat, rows that do not add up, a label outside the vocabulary or twice in an item, a
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
                "labels must name a class once an item; "
                f"got class {self.indices[first]} twice for {named_ids(self.video_ids[self._rows[first : first + 1]])}."
            )

    def __repr__(self) -> str:
        return f"<Labels {self.label_count:,} of {self.class_count:,} classes, of {self.video_count:,} items>"

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
        """Labels from a [items, classes] array of truth values, or of 0 and 1."""
        given = np.asarray(labels)
        if given.dtype.kind != "b" and not np.isin(numbers(given, "labels"), (0, 1)).all():
            raise PoolError(
                "a matrix of labels must hold 0 and 1 alone (regression is not supported); got other values."
            )
        dense = given.astype(bool)
        if dense.ndim != 2:
            raise PoolError(f"labels must have the shape [items, classes]; got {dense.shape}.")
        counts = dense.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(np.asarray(video_ids), indptr, np.nonzero(dense)[1].astype(np.int32), dense.shape[1])

    @property
    def video_count(self) -> int:
        """Items, those without a label included."""
        return len(self.video_ids)

    @property
    def label_count(self) -> int:
        """Labels of all items: the P of GAP."""
        return len(self.indices)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[n] labels of each item."""
        return np.diff(self.indptr)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.video_ids)), np.diff(self.indptr))

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        return self._rows * self.class_count + self.indices

    def correct(self, classes: NDArray[np.integer], rows: NDArray[np.integer] | None = None) -> NDArray[np.bool_]:
        """Whether each class is a label of its item.

        Args:
            classes: [n, k] classes, row i for item i; or classes of the items ``rows``, of any shape.
            rows: of the shape of ``classes``, or one that numpy stretches to it, such as [m, 1] for [m, k].
        """
        if len(self._keys) == 0:
            return np.zeros(classes.shape, bool)
        videos = np.arange(self.video_count)[:, None] if rows is None else rows
        wanted = videos.astype(np.int64) * self.class_count + classes
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.asarray(self._keys[place] == wanted)

    def difference(self, other: Labels) -> str | None:
        """What the ground truth of the same items, in any order, says otherwise; None when it says the same.

        Raises:
            PoolError: an item that only one of them has.
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
        """The labels of some items, in the order given."""
        counts = self.counts[videos]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
        indices = self.indices[np.repeat(self.indptr[:-1][videos], counts) + within]
        items = None if self.item_weights is None else self.item_weights[videos]
        return Labels(self.video_ids[videos], indptr, indices, self.class_count, items, self.class_weights)


class Predictions:
    """Each item's best classes by one model.

    The lists may lie in a file that is mapped into memory (``selection.npz``): nothing here copies them as a whole.
    They are checked in chunks, and other items, another order or shorter lists are views that copy what is asked for.

    Attributes:
        video_ids: [n], all different.

    Raises:
        PoolError: shapes that differ, a score that is no probability, a row that is not descending, a class twice.
    """

    def __init__(
        self, video_ids: ArrayLike, top_indices: ArrayLike, top_scores: ArrayLike, *, known_ids: VideoIds | None = None
    ) -> None:
        """Check lists.

        Args:
            video_ids: [n].
            top_indices: [n, k] classes, different within a row.
            top_scores: [n, k] probabilities, descending within a row. A class that is not listed has a score no higher
                than the last one listed.
            known_ids: ids that are all different, such as those of the labels; equal ones are not looked at again, nor
                kept twice.
        """
        same = known_ids is not None and np.array_equal(np.asarray(video_ids), known_ids)
        self.video_ids: VideoIds = known_ids if same else checked_ids(video_ids, "predictions")  # type: ignore[assignment]
        self._classes = whole_numbers(top_indices, "predictions: classes", np.int32)
        self._scores = np.ascontiguousarray(numbers(top_scores, "scores"), np.float32)
        self._order: NDArray[np.int64] | None = None  # row i of the lists is this row of the arrays; None: row i
        shape = self._classes.shape
        if len(shape) != 2 or shape != self._scores.shape or shape[0] != len(self.video_ids) or shape[1] == 0:
            raise PoolError(
                "predictions need top_indices and top_scores of the shape [items, k]; "
                f"got {shape} and {self._scores.shape} for {len(self.video_ids)} items."
            )
        self._k = int(shape[1])
        self._most, self._clipped = _checked_lists(self._classes, self._scores, self.video_ids)

    @classmethod
    def from_dense(cls, video_ids: ArrayLike, scores: ArrayLike, k: int = 100) -> Predictions:
        """The k best classes of each row of dense scores [items, classes]; among equal ones the lower class."""
        dense = numbers(scores, "scores")
        ids = texts(video_ids, "predictions: video_ids")
        if dense.ndim != 2 or ids.ndim != 1 or dense.shape[0] != len(ids) or dense.shape[1] < 1 or k < 1:
            raise PoolError(
                f"scores must have the shape [items, classes] and k be at least 1; "
                f"got {dense.shape} for {ids.size} items, and k {k}."
            )
        check_probabilities(dense, ids)
        k = min(k, dense.shape[1])
        chunks = [top_of_rows(dense[start : start + 2048], k) for start in range(0, len(dense), 2048)]
        if not chunks:
            raise PoolError("predictions need at least one item; got none.")
        return cls(ids, np.concatenate([c for c, _ in chunks]), np.concatenate([s for _, s in chunks]))

    def __repr__(self) -> str:
        return f"<Predictions of {len(self.video_ids):,} items, the best {self.k:,} classes of each>"

    @property
    def k(self) -> int:
        """Length of the lists."""
        return self._k

    @property
    def top_indices(self) -> NDArray[np.int32]:
        """[n, k] int32 classes, of all items at once: a copy where this is a view."""
        return self.of(slice(None))[0]

    @property
    def top_scores(self) -> NDArray[np.float32]:
        """[n, k] float32 probabilities, of all items at once: a copy where this is a view."""
        return self.of(slice(None))[1]

    def of(self, videos: slice | NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """(classes int32, probabilities float32), both [items, k], of some items by their rows."""
        rows = videos if self._order is None else self._order[videos]
        return self._classes[rows, : self._k], self._within(self._scores[rows, : self._k])

    def last_scores(self, videos: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """[items] the last listed probability of some items by their rows."""
        rows = videos if self._order is None else self._order[videos]
        return self._within(np.ascontiguousarray(self._scores[rows, self._k - 1]))

    def let_go(self) -> None:
        """Let the system have back what it brought in of a mapped file; the lists stay as they are."""
        let_go(self._classes)
        let_go(self._scores)

    def take(self, videos: NDArray[np.integer]) -> Predictions:
        """A view of the lists of some items, each once, in the order given."""
        rows = np.arange(len(self.video_ids))[videos]  # whatever numpy takes for an index
        if len(np.unique(rows)) != len(rows) or len(rows) == 0:
            checked_ids(self.video_ids[rows], "predictions")
        return self._view(self.video_ids[rows], rows if self._order is None else self._order[rows], self._k)

    def shortened(self, k: int) -> Predictions:
        """A view of the first ``k`` classes of every list, or of all where there are fewer."""
        return self if k >= self._k else self._view(self.video_ids, self._order, k)

    def same_lists(self, other: Predictions) -> bool:
        """Whether the classes and scores are the same, item by item."""
        if self is other:
            return True
        if self.k != other.k or len(self.video_ids) != len(other.video_ids):
            return False
        same = all(
            np.array_equal(mine, theirs)
            for part in _parts(len(self.video_ids))
            for mine, theirs in zip(self.of(part), other.of(part), strict=True)
        )
        self.let_go()
        other.let_go()
        return same

    def aligned_to(self, labels: Labels, name: str) -> Predictions:
        """The same lists in the order of the labels.

        Args:
            labels: ground truth of the same items.
            name: what to call these predictions in an error.

        Raises:
            PoolError: an item on one side only, classes outside the vocabulary, or lists that are too short.
        """
        if self._most >= labels.class_count:
            self._refuse_beyond(labels.class_count, name)
        if self.k < min(MIN_TOP_K, labels.class_count):
            raise PoolError(
                f"{name}: lists must hold at least {min(MIN_TOP_K, labels.class_count)} classes an item; got {self.k}."
            )
        if self.video_ids is labels.video_ids:
            return self
        if np.array_equal(self.video_ids, labels.video_ids):
            return self._view(labels.video_ids, self._order, self._k)
        return self.take(rows_of(labels.video_ids, self.video_ids, name))

    def _refuse_beyond(self, class_count: int, name: str) -> None:
        """Raise a PoolError when a class that these lists have is outside the vocabulary."""
        tops = np.concatenate([self.of(part)[0].max(axis=1) for part in _parts(len(self.video_ids))])
        bad = tops >= class_count
        if bad.any():
            raise PoolError(
                f"{name}: classes must be below the labels' {class_count}; "
                f"got {int(tops.max())}, in {named_ids(self.video_ids[bad])}."
            )

    def _within(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip(scores, 0.0, 1.0) if self._clipped else scores

    def _view(self, video_ids: VideoIds, order: NDArray[np.int64] | None, k: int) -> Predictions:
        view = copy(self)
        view.video_ids, view._order, view._k = video_ids, order, k
        return view


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
    faults = _Faults(video_ids)
    faults.note_scores(scores, 0)
    faults.refuse()


def _checked_lists(classes: NDArray[np.int32], scores: NDArray[np.float32], video_ids: VideoIds) -> tuple[int, bool]:
    """Check lists [n, k], some items at a time: the greatest class, and whether a score is outside [0, 1] by rounding.

    Raises:
        PoolError: what ``Predictions`` refuses; of several faults the first of ``_Faults.ORDER``, whichever comes first
            in the lists, with every item that has it.
    """
    faults, most, clipped = _Faults(video_ids), -1, False
    for part in _parts(len(classes)):
        # Copies, which lie where numbers of their size should, as those in an archive do not.
        listed, said = np.array(classes[part]), np.array(scores[part])
        if not 0.0 <= said.min() <= said.max() <= 1.0:  # nor with a NaN
            faults.note_scores(said, part.start)
            clipped = True
        faults.note(_Faults.ASCENDING, np.diff(said, axis=1) > 0, part.start)
        faults.note(_Faults.NEGATIVE_CLASS, listed < 0, part.start)
        most = max(most, int(listed.max()))
        listed.sort(axis=1)
        faults.note(_Faults.REPEATED, listed[:, 1:] == listed[:, :-1], part.start)
        let_go(classes)
        let_go(scores)
    faults.refuse()
    return most, clipped


class _Faults:
    """What is wrong with lists that are looked at part by part."""

    ASCENDING = "scores must descend within an item"
    NEGATIVE_CLASS = "classes must not be negative"
    REPEATED = "an item must list a class once"
    SCORES: ClassVar[dict[str, Callable[[NDArray[np.floating]], NDArray[np.bool_]]]] = {
        "NaN": np.isnan,
        "a negative score": lambda scores: scores < -SCORE_SLACK,
        "a score above 1": lambda scores: scores > 1 + SCORE_SLACK,
    }
    ORDER = (*SCORES, ASCENDING, NEGATIVE_CLASS, REPEATED)

    def __init__(self, video_ids: NDArray[np.generic]) -> None:
        self._video_ids = np.asarray(video_ids)
        self._rows: dict[str, list[NDArray[np.int64]]] = {}
        self._first: dict[str, str] = {}

    def note(self, fault: str, wrong: NDArray[np.bool_], start: int) -> None:
        """Note where [items, ...] something is wrong, the first of the items being number ``start``."""
        if wrong.any():
            self._rows.setdefault(fault, []).append(start + np.flatnonzero(wrong.any(axis=1)))

    def note_scores(self, scores: NDArray[np.floating], start: int) -> None:
        """Note scores [items, ...] that are no probabilities."""
        for fault, is_wrong in self.SCORES.items():
            wrong = is_wrong(scores)
            self.note(fault, wrong, start)
            if wrong.any() and fault not in self._first:
                # As many digits as tell it from its neighbours: 1.0000012, not 1.
                self._first[fault] = str(scores[wrong].flat[0])

    def refuse(self) -> None:
        """Raise a PoolError when something was noted."""
        fault = next((each for each in self.ORDER if each in self._rows), None)
        if fault is None:
            return
        where = named_ids(self._video_ids[np.concatenate(self._rows[fault])])
        if fault not in self.SCORES:
            raise PoolError(f"{fault}; got otherwise in {where}.")
        raise PoolError(
            f"scores must be probabilities from 0 to 1; got {fault} ({self._first[fault]}) in {where}; "
            "pass logits through a sigmoid first."
        )


def _parts(count: int) -> Iterator[slice]:
    """Rows, some at a time."""
    return (slice(start, min(start + CHECKED_ROWS, count)) for start in range(0, count, CHECKED_ROWS))


def checked_ids(video_ids: ArrayLike, owner: str) -> VideoIds:
    """Ids as a one-dimensional string array; bytes are decoded. Raises a PoolError when one repeats."""
    ids = texts(video_ids, f"{owner}: video_ids")
    if ids.ndim != 1 or len(ids) == 0:
        raise PoolError(f"{owner}: video_ids must be a list of at least one id; got the shape {ids.shape}.")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != len(ids):
        raise PoolError(f"{owner}: every id must be there once; got {named_ids(unique[counts > 1])} repeatedly.")
    return ids


def rows_of(wanted: VideoIds, available: VideoIds, name: str) -> NDArray[np.int64]:
    """Row of each wanted id among the available ones; a PoolError names the ids that only one side has."""
    missing = np.setdiff1d(wanted, available)
    unknown = np.setdiff1d(available, wanted)
    if len(missing) or len(unknown):
        parts = [f"no row for {named_ids(missing)}"] if len(missing) else []
        parts += [f"rows without labels for {named_ids(unknown)}"] if len(unknown) else []
        raise PoolError(f"{name}: predictions and labels must be of the same items; got {' and '.join(parts)}.")
    order = np.argsort(available)
    return np.asarray(order[np.searchsorted(available, wanted, sorter=order)])


def named_ids(ids: NDArray[np.generic] | Sequence[object], noun: str = "item") -> str:
    """The first few ids, and how many more there are, for a message; ``noun`` is what they are of."""
    shown = ", ".join(repr(str(i)) for i in ids[:NAMED_IDS])
    more = f" and {len(ids) - NAMED_IDS} more" if len(ids) > NAMED_IDS else ""
    return f"{noun}{'s' if len(ids) > 1 else ''} {shown}{more}"
