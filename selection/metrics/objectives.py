"""What the search maximises, on class-sparse rows: GAP@k, a metric by name (``selection.metrics.registry``), or a
user's function.

Classes that no row lists count as score 0. GAP@k is compiled and fast; the others cost tens of times more, and losses
make up for it with gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_of_lists
from gapsack.selection.metrics.registry import DEFAULT_K, gap_k, kind_for, metric_of
from gapsack.selection.metrics.weighted_gap import WeightedPool
from gapsack.selection.metrics.weighting import is_weighted
from gapsack.selection.rows.pooled import blended_precision_sum
from gapsack.selection.rows.rows import build_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.log_losses import Mixture
    from gapsack.selection.pool.lists import Labels, Predictions
    from gapsack.selection.rows.rows import Rows

__all__ = [
    "DEFAULT_K",
    "Gap",
    "Objective",
    "Smooth",
    "UserMetric",
    "UserObjective",
    "objective_of",
    "score_of_lists",
]

UserMetric = Callable[[csr_array, csr_array], float]


class Objective(Protocol):
    """Scores a blend of some columns of rows; higher is better.

    ``name`` is the metric as given; ``top_k`` the k of GAP@k, and None for metrics that need every entry of a row.
    """

    @property
    def name(self) -> str:
        """The metric as given."""

    @property
    def top_k(self) -> int | None:
        """Entries of an item that count, or None for all."""

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        """Score of the blend over all rows; higher is better."""

    def rises(self, rows: Rows) -> bool:
        """Whether it never falls on these rows when a correct class's score rises, or an incorrect one's sinks."""


@runtime_checkable
class Smooth(Objective, Protocol):
    """A metric with gradients in the weights of a blend of probabilities."""

    def mixture(self, rows: Rows, columns: NDArray[np.int64]) -> Mixture | None:
        """What a convex solver wants to know of some columns; None where it is not convex on these rows."""


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
        """GAP@k in [0, 1]; 0.0 when no item has a label."""
        labels = rows.label_count
        if labels == 0:
            return 0.0
        if is_weighted(rows):
            return WeightedPool.of(rows, columns, weights, self.k).gap()
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

    def rises(self, rows: Rows) -> bool:
        """With weights it matters which of two correct pairs comes first."""
        return not is_weighted(rows)


@dataclass(frozen=True)
class UserObjective:
    """A callable of (blended scores, labels), both ``scipy.sparse.csr_array`` [items, classes]; higher is better.

    The scores are float64 probabilities, those of unlisted classes absent; the labels are bool. Rows are in the order
    in which the search took the items, which it shuffles. Called hundreds of times, from several threads.
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

    def rises(self, rows: Rows) -> bool:
        """Nobody knows."""
        return False


def objective_of(metric: str | UserMetric, labels: Labels | None = None) -> Objective:
    """The objective of a name ("gap@k", "gap" for k = 20, or one of ``selection.metrics.registry``) or of a callable.

    Args:
        metric: the name, or the callable.
        labels: of the whole pool; they decide what some metrics mean, and are checked for others.

    Raises:
        InputError: no such metric, or one that cannot be computed for these labels.
    """
    if callable(metric):
        if labels is not None and is_weighted(labels):
            raise InputError(
                "a metric of one's own gets scores and labels alone, and weighs them itself; got item weights or class "
                "weights besides."
            )
        return UserObjective(metric)
    k = gap_k(metric)
    if k is not None:
        return Gap(k)
    found = metric_of(metric)
    objective: Objective = found.make(kind_for(found, labels))
    return objective


def score_of_lists(lists: Predictions, labels: Labels, objective: Objective) -> float:
    """One model's score by its lists, aligned to the labels: what is shown of it wherever its score is."""
    if isinstance(objective, Gap) and not is_weighted(labels):
        return gap_of_lists(lists.top_indices, lists.top_scores, labels, objective.k)
    return objective.score(build_rows(labels, [lists], objective.top_k), np.zeros(1, np.int64), np.ones(1))
