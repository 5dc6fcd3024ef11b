"""Blends of many items, scored without the rows of all of them.

Items go by in chunks. Of each blend a chunk leaves one column: each item's entries that can be among its best k at
these very weights. Those of all chunks together are rows like any other, of a twentieth of the size, and whatever is
computed of them (a score, a bootstrap) comes out as of the full rows, since nothing that counts is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import InputError
from gapsack.selection.rows.row_kernels import kth_largest_of_rows
from gapsack.selection.rows.rows import build_rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels, Predictions
    from gapsack.selection.rows.rows import Rows

    Videos = NDArray[np.integer]

STREAMED_FROM = 20_000  # items from which on blends are scored in chunks
CHUNK_VIDEOS = 8192
MOST_ENTRIES = 1 << 28  # of one blend, 13 bytes each
ALONE = (np.zeros(1, np.int64), np.ones(1))
"""Columns and weights by which rows of one blend are scored."""


@dataclass(frozen=True)
class Vote:
    """A blend of some lists: which of them, their weights, and whether logits are blended."""

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    logits: bool = False


@dataclass(frozen=True)
class _Piece:
    """What a chunk leaves of a blend; as in ``Rows``."""

    counts: NDArray[np.int64]
    classes: NDArray[np.int32]
    correct: NDArray[np.bool_]
    values: NDArray[np.float64]


def blended_rows(
    labels: Labels,
    lists: Sequence[Predictions],
    votes: Sequence[Vote],
    k: int | None,
    videos: Videos,
    *,
    most_labels: int | None = None,
    zeros_stay: bool = False,
    check: Callable[[], None] = lambda: None,
) -> list[Rows]:
    """Rows of one column for each of some blends, to be scored with the columns and weights ``ALONE``.

    Args:
        labels: ground truth of the pool.
        lists: predictions aligned to the labels.
        votes: the blends.
        k: entries of an item that count; None for all of them.
        videos: rows of the pool, in the order of the rows that are returned.
        most_labels: of any item that is scored with these; None for the most of these.
        zeros_stay: in blends of logits, a class that no member gives more than 0 scores 0, as one that none lists.
        check: called before each chunk, and may raise.

    Raises:
        InputError: all entries are wanted of more items than memory is likely to have room for.
    """
    if most_labels is None:
        most_labels = int(labels.counts[videos].max(initial=0))
    pieces: list[list[_Piece]] = [[] for _ in votes]
    for start in range(0, len(videos), CHUNK_VIDEOS):
        check()
        part = videos[start : start + CHUNK_VIDEOS]
        rows = build_rows(labels.take(part), lists, k, part, most_labels=most_labels)
        if k is None:
            check_room(len(rows.classes), len(part), len(videos))
        for mine, vote in zip(pieces, votes, strict=True):
            mine.append(_piece(rows, vote, k, zeros_stay=zeros_stay))
    truth = labels.take(videos)
    skip_zero = rows.skip_zero
    joined: list[Rows] = []
    while pieces:
        joined.append(_joined(pieces.pop(0), truth, logits=votes[len(joined)].logits, skip_zero=skip_zero))
    return joined


def as_probabilities(rows: Rows) -> Rows:
    """Rows of one blend of logits with the probabilities that these are; others as they are."""
    if not rows.logits:
        return rows
    values = np.where(rows.values[0] == 0.0, 0.0, rows.blend(*ALONE))
    return replace(rows, values=values[None, :], peaks=values, logits=False)


def one_after_another(labels: Labels, videos: Videos, parts: Sequence[Rows]) -> Rows:
    """Rows of one column of the items of some parts, of which no item is in two.

    Args:
        labels: ground truth of the pool.
        videos: rows of the pool, of all parts after one another.
        parts: at least one.
    """
    counts = np.concatenate([np.diff(rows.indptr) for rows in parts])
    values = np.concatenate([rows.values[0] for rows in parts])
    return rows_of(
        labels.take(videos),
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        classes=np.concatenate([rows.classes for rows in parts]),
        correct=np.concatenate([rows.correct for rows in parts]),
        peaks=values,
        values=values[None, :],
        tails=np.concatenate([rows.tails for rows in parts], axis=1),
        skip_zero=parts[0].skip_zero,
        logits=parts[0].logits,
    )


def chunks_of(videos: Videos) -> Iterator[Videos]:
    """The items, some at a time."""
    return (videos[start : start + CHUNK_VIDEOS] for start in range(0, len(videos), CHUNK_VIDEOS))


def check_room(entries: int, videos: int, all_videos: int) -> None:
    """Raise an InputError when all entries of all items are too many, those of some items being as told."""
    expected = entries * all_videos // videos
    if expected > MOST_ENTRIES:
        raise InputError(
            f"expected items of at most {MOST_ENTRIES} classes in all, as a metric other than gap@k looks at every "
            f"listed class of every item at once; got {all_videos} items with {entries // videos} each. Use gap@k, "
            "or a pool of fewer items or shorter lists."
        )


def _piece(rows: Rows, vote: Vote, k: int | None, *, zeros_stay: bool) -> _Piece:
    """The entries of each row that are among its best k, and those that tie with the last, by descending score."""
    blended, term = np.zeros(len(rows.classes)), np.empty(len(rows.classes))
    columns = np.array(vote.columns, np.int64)
    logits = rows.only(columns, logits=True).values if vote.logits else None
    for place, (weight, column) in enumerate(zip(vote.weights, columns, strict=True)):
        # As the compiled loops add: in float64, in this order.
        values = rows.values[column] if logits is None else logits[place]
        blended += np.multiply(values, weight, out=term, dtype=np.float64)
    if vote.logits and zeros_stay and rows.skip_zero:
        blended[(rows.values[columns] == 0.0).all(axis=0)] = 0.0
    counts = np.diff(rows.indptr)
    if k is None:
        return _Piece(counts, rows.classes, rows.correct, blended)
    owners = np.repeat(np.arange(len(counts)), counts)
    kept = np.flatnonzero(blended >= np.repeat(kth_largest_of_rows(blended, rows.indptr, k), counts))
    kept = kept[np.lexsort((-blended[kept], owners[kept]))]
    return _Piece(
        np.bincount(owners[kept], minlength=len(counts)), rows.classes[kept], rows.correct[kept], blended[kept]
    )


def _joined(pieces: Sequence[_Piece], truth: Labels, *, logits: bool, skip_zero: bool) -> Rows:
    counts = np.concatenate([piece.counts for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    return rows_of(
        truth,
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        classes=np.concatenate([piece.classes for piece in pieces]),
        correct=np.concatenate([piece.correct for piece in pieces]),
        peaks=values,  # of one column; of all entries they do not descend, but then no k looks at them
        values=values[None, :],
        tails=np.zeros((1, truth.video_count), np.float32),
        skip_zero=skip_zero,
        logits=logits,
    )
