"""Metrics of how each class ranks the items: mean average precision, and scikit-learn's area under the ROC curve and
average precision.

scikit-learn's take items of equal score together; ``map`` follows the tie rule of ``selection.gap``. Classes that no
row lists score 0: such items are behind all others, together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import UndefinedMetricError
from gapsack.selection.metrics.label_kinds import Kind
from gapsack.selection.metrics.map_kernel import precision_sums_by_class
from gapsack.selection.metrics.weighting import class_weights, mean_over_classes, sums_by, unequal, video_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Mean over classes of the average precision over items (``selection.metrics.dense_metrics``)."""

    name: str = "map"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Mean AP in [0, 1], over the classes that some item has; 0.0 when none has a label."""
        there = rows.labels_by_class > 0
        if not there.any():
            return 0.0
        blended = rows.blend(columns, weights)
        if unequal(rows.item_weights) is None:
            order, bounds = rows.by_class
            sums = precision_sums_by_class(
                blended[order], rows.correct[order], bounds, rows.labels_by_class, rows.video_count
            )
            precisions = sums[there] / rows.labels_by_class[there]
        else:
            precisions = _weighted_precisions(rows, blended)[there]
        return mean_over_classes(precisions, class_weights(rows)[there])

    def rises(self, rows: Rows) -> bool:
        """With weights it matters which of two correct items comes first."""
        return unequal(rows.item_weights) is None


@dataclass(frozen=True)
class RocAuc:
    """``sklearn.metrics.roc_auc_score``: of a class (binary), or the mean over classes, each against the rest (macro).

    Over the classes that some items have and others have not.
    """

    kind: Kind
    name: str = "roc_auc"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Mean area in [0, 1]. Raises an UndefinedMetricError where no class has both kinds of items."""
        ranked = _Ranked.of(rows, rows.blend(columns, weights))
        there = (ranked.positives > 0.0) & (rows.labels_by_class < rows.video_count) & _counted(rows, self.kind)
        if not there.any():
            raise UndefinedMetricError(
                f"roc_auc needs a class that some items have and others have not; of these {rows.video_count} items "
                "there is none."
            )
        before = ranked.found - ranked.right  # weight of the positives above a group
        # Each negative is beaten by the positives above it, and by half of those beside it.
        beaten = sums_by(ranked.classes, ranked.wrong * (before + 0.5 * ranked.right), rows.class_count)
        missed = ranked.positives - ranked.last_found
        unlisted = ranked.total - ranked.positives - ranked.last_wrong
        beaten += unlisted * (ranked.last_found + 0.5 * missed)
        areas = beaten[there] / (ranked.positives * (ranked.total - ranked.positives))[there]
        return mean_over_classes(areas, class_weights(rows)[there])

    def rises(self, rows: Rows) -> bool:
        """Each pair of an item with and one without the class counts by itself."""
        return True


@dataclass(frozen=True)
class AveragePrecision:
    """``sklearn.metrics.average_precision_score``: of a class (binary), or the mean over classes (macro).

    Over the classes that some item has.
    """

    kind: Kind
    name: str = "average_precision"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
        """Mean average precision in [0, 1]. Raises an UndefinedMetricError where no item has a label that counts."""
        ranked = _Ranked.of(rows, rows.blend(columns, weights))
        there = (ranked.positives > 0.0) & _counted(rows, self.kind)
        if not there.any():
            raise UndefinedMetricError(
                f"average_precision needs a class that some items have; of these {rows.video_count} items there is "
                "none."
            )
        sums = sums_by(ranked.classes, ranked.right * ranked.found / ranked.seen, rows.class_count)
        sums += (ranked.positives - ranked.last_found) * ranked.positives / ranked.total
        return mean_over_classes(sums[there] / ranked.positives[there], class_weights(rows)[there])

    def rises(self, rows: Rows) -> bool:
        """Not where correct items that tied come apart: scikit-learn takes equal scores together."""
        return False


@dataclass(frozen=True)
class _Ranked:
    """Items by class and falling score, those of equal score together in a group; what scores 0 is in none.

    Attributes:
        classes: [groups] the class.
        right: [groups] weight of the group's items that have the class.
        wrong: [groups] that of the others.
        found: [groups] weight of the items that have the class, down to the group's.
        seen: [groups] weight of all items down to the group's.
        positives: [classes] weight of all items that have the class.
        last_found: [classes] ``found`` of the last group.
        last_wrong: [classes] the same of the items that have it not.
        total: weight of all items.
    """

    classes: Ints
    right: Floats
    wrong: Floats
    found: Floats
    seen: Floats
    positives: Floats
    last_found: Floats
    last_wrong: Floats
    total: float

    @classmethod
    def of(cls, rows: Rows, blended: Floats) -> _Ranked:
        """Rank the entries of rows by their blended scores."""
        counts = video_weights(rows)
        listed = np.flatnonzero(blended > 0.0)
        order = listed[np.lexsort((-blended[listed], rows.classes[listed]))]
        classes, scores = rows.classes[order], blended[order]
        each = np.repeat(counts, np.diff(rows.indptr))[order]
        starts = np.flatnonzero(np.diff(classes, prepend=-1) | np.diff(scores, prepend=np.inf).astype(bool))
        right = _sums(each * rows.correct[order], starts)
        wrong = _sums(each * ~rows.correct[order], starts)
        of_group = classes[starts].astype(np.int64)
        last_found = sums_by(of_group, right, rows.class_count)
        last_wrong = sums_by(of_group, wrong, rows.class_count)
        found = np.cumsum(right) - (np.cumsum(last_found) - last_found)[of_group]
        others = np.cumsum(wrong) - (np.cumsum(last_wrong) - last_wrong)[of_group]
        positives = sums_by(rows.truth.indices, np.repeat(counts, np.diff(rows.truth.indptr)), rows.class_count)
        total = float(counts.sum())
        return cls(of_group, right, wrong, found, found + others, positives, last_found, last_wrong, total)


def _sums(values: Floats, starts: Ints) -> Floats:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def _counted(rows: Rows, kind: Kind) -> NDArray[np.bool_]:
    """[classes] which ones have a figure: of two that exclude each other the positive one alone, else all."""
    counted = np.ones(rows.class_count, bool)
    if kind == "pair":
        counted[0] = False
    return counted


def _weighted_precisions(rows: Rows, blended: Floats) -> Floats:
    """[classes] average precision where each item counts with its weight; 0.0 of a class that no item has.

    What has the class and scores 0, listed or not, is behind all others, as in ``map_kernel``.
    """
    counts, width = video_weights(rows), rows.class_count
    listed = np.flatnonzero(blended > 0.0)
    owners = np.repeat(np.arange(rows.video_count), np.diff(rows.indptr))
    order = listed[np.lexsort((rows.correct[listed], -blended[listed], rows.classes[listed]))]
    videos = np.repeat(np.arange(rows.video_count), np.diff(rows.truth.indptr))
    truth = videos * width + rows.truth.indices
    right = order[rows.correct[order]]
    missed = np.flatnonzero(~np.isin(truth, owners[right] * width + rows.classes[right]))
    missed_classes, missed_weights = rows.truth.indices[missed], counts[videos[missed]]
    # Behind the listed ones of each class a block that stands for all incorrect ones below, then the missed ones.
    classes = np.concatenate([rows.classes[order], np.arange(width), missed_classes])
    rank = np.concatenate([np.arange(len(order)), np.full(width, len(order)), len(order) + 1 + np.arange(len(missed))])
    correct = np.concatenate([rows.correct[order], np.zeros(width, bool), np.ones(len(missed), bool)])
    seen = sums_by(rows.classes[order], counts[owners[order]], width)
    below = counts.sum() - seen - sums_by(missed_classes, missed_weights, width)
    each = np.concatenate([counts[owners[order]], below, missed_weights])
    place = np.lexsort((rank, classes))
    classes, correct, each = classes[place], correct[place], each[place]
    starts = np.searchsorted(classes, np.arange(width))
    found, passed = np.cumsum(each * correct), np.cumsum(each)
    found -= np.concatenate([[0.0], found])[starts][classes]
    passed -= np.concatenate([[0.0], passed])[starts][classes]
    sums = sums_by(classes[correct], (each * found / np.maximum(passed, 1e-300))[correct], width)
    positives = sums_by(rows.truth.indices, counts[videos], width)
    return np.asarray(sums / np.where(positives > 0.0, positives, 1.0))
