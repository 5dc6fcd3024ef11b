"""Evaluation of subsets at several levels of effort; the only part that workers run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gapsack.selection.blend.kept import Kept
from gapsack.selection.blend.polish import COARSE_STEPS, FINE_STEPS, Move, between_pairs, moves_for, pattern, quick
from gapsack.selection.blend.probes import Climb, Gain, Probe, Request, Solve, together
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.blend.weights import Products, log_loss_weights, mixture_weights, on_simplex
from gapsack.selection.metrics.objectives import Smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.log_losses import Mixture
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.rows.rows import Rows

    Plan = Generator[list[Request], list[Any], "Scored"]

Blend = Literal["probability", "logit"]
Effort = Literal["cheap", "quick", "full", "final", "fixed"]

MOST_SEARCHED = 40  # members of a subset whose weights are searched; of more, all but some get none from least squares
KEPT_MIXTURES = 4  # subsets whose likelihoods are kept between the plan of their weights and its answer
WHOLE_VALUES = 1 << 24  # likelihoods of all columns up to which they are computed once, for all subsets
KEPT_BLENDS = 48  # subsets whose compact rows are kept while requests of theirs come one by one


@dataclass(frozen=True)
class BlendTask:
    """What to evaluate.

    Attributes:
        columns: columns of the members, all different.
        effort: "cheap": least-squares weights, one evaluation. "quick": some parabolic line searches from there.
            "full": line searches from every start, log loss among them, and a pattern search from the best. "final": a
            fine pattern search from every start, and one between all pairs from the best. "fixed": the first start as
            it is. Where the metric is convex in the weights all but "cheap" and "fixed" solve for the best ones.
        blend: of probabilities, or of logits.
        starts: further weights to start from.
        request: answer this one request of the task; None does the whole task.
    """

    columns: tuple[int, ...]
    effort: Effort
    blend: Blend = "probability"
    starts: tuple[tuple[float, ...], ...] = ()
    request: Request | None = None


@dataclass(frozen=True)
class Scored:
    """A task's outcome: weights that are not negative and sum to one, their score, and evaluations spent.

    ``evaluations`` are those that the outcome rests on, whatever else was computed. ``scores`` answers a task of one
    ``Probe``, and is empty otherwise; ``weights`` answers a ``Solve``.
    """

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    score: float
    blend: Blend
    evaluations: int
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Evaluator:
    """Scores tasks on one set of items. Holds plain arrays, so it can be sent to another process."""

    rows: Rows
    products: Products
    objective: Objective
    _kept: Kept[BlendScore] = field(default_factory=lambda: Kept(KEPT_BLENDS), compare=False)
    _mixtures: Kept[Mixture | None] = field(default_factory=lambda: Kept(KEPT_MIXTURES + 1), compare=False)

    @classmethod
    def of(cls, rows: Rows, objective: Objective) -> Evaluator:
        """An evaluator over all items of the rows."""
        return cls(rows, Products.of(rows), objective)

    def __call__(self, task: BlendTask, check: Callable[[], None] = lambda: None) -> Scored:
        """Evaluate one task, or answer its request; ``check`` is called between batches of points, and may raise."""
        if task.request is not None:
            score = self._kept.get(self._key(task), lambda: self._blend_score(task))
            return self._answer(task, self._answered(task, task.request, score))
        plan, score = self.plan(task), self._blend_score(task)
        try:
            requests = next(plan)
            while True:
                check()
                requests = plan.send([self._answered(task, request, score) for request in requests])
        except StopIteration as end:
            scored: Scored = end.value
            return scored

    def forget(self, task: BlendTask) -> None:
        """Keep nothing for further requests of a task: compact rows of many items are tens of MB a subset."""
        self._kept.drop(self._key(task))

    def plan(self, task: BlendTask) -> Plan:
        """A task as requests to answer; returns its outcome."""
        climb = self._climb(task)
        spent, answers = 0, None
        try:
            while True:
                requests = next(climb) if answers is None else climb.send(answers)
                answers = yield requests
                spent += sum(len(answer) for answer, r in zip(answers, requests, strict=True) if isinstance(r, Probe))
        except StopIteration as end:
            weights, score = end.value
        return Scored(task.columns, tuple(float(w) for w in weights), score, task.blend, spent)

    def _climb(self, task: BlendTask) -> Climb:
        columns = np.array(task.columns, np.int64)
        if task.effort == "fixed":
            return (yield from _scored(np.array(task.starts[0])))
        cheap, _ = self.products.least_squares(columns)
        if task.effort == "cheap" or len(columns) == 1:
            return (yield from _scored(cheap))
        starts = [cheap, *(np.array(start) for start in task.starts)]
        members = _searched(starts)
        if self._is_convex(task):
            (solved,) = yield [Solve(cheap, members)]
            tries = yield from together([_scored(start) for start in (solved, *starts)])
            return max(tries, key=_score)
        if task.effort != "quick" and task.blend == "probability":
            (solved,) = yield [Solve(cheap, members)]
            starts.append(solved)
        directions = np.zeros((len(members) - 1, len(columns)))
        directions[:, members] = self.products.conjugate_directions(columns[list(members)])
        moves = moves_for(members)
        if task.effort == "final":
            # GAP is rough at the scale of 1e-5, and a pattern search ends in the nearest of its many summits.
            tries = yield from together([_finely(start, directions, moves) for start in starts])
            tries.append((yield from pattern(max(tries, key=_score)[0], FINE_STEPS, between_pairs(members))))
        else:
            tries = yield from together([quick(start, directions) for start in starts])
            if task.effort == "full":
                tries.append((yield from pattern(max(tries, key=_score)[0], COARSE_STEPS, moves)))
        return max(tries, key=_score)

    def mixture(self, columns: Sequence[int]) -> Mixture | None:
        """What a convex solver wants to know of some columns; None where the metric is not convex in their weights."""
        objective = self._smooth
        if objective is None:
            return None
        chosen = np.array(columns, np.int64)

        def of_chosen() -> Mixture | None:
            if self.rows.column_count * len(self.rows.classes) <= WHOLE_VALUES:
                everything = np.arange(self.rows.column_count)
                whole = self._mixtures.get("all", lambda: objective.mixture(self.rows, everything))
                if whole is not None:
                    return whole.of(chosen)
            alone = objective.mixture(self.rows, chosen)  # one column of its own kind does not spoil the others
            return None if alone is None else alone.of(np.arange(len(chosen)))

        return self._mixtures.get(tuple(columns), of_chosen)

    @cached_property
    def _smooth(self) -> Smooth | None:
        """The objective where it has gradients; asking costs more than many an answer."""
        return self.objective if isinstance(self.objective, Smooth) else None

    def _is_convex(self, task: BlendTask) -> bool:
        return task.blend == "probability" and self.mixture(task.columns) is not None

    def _directly(self, task: BlendTask) -> bool:
        """Whether few evaluations are wanted, for which compact rows do not pay."""
        few = task.effort in {"cheap", "fixed"} or self._is_convex(task)
        return task.blend == "probability" and few

    def _key(self, task: BlendTask) -> tuple[tuple[int, ...], Blend, bool]:
        return task.columns, task.blend, self._directly(task)

    def _blend_score(self, task: BlendTask) -> BlendScore:
        if self._directly(task):
            return BlendScore(self.rows, self.objective, np.array(task.columns, np.int64))
        return BlendScore(self.rows_of(task.columns, task.blend), self.objective, np.arange(len(task.columns)))

    def rows_of(self, columns: Sequence[int], blend: Blend) -> Rows:
        """Rows with one column for each of some, as the metric wants them."""
        chosen, logits = np.array(columns, np.int64), blend == "logit"
        if self.objective.top_k is not None:
            return self.rows.compact(chosen, self.objective.top_k, logits=logits)
        return self.rows.only(chosen, logits=logits)

    def _answered(self, task: BlendTask, request: Request, score: BlendScore) -> Any:
        """The answer to a request: scores up to the first above its bound, or weights."""
        if isinstance(request, Solve):
            return self._solved(task, request, score)
        scores: list[float] = []
        for point in request.points:
            scores.append(score(point, request.near))
            if scores[-1] > request.above:
                break
        return scores

    def _solved(self, task: BlendTask, request: Solve, score: BlendScore) -> NDArray[np.float64]:
        mixture = self.mixture(task.columns) if task.blend == "probability" else None
        if mixture is None:
            return log_loss_weights(score.rows, request.start, request.members)
        chosen, weights = np.array(request.members), np.zeros(len(request.start))
        weights[chosen] = mixture_weights(mixture.of(chosen), request.start[chosen])
        return weights

    @staticmethod
    def _answer(task: BlendTask, answer: Any) -> Scored:
        scored = Scored(task.columns, (), np.nan, task.blend, 0)
        if isinstance(task.request, Solve):
            return replace(scored, weights=tuple(float(weight) for weight in answer))
        return replace(scored, scores=tuple(answer))


def _scored(start: NDArray[np.float64]) -> Climb:
    weights = on_simplex(start)
    ((score,),) = yield [Probe((weights,))]
    return weights, score


def _finely(start: NDArray[np.float64], directions: NDArray[np.float64], moves: Sequence[Move]) -> Climb:
    reached, _ = yield from quick(start, directions)
    return (yield from pattern(reached, FINE_STEPS, moves))


def _searched(starts: Sequence[NDArray[np.float64]]) -> tuple[int, ...]:
    """Members whose weights are searched: all, or of very many those that have most in any start."""
    order = np.argsort(-np.max(starts, axis=0), kind="stable")
    return tuple(np.sort(order[:MOST_SEARCHED]).tolist())


def _score(found: Gain) -> float:
    return found[1]
