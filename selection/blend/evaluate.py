"""Evaluation of subsets at three levels of effort, one task at a time; the only part that workers run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gapsack.selection.blend.polish import COARSE_STEPS, FINE_STEPS, between_pairs, moves_for, pattern, quick
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.blend.weights import Products, log_loss_weights, on_simplex

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.rows.rows import Rows

Blend = Literal["probability", "logit"]
Effort = Literal["cheap", "quick", "full", "final", "fixed"]


@dataclass(frozen=True)
class Task:
    """What to evaluate.

    Attributes:
        columns: columns of the members, all different.
        effort: "cheap": least-squares weights, one evaluation. "quick": some parabolic line searches from there.
            "full": line searches from every start, log loss among them, and a pattern search from the best. "final": a
            fine pattern search from every start, and one between all pairs from the best. "fixed": the first start as
            it is.
        blend: of probabilities, or of logits.
        starts: further weights to start from.
    """

    columns: tuple[int, ...]
    effort: Effort
    blend: Blend = "probability"
    starts: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Scored:
    """A task's outcome: weights that are not negative and sum to one, their score, and evaluations spent."""

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    score: float
    blend: Blend
    evaluations: int


@dataclass(frozen=True)
class Evaluator:
    """Scores tasks on one set of videos. Holds plain arrays, so it can be sent to another process."""

    rows: Rows
    products: Products
    objective: Objective

    @classmethod
    def of(cls, rows: Rows, objective: Objective) -> Evaluator:
        """An evaluator over all videos of the rows."""
        return cls(rows, Products.of(rows), objective)

    def __call__(self, task: Task) -> Scored:
        """Evaluate one task."""
        columns = np.array(task.columns, np.int64)
        cheap, _ = self.products.least_squares(columns)
        if task.blend == "probability" and task.effort in {"cheap", "fixed"}:
            score = BlendScore(self.rows, self.objective, columns)
            weights = np.array(task.starts[0]) if task.effort == "fixed" else cheap
            return self._scored(task, weights, score(weights), score.calls)
        rows = self._rows_of(columns, logits=task.blend == "logit")
        score = BlendScore(rows, self.objective, np.arange(len(columns)))
        starts = [cheap, *(np.array(start) for start in task.starts)]
        if task.effort == "fixed":
            return self._scored(task, starts[1], score(starts[1]), score.calls)
        if task.effort == "cheap" or len(columns) == 1:
            return self._scored(task, cheap, score(cheap), score.calls)
        if task.effort != "quick" and task.blend == "probability":
            starts.append(log_loss_weights(rows, cheap))
        directions = self.products.conjugate_directions(columns)
        tries = [quick(score, start, directions) for start in starts]
        if task.effort == "full":
            tries.append(pattern(score, max(tries, key=_score)[0], COARSE_STEPS, moves_for))
        if task.effort == "final":
            # GAP is rough at the scale of 1e-5, and a pattern search ends in the nearest of its many summits.
            tries = [pattern(score, start, FINE_STEPS, moves_for) for start, _ in tries]
            tries.append(pattern(score, max(tries, key=_score)[0], FINE_STEPS, between_pairs))
        weights, best = max(tries, key=_score)
        return self._scored(task, weights, best, score.calls)

    def _rows_of(self, columns: NDArray[np.int64], *, logits: bool) -> Rows:
        if self.objective.top_k is not None:
            return self.rows.compact(columns, self.objective.top_k, logits=logits)
        return self.rows.only(columns, logits=logits)

    def _scored(self, task: Task, weights: NDArray[np.float64], score: float, calls: int) -> Scored:
        clean = on_simplex(weights)
        return Scored(task.columns, tuple(float(w) for w in clean), score, task.blend, calls)


def _score(found: tuple[NDArray[np.float64], float]) -> float:
    return found[1]
