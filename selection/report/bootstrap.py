"""How sure a score is: bootstrap over videos, the same draws for all ensembles, so that differences are paired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.metrics.objectives import Gap
from gapsack.selection.report.bootstrap_kernel import pooled_with_videos, resampled_precision_sum
from gapsack.selection.rows import streamed
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
        rows = build_rows(labels.take(videos), self.members, objective.top_k, videos)
        columns = np.arange(len(self.members))
        if self.blend == "probability":
            return rows
        if objective.top_k is None:
            return rows.only(columns, logits=True)
        return rows.compact(columns, objective.top_k, logits=True)  # whose peaks are logits too, as GAP wants them

    def scored_rows(self, labels: Labels, videos: NDArray[np.int64], objective: Objective) -> tuple[Rows, Floats]:
        """Rows of some videos and a weight for each of their columns; of very many videos one column, the blend."""
        if len(videos) <= streamed.STREAMED_FROM:
            return self.rows(labels, videos, objective), np.array(self.weights)
        vote = streamed.Vote(tuple(range(len(self.members))), self.weights, self.blend == "logit")
        (rows,) = streamed.blended_rows(labels, self.members, [vote], objective.top_k, videos)
        return rows, np.ones(1)


@dataclass(frozen=True)
class Sample:
    """A score on all videos, and [resamples] on videos drawn with replacement."""

    score: float
    draws: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """Percentile interval."""
        low, high = np.quantile(self.draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def minus(self, other: Sample) -> Sample:
        """The paired difference."""
        return Sample(self.score - other.score, self.draws - other.draws)

    @property
    def standard_error(self) -> float:
        """Standard deviation of the draws."""
        return float(self.draws.std(ddof=1)) if len(self.draws) > 1 else 0.0


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
        sample_on(*each.scored_rows(labels, videos, objective), objective, resamples=resamples, seed=seed)
        for each in voters
    ]


def sample_on(
    rows: Rows, voting: Sequence[float] | Floats, objective: Objective, *, resamples: int, seed: int
) -> Sample:
    """The score of one ensemble on rows with a column for each member, and on resamples, as in ``bootstrap``."""
    columns, weights = np.arange(rows.column_count), np.array(voting)
    score = objective.score(rows, columns, weights)
    rng = np.random.default_rng([seed, 1])
    n = rows.video_count
    if isinstance(objective, Gap):
        return Sample(score, _gap_draws(rows, weights, objective.k, resamples, rng))
    drawn = (rng.integers(0, n, n) for _ in range(min(resamples, SLOW_RESAMPLES)))
    return Sample(score, np.array([objective.score(rows.take(videos), columns, weights) for videos in drawn]))


def _gap_draws(rows: Rows, weights: Floats, k: int, resamples: int, rng: np.random.Generator) -> Floats:
    """GAP of resamples: the pool is sorted once, and a draw only changes how often each video's pairs count."""
    columns = np.arange(rows.column_count)
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
