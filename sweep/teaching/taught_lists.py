"""A teacher's predictions as arrays: each example's best classes, and what all others have together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.sweep.errors import DataError


@dataclass(frozen=True)
class TaughtLists:
    """Predictions of n examples.

    Attributes:
        ids: UTF-8 bytes [n], ascending and different.
        classes: Of the k best of each example, unsigned [n, k].
        scores: Their probabilities, float16 [n, k].
        rest: Probability of all other classes together, float32 [n].
    """

    ids: NDArray[np.bytes_]
    classes: NDArray[np.unsignedinteger[Any]]
    scores: NDArray[np.float16]
    rest: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Where these examples are.

        Raises:
            DataError: naming one that is not there.
        """
        rows, there = places_of(encoded(ids), self.ids)
        if not there.all():
            missing = ids[~there]
            raise DataError(
                f"expected the teacher's predictions of every training example, got none of {missing[0]}"
                + (f" and {len(missing) - 1} others of this batch" if len(missing) > 1 else "")
            )
        return rows

    def dense(self, ids: NDArray[np.str_], class_count: int) -> NDArray[np.float32]:
        """Probabilities of all classes [examples, classes]; the rest is spread evenly over the classes not listed.

        Raises:
            DataError: naming an example that is not there.
        """
        rows = self.rows_of(ids)
        listed = self.classes.shape[1]
        others = max(1, class_count - listed)
        dense = np.repeat((self.rest[rows] / others).astype(np.float32)[:, np.newaxis], class_count, axis=1)
        np.put_along_axis(dense, self.classes[rows].astype(np.int64), self.scores[rows].astype(np.float32), axis=1)
        return dense


def lists_of(ids: NDArray[np.str_], probabilities: NDArray[np.float32], top_k: int) -> TaughtLists:
    """The k best classes of every example, ties by lower class, of probabilities [n, classes].

    Raises:
        DataError: an example comes twice, or has something that is no probability.
    """
    wrong = ~((probabilities >= 0) & (probabilities <= 1))  # NaN is neither
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise DataError(
            f"expected probabilities from 0 to 1 of a teacher, got {probabilities[row][wrong[row]][0]} for {ids[row]}"
        )
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    scores = np.take_along_axis(probabilities, classes, axis=1)
    rest = probabilities.sum(axis=1, dtype=np.float64) - scores.sum(axis=1, dtype=np.float64)
    small = np.uint16 if probabilities.shape[1] <= np.iinfo(np.uint16).max + 1 else np.uint32
    return ordered(
        TaughtLists(
            encoded(ids), classes.astype(small), scores.astype(np.float16), np.maximum(rest, 0).astype(np.float32)
        )
    )


def joined(parts: list[TaughtLists]) -> TaughtLists:
    """All of several parts, of as many classes each.

    Raises:
        DataError: an example is in two of them.
    """
    return ordered(
        TaughtLists(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.rest for part in parts]),
        )
    )


def ordered(lists: TaughtLists) -> TaughtLists:
    """The same, by ascending id.

    Raises:
        DataError: an example comes twice.
    """
    order = np.argsort(lists.ids, kind="stable")
    ids = lists.ids[order]
    again = np.flatnonzero(ids[1:] == ids[:-1])
    if len(again):
        raise DataError(f"expected each example once in the teacher's data, got {ids[again[0]].decode()} again")
    return TaughtLists(ids, lists.classes[order], lists.scores[order], lists.rest[order])


def places_of(wanted: NDArray[np.bytes_], among: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where ids [m] are among ascending ones [n], and which of them are there [m]."""
    rows = np.searchsorted(among, wanted)
    there = rows < len(among)
    there[there] = among[rows[there]] == wanted[there]
    return rows.astype(np.int64), there


def encoded(ids: NDArray[np.str_]) -> NDArray[np.bytes_]:
    """Ids as UTF-8, whose order and equality are those of the texts."""
    return np.char.encode(ids, "utf-8")
