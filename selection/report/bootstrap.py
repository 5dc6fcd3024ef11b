"""How sure a score is: bootstrap over videos, the same draws for all ensembles, so that differences are paired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import UndefinedMetricError
from gapsack.selection.metrics.objectives import Gap
from gapsack.selection.metrics.weighted_gap import WeightedPool
from gapsack.selection.metrics.weighting import is_weighted
from gapsack.selection.report.bootstrap_kernel import pooled_with_videos, resampled_precision_sum
from gapsack.selection.rows.rows import build_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels, Predictions
    from gapsack.selection.rows.rows import Rows

    Floats = NDArray[np.float64]

SLOW_RESAMPLES = 100  # at most so many of a metric that is not GAP, each of which costs a full evaluation


@dataclass(frozen=True)
class Voters:
    """An ensemble as predictions with weights, ready to score on any videos."""

    members: tuple[Predictions, ...]
    weights: tuple[float, ...]
    blend: Blend

    def rows(self, labels: Labels, videos: NDArray[np.int64], objective: Objective) -> Rows:
        """Rows of some videos with one column a member."""
        lists = [member.take(videos) for member in self.members]
        rows = build_rows(labels.take(videos), lists, objective.top_k)
        columns = np.arange(len(lists))
        if self.blend == "probability":
            return rows
        if objective.top_k is None:
            return rows.only(columns, logits=True)
        return rows.compact(columns, objective.top_k, logits=True)  # whose peaks are logits too, as GAP wants them


@dataclass(frozen=True)
class Sample:
    """A score on all videos, and [resamples] on videos drawn with replacement; NaN for draws that have none."""

    score: float
    draws: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """Percentile interval."""
        low, high = np.nanquantile(self.draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def minus(self, other: Sample) -> Sample:
        """The paired difference."""
        return Sample(self.score - other.score, self.draws - other.draws)

    @property
    def standard_error(self) -> float:
        """Standard deviation of the draws."""
        return float(np.nanstd(self.draws, ddof=1)) if np.isfinite(self.draws).sum() > 1 else 0.0


def bootstrap(
    voters: Sequence[Voters],
    labels: Labels,
    videos: NDArray[np.int64],
    objective: Objective,
    *,
    resamples: int,
    seed: int,
) -> list[Sample]:
    """Score ensembles on some videos and on resamples of them; draw i is of the same videos for all of them.

    Args:
        voters: the ensembles.
        labels: ground truth of the whole pool.
        videos: rows of the pool to score on.
        objective: what to score.
        resamples: draws; metrics other than GAP get ``SLOW_RESAMPLES`` at most.
        seed: of the draws.
    """
    return [
        sample_on(each.rows(labels, videos, objective), each.weights, objective, resamples=resamples, seed=seed)
        for each in voters
    ]


def sample_on(rows: Rows, voting: Sequence[float], objective: Objective, *, resamples: int, seed: int) -> Sample:
    """The score of one ensemble on rows with a column for each member, and on resamples, as in ``bootstrap``."""
    columns, weights = np.arange(rows.column_count), np.array(voting)
    score = objective.score(rows, columns, weights)
    rng = np.random.default_rng([seed, 1])
    n = rows.video_count
    if isinstance(objective, Gap):
        return Sample(score, _gap_draws(rows, weights, objective.k, resamples, rng))
    drawn = (rng.integers(0, n, n) for _ in range(min(resamples, SLOW_RESAMPLES)))
    draws = [_score_or_nan(objective, rows.take(videos), columns, weights) for videos in drawn]
    return Sample(score, np.array(draws))


def _score_or_nan(objective: Objective, rows: Rows, columns: NDArray[np.int64], weights: Floats) -> float:
    """NaN where a draw has no score, such as the area under a curve of a class that none of its videos has."""
    try:
        return objective.score(rows, columns, weights)
    except UndefinedMetricError:
        return np.nan


def _gap_draws(rows: Rows, weights: Floats, k: int, resamples: int, rng: np.random.Generator) -> Floats:
    """GAP of resamples: the pool is sorted once, and a draw only changes how often each video's pairs count."""
    columns = np.arange(rows.column_count)
    if is_weighted(rows):
        pool = WeightedPool.of(rows, columns, weights, k)
        n = rows.video_count
        drawn = (np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(resamples))
        return np.array([pool.gap(times) for times in drawn])
    scores, correct, owners = pooled_with_videos(
        rows.values, rows.peaks, rows.correct, rows.indptr, columns, weights, k, rows.skip_zero
    )
    order = np.lexsort((correct, -scores))
    correct, owners = correct[order], owners[order]
    n = rows.video_count
    label_counts = np.diff(rows.truth.indptr)
    draws = np.zeros(resamples)
    for place in range(resamples):
        times = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.int32)
        labels = int(times @ label_counts)
        draws[place] = resampled_precision_sum(correct, owners, times) / labels if labels else 0.0
    return draws
