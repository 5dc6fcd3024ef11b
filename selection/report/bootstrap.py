"""How sure a score is: bootstrap over items, the same draws for all ensembles, so that differences are paired.

Where folds were cross-fitted, an ensemble is one to each fold of the items. All of them make one set of blended
scores, of every item by what was not chosen on it, and that is scored and resampled as if one ensemble had said it.
GAP ranks the pairs of all items together, so a mean over folds would be another metric: that of small sets.
Related items (a group) are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from gapsack.selection.errors import UndefinedMetricError
from gapsack.selection.metrics.objectives import Gap
from gapsack.selection.metrics.weighted_gap import WeightedPool
from gapsack.selection.metrics.weighting import is_weighted
from gapsack.selection.report.bootstrap_kernel import pooled_with_videos, resampled_precision_sum
from gapsack.selection.report.splits import by_appearance, rows_of_groups
from gapsack.selection.rows import streamed
from gapsack.selection.rows.rows import build_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels, Predictions
    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]

ERROR_RESAMPLES = 200  # for a standard error, which needs fewer than an interval
SLOW_ERROR_RESAMPLES = 50  # the same of a metric that is scored anew for each draw
SLOW_RESAMPLES = 100  # at most so many of a metric that is not GAP, each of which costs a full evaluation


@dataclass(frozen=True)
class Voters:
    """An ensemble as predictions with weights, ready to score on any items."""

    members: tuple[Predictions, ...]
    weights: tuple[float, ...]
    blend: Blend

    def rows(self, labels: Labels, videos: NDArray[np.int64], objective: Objective) -> Rows:
        """Rows of some items with one column a member."""
        rows = build_rows(labels.take(videos), self.members, objective.top_k, videos)
        columns = np.arange(len(self.members))
        if self.blend == "probability":
            return rows
        if objective.top_k is None:
            return rows.only(columns, logits=True)
        return rows.compact(columns, objective.top_k, logits=True)  # whose peaks are logits too, as GAP wants them

    def scored_rows(self, labels: Labels, videos: NDArray[np.int64], objective: Objective) -> tuple[Rows, Floats]:
        """Rows of some items and a weight for each of their columns; of very many items one column, the blend."""
        if len(videos) <= streamed.STREAMED_FROM:
            return self.rows(labels, videos, objective), np.array(self.weights)
        (rows,) = streamed.blended_rows(labels, self.members, [self.vote], objective.top_k, videos)
        return rows, np.ones(1)

    @property
    def vote(self) -> streamed.Vote:
        """The same by places of the members."""
        return streamed.Vote(tuple(range(len(self.members))), self.weights, self.blend == "logit")


@dataclass(frozen=True)
class Sample:
    """A score on all items, and [resamples] on items drawn with replacement; NaN for draws that have none."""

    score: float
    draws: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """Percentile interval."""
        low, high = np.nanquantile(self.draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def minus(self, other: Sample) -> Sample:
        """The paired difference."""
        return Sample(self.score - other.score, self.draws - other.draws)

    def less_sure(self, error: float) -> Sample:
        """The same with draws as wide as those of a sum with an independent error of such a standard deviation."""
        own = self.standard_error
        middle = np.nanmean(self.draws)
        if own > 0.0:
            return replace(self, draws=middle + (self.draws - middle) * (np.hypot(own, error) / own))
        places = (np.arange(len(self.draws)) + 0.5) / len(self.draws)
        return replace(self, draws=middle + error * ndtri(places))

    @property
    def standard_error(self) -> float:
        """Standard deviation of the draws."""
        return float(np.nanstd(self.draws, ddof=1)) if np.isfinite(self.draws).sum() > 1 else 0.0


@dataclass(frozen=True)
class ScoredPart:
    """Some items, and the ensemble that scores them: one that was not chosen on any of them.

    Attributes:
        videos: rows of the pool.
        voters: the ensemble.
    """

    videos: NDArray[np.int64]
    voters: Voters


def blended(labels: Labels, parts: Sequence[ScoredPart], objective: Objective) -> Rows:
    """Rows of the items of all parts, part by part, with one column: what each part's ensemble says of its items.

    Args:
        labels: ground truth of the pool.
        parts: at least one, each item in one of them.
        objective: decides which entries of a row count.
    """
    if sum(len(part.videos) for part in parts) > streamed.STREAMED_FROM:
        return _streamed(labels, parts, objective)
    videos = np.concatenate([part.videos for part in parts])
    places: dict[int, int] = {}
    lists: list[Predictions] = []
    for member in (member for part in parts for member in part.voters.members):
        if id(member) not in places:
            places[id(member)] = len(lists)
            lists.append(member)
    rows = build_rows(labels.take(videos), [member.take(videos) for member in lists], objective.top_k)
    values = np.zeros((1, len(rows.classes)))
    start = 0
    for part in parts:
        stop = start + len(part.videos)
        columns = np.array([places[id(member)] for member in part.voters.members], np.int64)
        own = rows.take(np.arange(start, stop))
        listed = (own.values[columns] > 0).any(axis=0) | (not rows.skip_zero)
        own = own.only(columns, logits=part.voters.blend == "logit")
        mixed = own.blend(np.arange(len(columns)), np.array(part.voters.weights))
        # What none of this part's members lists has a row for other parts' sake alone.
        values[0, rows.indptr[start] : rows.indptr[stop]] = np.where(listed, mixed, 0.0)
        start = stop
    unsorted = np.full(len(rows.classes), np.inf)
    return replace(rows, values=values, peaks=unsorted, tails=np.zeros((1, len(videos)), np.float32))


def _streamed(labels: Labels, parts: Sequence[ScoredPart], objective: Objective) -> Rows:
    """``blended`` without the rows of all items: of each those entries alone that can be among its best."""
    most_labels = max(int(labels.counts[part.videos].max(initial=0)) for part in parts)
    found = []
    for part in parts:
        found += streamed.blended_rows(
            labels,
            part.voters.members,
            [part.voters.vote],
            objective.top_k,
            part.videos,
            most_labels=most_labels,
            zeros_stay=True,
        )
    videos = np.concatenate([part.videos for part in parts])
    return streamed.one_after_another(labels, videos, [streamed.as_probabilities(rows) for rows in found])


def draws_for_an_error(objective: Objective) -> int:
    """Draws that a standard error is taken of."""
    return ERROR_RESAMPLES if isinstance(objective, Gap) else SLOW_ERROR_RESAMPLES


def sample_on(
    rows: Rows,
    voting: Sequence[float],
    objective: Objective,
    *,
    resamples: int,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> Sample:
    """The score of one ensemble on rows with a column for each member, and on resamples; draw i is of the same items
    for every ensemble on rows of the same items in the same order.

    Args:
        rows: to score on.
        voting: weights of the columns.
        objective: what to score.
        resamples: draws; metrics other than GAP get ``SLOW_RESAMPLES`` at most.
        seed: of the draws.
        groups: [items] numbers of groups, which are drawn whole; None draws items.
    """
    columns, weights = np.arange(rows.column_count), np.array(voting)
    score = objective.score(rows, columns, weights)
    rng = np.random.default_rng([seed, 1])
    n = rows.video_count
    numbers = np.arange(n) if groups is None else by_appearance(groups)
    count = int(numbers.max(initial=-1)) + 1
    if isinstance(objective, Gap):
        drawn = (np.bincount(rng.integers(0, count, count), minlength=count)[numbers] for _ in range(resamples))
        return Sample(score, _gap_draws(rows, weights, objective.k, resamples, drawn))
    videos = (rows_of_groups(numbers, rng.integers(0, count, count)) for _ in range(min(resamples, SLOW_RESAMPLES)))
    draws = [score_or_nan(objective, rows.take(each), columns, weights) for each in videos]
    return Sample(score, np.array(draws))


def score_or_nan(objective: Objective, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
    """NaN where a draw has no score, such as the area under a curve of a class that none of its items has."""
    try:
        return objective.score(rows, columns, weights)
    except UndefinedMetricError:
        return np.nan


def _gap_draws(rows: Rows, weights: Floats, k: int, resamples: int, drawn: Iterable[NDArray[np.integer]]) -> Floats:
    """GAP of resamples: the pool is sorted once, and a draw only says how often each item's pairs count."""
    columns = np.arange(rows.column_count)
    if is_weighted(rows):
        pool = WeightedPool.of(rows, columns, weights, k)
        return np.array([pool.gap(times) for times in drawn])
    scores, correct, owners = pooled_with_videos(
        rows.values, rows.peaks, rows.correct, rows.indptr, columns, weights, k, rows.skip_zero
    )
    order = np.lexsort((correct, -scores))
    correct, owners = correct[order], owners[order]
    label_counts = np.diff(rows.truth.indptr)
    draws = np.zeros(resamples)
    for place, counted in enumerate(drawn):
        times = counted.astype(np.int32)
        labels = int(times @ label_counts)
        draws[place] = resampled_precision_sum(correct, owners, times) / labels if labels else 0.0
    return draws
