"""What the search maximises, on class-sparse rows: GAP@k, mean average precision, a log loss, or a user's function.

Classes that no row lists count as score 0. GAP@k is compiled and fast; the others cost tens to hundreds of times more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.sparse import csr_array

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.dense_metrics import LEAST_PROBABILITY, LOG_LOSS_EPSILON, check_one_label
from gapsack.selection.metrics.map_kernel import precision_sums_by_class
from gapsack.selection.rows.pooled import blended_precision_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.rows.rows import Rows

UserMetric = Callable[[csr_array, csr_array], float]
DEFAULT_K = 20
MAX_K = 2**20
"""More than the classes of any vocabulary that is searched; beyond those a greater k changes nothing."""


class Objective(Protocol):
    """Scores a blend of some columns of rows; higher is better.

    ``name`` is the metric as given; ``top_k`` the k of GAP@k, and None for metrics that need every entry of a row.
    """

    @property
    def name(self) -> str:
        """The metric as given."""

    @property
    def top_k(self) -> int | None:
        """Entries of a video that count, or None for all."""

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """Score of the blend over all rows; higher is better."""


@dataclass(frozen=True)
class Gap:
    """GAP@k (``selection.gap``)."""

    k: int = DEFAULT_K

    @property
    def name(self) -> str:
        """ "gap@k"."""
        return f"gap@{self.k}"

    @property
    def top_k(self) -> int | None:
        """The k."""
        return self.k

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """GAP@k in [0, 1]; 0.0 when no video has a label."""
        labels = rows.label_count
        if labels == 0:
            return 0.0
        total = blended_precision_sum(
            rows.values,
            rows.peaks,
            rows.correct,
            rows.indptr,
            columns,
            weights,
            rows.video_count,
            self.k,
            rows.skip_zero,
        )
        return float(total) / labels


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Mean over classes of the average precision over videos (``selection.metrics.dense``)."""

    name: str = "map"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """Mean AP in [0, 1]."""
        order, bounds = rows.by_class
        sums = precision_sums_by_class(
            rows.blend(columns, weights)[order],
            rows.correct[order],
            bounds,
            rows.labels_by_class,
            rows.video_count,
        )
        with_labels = rows.labels_by_class > 0
        if not with_labels.any():
            return 0.0
        return float(np.mean(sums[with_labels] / rows.labels_by_class[with_labels]))


@dataclass(frozen=True)
class BinaryLogLoss:
    """``selection.metrics.dense.binary_log_loss``, negated so that higher is better."""

    name: str = "binary_log_loss"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """Minus the log loss a video."""
        blended = rows.blend(columns, weights)
        likelihood = np.where(rows.correct, blended, 1.0 - blended) + LOG_LOSS_EPSILON
        labels = rows.label_count
        unlisted_labels = labels - int(rows.correct.sum())
        unlisted_others = rows.video_count * rows.class_count - len(blended) - unlisted_labels
        total = np.log(likelihood).sum() + unlisted_labels * np.log(LOG_LOSS_EPSILON)
        return float(total + unlisted_others * np.log1p(LOG_LOSS_EPSILON)) / rows.video_count


@dataclass(frozen=True)
class CategoricalLogLoss:
    """``selection.metrics.dense.categorical_log_loss``, negated so that higher is better."""

    name: str = "categorical_log_loss"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """Minus the log loss a video. Raises an InputError unless every video has exactly one label."""
        check_one_label(np.diff(rows.truth.indptr))
        blended = rows.blend(columns, weights)
        videos = np.repeat(np.arange(rows.video_count), np.diff(rows.indptr))
        sums = np.bincount(videos, blended, rows.video_count)
        mine = np.bincount(videos, np.where(rows.correct, blended, 0.0), rows.video_count)
        share = mine / np.where(sums > 0.0, sums, 1.0)
        return float(np.log(np.clip(share, LEAST_PROBABILITY, 1.0)).mean())


@dataclass(frozen=True)
class UserObjective:
    """A callable of (blended scores, labels), both ``scipy.sparse.csr_array`` [videos, classes]; higher is better.

    The scores are float64 probabilities, those of unlisted classes absent; the labels are bool. Rows are in the order
    in which the search took the videos, which it shuffles. Called hundreds of times, from several threads.
    """

    function: UserMetric
    top_k: int | None = None

    @property
    def name(self) -> str:
        """The callable's name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """What the callable returns, which must be a finite number."""
        shape = (rows.video_count, rows.class_count)
        blended = csr_array((rows.blend(columns, weights), rows.classes, rows.indptr), shape=shape)
        try:
            value = self.function(blended, rows.truth)
        except Exception as error:  # it is anyone's code
            raise InputError(
                f"the metric {self.name} must return a number; it raised {type(error).__name__}: {error}."
            ) from error
        try:
            score = float(value)
        except (TypeError, ValueError, OverflowError):
            score = np.nan
        if not np.isfinite(score):
            raise InputError(f"the metric {self.name} must return a finite number, higher being better; got {value!r}.")
        return score


_NAMED: dict[str, Objective] = {
    each.name: each for each in (MeanAveragePrecision(), BinaryLogLoss(), CategoricalLogLoss())
}
_OLDER_NAMES = {"log_loss": "binary_log_loss"}


def objective_of(metric: str | UserMetric) -> Objective:
    """The objective named "gap@k" ("gap" for k = 20), "map", "binary_log_loss" (formerly "log_loss") or
    "categorical_log_loss", or that of a callable. Raises InputError.
    """
    if callable(metric):
        return UserObjective(metric)
    match = re.fullmatch(r"gap(?:@([1-9]\d*))?", metric)
    if match:
        if len(match[1] or "") > len(str(MAX_K)) or int(match[1] or DEFAULT_K) > MAX_K:
            raise InputError(f"the k of gap@k must be at most {MAX_K}; got {metric[:60]!r}.")
        return Gap(int(match[1] or DEFAULT_K))
    name = _OLDER_NAMES.get(metric, metric)
    if name not in _NAMED:
        raise InputError(f"metric must be gap@k, {', '.join(_NAMED)} or a callable; got {metric[:200]!r}.")
    return _NAMED[name]
