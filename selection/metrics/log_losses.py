"""Log losses on class-sparse rows, negated so that higher is better, and what a convex solver wants to know of them.

Both are minus a weighted sum of logarithms, and on the simplex what a logarithm is taken of is a weighted mean of what
each member says: p for a label and, in the binary one, 1 - p for any other class. So they are convex in the weights of
a blend of probabilities, as the likelihood of a mixture is in its proportions (``Mixture``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.metrics.dense_metrics import LEAST_PROBABILITY, LOG_LOSS_EPSILON, check_one_label
from gapsack.selection.metrics.mixing import mixed, slopes_of, total
from gapsack.selection.metrics.weighting import (
    class_weights,
    is_weighted,
    label_weights,
    pair_weights,
    sums_by,
    video_weights,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]
    Columns = NDArray[np.int64]

SUM_SLACK = 1e-5  # relative; how much columns' sums in an item may differ, for the categorical loss to count as convex


@dataclass(frozen=True)
class Mixture:
    """A metric that is ``importance @ log(weights @ likelihoods)`` and a constant, for weights on the simplex.

    Attributes:
        likelihoods: [members, terms] float64, at least 0.
        importance: [terms] float64, positive.
        least: of a term's mean less than this the logarithm is that of this.
        slack: what the metric may differ by, where members' scores sum to one but for rounding.
    """

    likelihoods: Floats
    importance: Floats
    least: float = 0.0
    slack: float = 0.0

    def of(self, members: Columns) -> Mixture:
        """The same of some members, without the terms that are the same for all weights: each at ``least``."""
        chosen = self.likelihoods[members]
        open_to = chosen.max(axis=0) > self.least
        if not open_to.all():
            chosen = np.ascontiguousarray(chosen[:, open_to])
            return Mixture(chosen, self.importance[open_to], self.least, self.slack)
        return Mixture(chosen, self.importance, self.least, self.slack)

    def rise(self, weights: Floats) -> float:
        """How far above its value at some weights the metric may be at any others: what a tangent leaves possible.

        The tangent is that of logarithms of ``least`` more, which are concave and never below.
        """
        means = mixed(weights, self.likelihoods)
        raised = means + self.least
        slopes = slopes_of(self.likelihoods + self.least, self.importance / raised)
        above = total(self.importance, np.log(raised) - np.log(np.maximum(means, self.least)))
        return above + float(slopes.max() - weights @ slopes) + self.slack


@dataclass(frozen=True)
class BinaryLogLoss:
    """``selection.metrics.dense_metrics.binary_log_loss``, negated so that higher is better."""

    name: str = "binary_log_loss"
    top_k: int | None = None

    def score(self, rows: Rows, columns: Columns, weights: Floats) -> float:
        """Minus the log loss an item."""
        blended = rows.blend(columns, weights)
        likelihood = np.where(rows.correct, blended, 1.0 - blended) + LOG_LOSS_EPSILON
        pairs = pair_weights(rows)
        if pairs is None:
            missed = rows.label_count - int(rows.correct.sum())
            others = rows.video_count * rows.class_count - len(blended) - missed
            found = np.log(likelihood).sum() + missed * np.log(LOG_LOSS_EPSILON)
            return float(found + others * np.log1p(LOG_LOSS_EPSILON)) / rows.video_count
        unlisted_labels = float(label_weights(rows).sum() - pairs[rows.correct].sum())
        classes, videos = class_weights(rows), video_weights(rows)
        unlisted_others = float(videos.sum() * classes.sum() - pairs.sum()) - unlisted_labels
        found = total(pairs, np.log(likelihood)) + unlisted_labels * np.log(LOG_LOSS_EPSILON)
        return float(found + unlisted_others * np.log1p(LOG_LOSS_EPSILON)) * self._scale(rows)

    @staticmethod
    def _scale(rows: Rows) -> float:
        """What a sum over pairs is multiplied by: classes weigh 1 in the mean, so that it stays a sum over them."""
        return 1.0 / float(video_weights(rows).sum() * class_weights(rows).mean())

    def rises(self, rows: Rows) -> bool:
        """Each pair counts by itself."""
        return True

    def mixture(self, rows: Rows, columns: Columns) -> Mixture | None:
        """Its likelihoods of members; None for a blend of logits."""
        if rows.logits:
            return None
        values = rows.values[columns].astype(np.float64)
        pairs = pair_weights(rows)
        importance = np.ones(len(rows.classes)) if pairs is None else pairs
        return Mixture(np.where(rows.correct, values, 1.0 - values) + LOG_LOSS_EPSILON, importance * self._scale(rows))


@dataclass(frozen=True)
class CategoricalLogLoss:
    """``selection.metrics.dense_metrics.categorical_log_loss``, negated so that higher is better.

    Class weights: an item counts with that of its label.
    """

    name: str = "categorical_log_loss"
    top_k: int | None = None

    def score(self, rows: Rows, columns: Columns, weights: Floats) -> float:
        """Minus the log loss an item. Raises an InputError unless every item has exactly one label."""
        check_one_label(np.diff(rows.truth.indptr))
        blended = rows.blend(columns, weights)
        videos = np.repeat(np.arange(rows.video_count), np.diff(rows.indptr))
        sums = sums_by(videos, blended, rows.video_count)
        mine = sums_by(videos, np.where(rows.correct, blended, 0.0), rows.video_count)
        share = mine / np.where(sums > 0.0, sums, 1.0)
        gained = np.log(np.clip(share, LEAST_PROBABILITY, 1.0))
        return float(np.average(gained, weights=label_weights(rows)) if is_weighted(rows) else gained.mean())

    def rises(self, rows: Rows) -> bool:
        """The share of a label rises with it and falls with others."""
        return True

    def mixture(self, rows: Rows, columns: Columns) -> Mixture | None:
        """Its likelihoods of members; None for a blend of logits, and where members sum to different numbers."""
        if rows.logits:
            return None
        videos = np.repeat(np.arange(rows.video_count), np.diff(rows.indptr))
        listed = [rows.values[column].astype(np.float64) for column in columns]
        sums = np.stack([sums_by(videos, values, rows.video_count) for values in listed])
        if (sums <= 0.0).any() or (np.ptp(sums, axis=0) > SUM_SLACK * sums.max(axis=0)).any():
            return None
        mine = np.stack([sums_by(videos, np.where(rows.correct, each, 0.0), rows.video_count) for each in listed])
        importance = label_weights(rows) / float(label_weights(rows).sum())
        # A mean of scores that sum to s is one of shares in which each member votes with s times its weight.
        slack = total(importance, np.log(sums.max(axis=0) / sums.min(axis=0)))
        return Mixture(mine / sums, importance, LEAST_PROBABILITY, slack)
