"""Metrics of decisions, as scikit-learn defines them: accuracy, balanced accuracy and macro F1.

What is decided: where every item has exactly one label, the class of highest score, of equal ones the one of lowest
number, as ``numpy.argmax`` has it; else every class that scores above 0.5. Classes that no row lists score 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.label_kinds import Kind, has_one_label
from gapsack.selection.metrics.weighting import class_weights, mean_over_classes, sums_by, unequal, video_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

THRESHOLD = 0.5  # what a class must exceed to be predicted, where an item may have any number


@dataclass(frozen=True)
class Accuracy:
    """``sklearn.metrics.accuracy_score``: items that are wholly right (with any number of labels: no class is wrong).

    Class weights: an item counts with that of its label.
    """

    kind: Kind
    name: str = "accuracy"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Share of the items, in [0, 1]. Raises an InputError for class weights where items have several labels."""
        decided, counts = rows.blend(columns, weights), video_weights(rows)
        if has_one_label(self.kind):
            truth = rows.truth.indices
            right = best_classes(rows, decided) == truth
            counts = counts * class_weights(rows)[truth]
        elif self.kind == "flag":
            right = flags(rows) == flagged(rows, decided)
            counts = counts * _flag_weights(rows)[flags(rows).astype(np.int64)]
        else:
            if unequal(rows.class_weights) is not None:
                raise InputError(
                    "class weights have no meaning for the accuracy of items with any number of labels, which are "
                    "right as a whole or not; got some."
                )
            chosen = decided > THRESHOLD
            found = _by_video(rows, chosen & rows.correct)
            right = (found == np.diff(rows.truth.indptr)) & (_by_video(rows, chosen & ~rows.correct) == 0)
        return float(np.average(right, weights=counts))

    def rises(self, rows: Rows) -> bool:
        """A correct class that rises, or an incorrect one that sinks, never makes a right item wrong."""
        return True


@dataclass(frozen=True)
class BalancedAccuracy:
    """``sklearn.metrics.balanced_accuracy_score``: the mean over classes of the share of their items that are right."""

    kind: Kind
    name: str = "balanced_accuracy"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Mean recall in [0, 1], over the classes that some item has."""
        truth, decided, importance = _one_each(rows, rows.blend(columns, weights), self.kind)
        counts = video_weights(rows)
        of_class = sums_by(truth, counts, len(importance))
        found = sums_by(truth, counts * (truth == decided), len(importance))
        there = of_class > 0.0
        return mean_over_classes(found[there] / of_class[there], importance[there])

    def rises(self, rows: Rows) -> bool:
        """As for accuracy."""
        return True


@dataclass(frozen=True)
class MacroF1:
    """``sklearn.metrics.f1_score(average="macro", zero_division=nan)``: the mean over classes of their F1.

    Over the classes that some item has or that are predicted for some item.
    """

    kind: Kind
    name: str = "macro_f1"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Mean F1 in [0, 1]; 0.0 where no item has a label and none is predicted."""
        blended, counts = rows.blend(columns, weights), video_weights(rows)
        if self.kind == "several":
            chosen = blended > THRESHOLD
            each, importance = np.repeat(counts, np.diff(rows.indptr)), class_weights(rows)
            found = sums_by(rows.classes, each * (chosen & rows.correct), rows.class_count)
            predicted = sums_by(rows.classes, each * chosen, rows.class_count)
            labels = np.repeat(counts, np.diff(rows.truth.indptr))
            there = sums_by(rows.truth.indices, labels, rows.class_count)
        else:
            truth, decided, importance = _one_each(rows, blended, self.kind)
            found = sums_by(truth, counts * (truth == decided), len(importance))
            predicted = sums_by(decided, counts, len(importance))
            there = sums_by(truth, counts, len(importance))
        known = predicted + there > 0.0
        if not known.any():
            return 0.0
        return mean_over_classes(2.0 * found[known] / (predicted + there)[known], importance[known])

    def rises(self, rows: Rows) -> bool:
        """Where classes exclude each other, another mistake may be one for a class that counts less."""
        return self.kind in {"flag", "several"}


def best_classes(rows: Rows, blended: Floats) -> Ints:
    """[items] class of highest score of each item; of equal ones the lowest."""
    listed = np.diff(rows.indptr) > 0
    starts = rows.indptr[:-1][listed]
    highest = np.zeros(rows.video_count)
    highest[listed] = np.maximum.reduceat(blended, starts) if len(starts) else 0.0
    among = blended == np.repeat(highest, np.diff(rows.indptr))
    classes = np.where(among, rows.classes, rows.class_count)
    found = np.zeros(rows.video_count, np.int64)
    found[listed] = np.minimum.reduceat(classes, starts) if len(starts) else 0
    found[highest <= 0.0] = 0  # every class scores 0, listed or not
    return found


def flags(rows: Rows) -> Bools:
    """[items] whether an item has the only class."""
    return np.asarray(np.diff(rows.truth.indptr) > 0)


def flagged(rows: Rows, blended: Floats) -> Bools:
    """[items] whether the only class is predicted."""
    return np.asarray(_by_video(rows, blended > THRESHOLD) > 0)


def _one_each(rows: Rows, blended: Floats, kind: Kind) -> tuple[Ints, Ints, Floats]:
    """Of items with one class each: that class, the one decided on, and the weights of the classes."""
    if kind == "flag":
        return flags(rows).astype(np.int64), flagged(rows, blended).astype(np.int64), _flag_weights(rows)
    return rows.truth.indices.astype(np.int64), best_classes(rows, blended), class_weights(rows)


def _flag_weights(rows: Rows) -> Floats:
    """Weights of not having the only class, which is no class of its own and weighs 1, and of having it."""
    given = rows.class_weights
    return np.ones(2) if given is None else np.array([1.0, given[0]])


def _by_video(rows: Rows, chosen: Bools) -> Ints:
    """[items] how many entries of each are chosen."""
    before = np.concatenate([[0], np.cumsum(chosen)])
    return np.asarray(before[rows.indptr[1:]] - before[rows.indptr[:-1]])
