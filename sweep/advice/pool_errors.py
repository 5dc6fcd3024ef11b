"""The errors of a pool's models beside each other: how wrong an ensemble of some of them, and of one more, would be.

An error is what a model predicts less the truth, an entry for each class of each video. Of a blend whose weights sum to
one it is the blend of the members' errors; so the products of all errors with each other (`selection.blend.weights`)
tell the squared error of every blend in microseconds, and that of one with a model that does not exist yet, once
someone says how wrong it is and how its errors go with those of the others.

On the twin of the paper's experiment, the GAP of blends falls with their squared error along a line: between single
models and ensembles of any size it is the same within a tenth or two (benchmarks/next_trials.py prints it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from gapsack.selection.blend.evaluate import Evaluator
from gapsack.selection.blend.runner import Runner
from gapsack.selection.blend.weights import Products
from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool import CandidatePool
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.space import Space, Subset
from gapsack.sweep.advice.least_error import best_subset, by_loss, near_best, neighbours, refilled
from gapsack.sweep.advice.sampled_pool import sampled
from gapsack.sweep.graphs.reserve import Reserve

Floats = NDArray[np.float64]

FINALISTS = 12
"""Subsets of which the one with the best GAP is the best ensemble."""

SMOOTHINGS = tuple(np.geomspace(1e-7, 1e-2, 21).tolist())
"""Of the largest variation of a pool's errors, what counts as hardly any."""

LEAST_OF_A_LINE = 4
"""Models that a line is fitted to."""

LARGEST_EXPLAINED = 0.98
"""Of a new model's squared error, the most that the errors of the others may explain: nothing that is trained by itself
repeats them."""


@dataclass(frozen=True)
class Newcomer:
    """A model that is not in the pool, as far as ensembles mind.

    Attributes:
        size_bytes: Of it.
        squared_error: A video's.
        correlations: [candidates of the pool] of its errors with theirs, -1 to 1.
    """

    size_bytes: int
    squared_error: float
    correlations: Floats


class PoolErrors:
    """What the models of a pool are wrong by, under a budget.

    Args:
        pool: the models.
        budget_bytes: the size that ensembles keep, with what a graph takes beside its members.

    Raises:
        BudgetError: no model fits.
        InputError: of these models, those with the smaller squared error do not have the better score.
    """

    def __init__(self, pool: CandidatePool, budget_bytes: int) -> None:
        pool = sampled(pool)
        reserve = Reserve.of(pool)
        options = Options(reserve_bytes=reserve.fixed_bytes, member_reserve_bytes=reserve.member_bytes)
        objective = objective_of("gap@20", pool.labels)
        self.space = Space(pool, None, options.constraints(budget_bytes))
        rows = build_rows(pool.labels, self.space.columns, objective.top_k)
        self._board = Board(self.space, Runner(Evaluator.of(rows, objective), 1, None, None))
        found = self._board.runner.evaluator.products
        errors = found.pairs - found.truth[:, None] - found.truth[None, :] + rows.label_count
        self.errors = Products(errors, np.zeros(len(errors)), found.videos)
        self.place = {candidate: place for place, candidate in enumerate(sorted(self.space.of_candidate))}
        """Of each candidate of the pool among those that are told of here."""
        self.names = [pool.candidates[candidate].name for candidate in self.place]
        self.best = refilled(self.space, self.losses, best_subset(self.space, self.losses))

    def loss(self, subset: Subset) -> float:
        """The squared error, a video, of the best blend of a subset; of nobody it is infinite."""
        return self.losses([subset])[0]

    def losses(self, subsets: Sequence[Subset]) -> list[float]:
        """`loss` of each of some subsets, in less time."""
        return _errors_of(self.errors, [self.space.columns_of(subset) for subset in subsets])

    def score(self, subset: Subset) -> float:
        """The GAP@20 of the blend of a subset that has the least squared error."""
        return self._board.evaluate([subset], "cheap")[0].score

    @cached_property
    def ensemble(self) -> Entry:
        """The best ensemble by GAP@20 of the `FINALISTS` subsets of least squared error near `best`, with weights that
        are searched for it.
        """
        near = by_loss(self.losses, neighbours(self.space, self.best))
        return self._board.ranked(self._board.evaluate([self.best, *near[: FINALISTS - 1]], "full"))[0]

    @property
    def ensemble_gap(self) -> float:
        """Its GAP@20."""
        return self.ensemble.score

    def weights(self, subset: Subset) -> Floats:
        """The weights of that blend."""
        return self.errors.least_squares(np.array(self.space.columns_of(subset), np.int64))[0]

    @cached_property
    def precision(self) -> str:
        """The precision that most members of the best ensemble are stored in."""
        stored = [self.space.items[number].precision for number in self.best]
        return max(dict.fromkeys(stored), key=stored.count)

    @cached_property
    def reference_items(self) -> list[int]:
        """[candidates] the item of each that stands for it: at `precision`, or its first one."""
        return [
            next((n for n in numbers if self.space.items[n].precision == self.precision), numbers[0])
            for _, numbers in sorted(self.space.of_candidate.items())
        ]

    @cached_property
    def squared_errors(self) -> Floats:
        """[candidates] each model's squared error, a video."""
        columns = [self.space.items[number].column for number in self.reference_items]
        return np.asarray(np.diag(self.errors.pairs)[columns] / self.errors.videos)

    @cached_property
    def single_scores(self) -> Floats:
        """[candidates] each model's GAP@20."""
        return np.array([self.score((number,)) for number in self.reference_items])

    @cached_property
    def correlations(self) -> Floats:
        """[candidates, candidates] of the models' errors."""
        columns = [self.space.items[number].column for number in self.reference_items]
        pairs = self.errors.pairs[np.ix_(columns, columns)]
        scale = np.sqrt(np.diag(pairs))
        return np.asarray(pairs / np.outer(scale, scale))

    @cached_property
    def better_half(self) -> NDArray[np.int64]:
        """[half of the candidates, at least `LEAST_OF_A_LINE`] those of the higher GAP, who make up ensembles.

        How GAP and squared error go together is learnt from these: models that were trained too little or too fast may
        be wrong by far more than their GAP says.
        """
        count = max((len(self.names) + 1) // 2, min(LEAST_OF_A_LINE, len(self.names)))
        return np.sort(np.argsort(-self.single_scores, kind="stable")[:count])

    @cached_property
    def least_shared(self) -> float:
        """The least product, a video, of the errors of two of the models: what all of them are wrong about."""
        columns = [self.space.items[number].column for number in self.reference_items]
        pairs = self.errors.pairs[np.ix_(columns, columns)]
        return float(pairs[np.triu_indices(len(columns), 1)].min(initial=pairs.max()) / self.errors.videos)

    @cached_property
    def gap_per_error(self) -> float:
        """By how much GAP rises when a blend's squared error, a video, falls by one."""
        rooms = [self.space.constraints.room_bytes // share for share in (1, 2, 4, 8)]
        subsets = {(self.reference_items[place],) for place in self.better_half} | {self.best}
        for room in rooms[1:]:
            try:
                subsets.add(near_best(self.space.within(room), self.losses, swaps=False))
            except BudgetError:
                break  # nor does anything fit the smaller ones
        subsets |= {tuple(n for n in self.best if n != left) for left in self.best if len(self.best) > 1}
        chosen = sorted(subsets)
        losses = np.array(self.losses(chosen))[:, None]
        slope = float(-LinearRegression().fit(losses, [self.score(subset) for subset in chosen]).coef_[0])
        if slope <= 0.0:
            raise InputError(
                f"expected of {len(self.names)} models that those with smaller squared errors have the better GAP, got "
                "the opposite: what another one would gain cannot be told from them"
            )
        return slope

    @cached_property
    def _directions(self) -> tuple[Floats, Floats]:
        """Eigenvalues, at least 0, and eigenvectors of the products."""
        values, vectors = np.linalg.eigh(self.errors.pairs)
        return np.maximum(values, 0.0), vectors

    def consistent(self, crossed: Floats, own: float) -> tuple[Floats, float]:
        """Products of a new model that are possible beside those of the pool, near the ones that are predicted.

        Each correlation is predicted by itself, so that models that are nearly the same may be told apart by chance, as
        if the new model were the opposite of their difference. Directions in which the pool hardly varies are smoothed
        away, no more of them than needed. What is impossible nevertheless means that the model is worse than predicted.

        Args:
            crossed: [columns] its products with the others.
            own: that with itself.

        Returns:
            Both.
        """
        values, vectors = self._directions
        parts = vectors.T @ crossed
        for smoothing in SMOOTHINGS:
            kept = values / (values + smoothing * values[-1])
            explained = float(np.sum(parts**2 * kept / (values + smoothing * values[-1])))
            if explained <= LARGEST_EXPLAINED * own:
                break
        return vectors @ (kept * parts), max(own, explained / LARGEST_EXPLAINED)

    def with_newcomer(self, newcomer: Newcomer) -> WithNewcomer:
        """The errors with those of one more model, in the last column."""
        return WithNewcomer(self, newcomer)


class WithNewcomer:
    """The errors of a pool and of a model that is not in it."""

    def __init__(self, pool: PoolErrors, newcomer: Newcomer) -> None:
        space, pairs, videos = pool.space, pool.errors.pairs, pool.errors.videos
        scale = np.sqrt(np.diag(pairs) * newcomer.squared_error * videos)
        crossed = np.empty(len(pairs))
        for item in space.items:
            crossed[item.column] = newcomer.correlations[pool.place[item.candidate]] * scale[item.column]
        own = newcomer.squared_error * videos
        crossed, own = pool.consistent(crossed, own)
        extended = np.block([[pairs, crossed[:, None]], [crossed[None, :], np.array([[own]])]])
        self._errors = Products(extended, np.zeros(len(extended)), videos)
        self._pool = pool
        self._room = space.constraints.room_bytes - newcomer.size_bytes - space.constraints.member_reserve_bytes

    @property
    def fits(self) -> bool:
        """Whether the newcomer fits the budget at all."""
        return self._room >= 0

    def loss(self, subset: Subset) -> float:
        """The squared error, a video, of the best blend of some models of the pool and the newcomer."""
        return self.losses([subset])[0]

    def losses(self, subsets: Sequence[Subset]) -> list[float]:
        """`loss` of each of some subsets, in less time."""
        newcomer = len(self._errors.pairs) - 1
        return _errors_of(self._errors, [(*self._pool.space.columns_of(subset), newcomer) for subset in subsets])

    def rest_near(self, start: Subset, *, swaps: bool) -> Subset:
        """Models of the pool that keep the budget with the newcomer and are good beside it, found near some."""
        space = self._space
        return () if space is None else near_best(space, self.losses, start, swaps=swaps)

    def best_rest(self) -> Subset:
        """The best ones that are found from the best ensemble without the newcomer, and from models of any size."""
        space = self._space
        return () if space is None else best_subset(space, self.losses, [self._pool.best])

    @cached_property
    def _space(self) -> Space | None:
        """What has room beside the newcomer; None where nothing has."""
        try:
            return self._pool.space.within(self._room)
        except BudgetError:
            return None


def _errors_of(products: Products, blends: Iterable[Sequence[int]]) -> list[float]:
    """The squared error, a video, of the best blend of some columns, each; of none it is infinite."""
    given = list(blends)
    by_count: dict[int, list[int]] = {}
    for place, columns in enumerate(given):
        by_count.setdefault(len(columns), []).append(place)
    errors = np.full(len(given), np.inf)
    for count, places in by_count.items():
        if count:
            errors[places] = products.least_squares_of(np.array([given[place] for place in places], np.int64))[1]
    return [float(error) for error in errors]
