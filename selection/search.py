"""The search for the best ensemble under a size budget, with an honest report of how good it is.

Members and weights are chosen on one part of the videos and scored on the rest. ``selection.subsets.race`` says how the
choice is made, ``selection.report.certify`` what cut lists prove, ``selection.report.bootstrap`` how sure the
held-out figures are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.errors import BudgetError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool.weights import weighted
from gapsack.selection.report.record import Contender, Outcome, Scorer
from gapsack.selection.rows.alike import alike
from gapsack.selection.subsets.find import Found, find
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.preference import preferred, stripped
from gapsack.selection.subsets.space import Space
from gapsack.selection.subsets.subset_members import members_of, voters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.selection.subsets.board import Entry

    Videos = NDArray[np.int64]


def search_ensemble(pool: CandidatePool, *, budget_bytes: int, **options: Any) -> Ensemble:
    """Find the best ensemble of a pool whose members fit a budget.

    Args:
        pool: candidates and ground truth.
        budget_bytes: the most that the members and ``reserve_bytes`` may take together.
        options: see ``selection.subsets.options.Options``.

    Returns:
        The best ensemble found; ``search["stop_reason"]`` says what that is worth.

    Raises:
        BudgetError: nothing fits.
        InputError: an option outside its range, or a constraint that names no candidate.
    """
    checked = Options(**options)
    if not isinstance(budget_bytes, int | np.integer) or budget_bytes <= 0:
        raise BudgetError(f"the budget must be a positive whole number of bytes; got {budget_bytes!r}.")
    return _Search(pool, int(budget_bytes), checked).ensemble()


def split_videos(count: int, tune_share: float, seed: int, fold: int = 0) -> tuple[Videos, Videos]:
    """Rows to tune on and rows to report on, both in random order. Fold 0 is the split of the seed itself."""
    order = np.random.default_rng([seed, 0, fold]).permutation(count)
    tuned = count if tune_share == 1.0 else min(max(round(count * tune_share), 1), max(count - 1, 1))
    return order[:tuned], order[tuned:]


class _Search:
    """One search of a pool, and what of its outcome is reported."""

    def __init__(self, pool: CandidatePool, budget_bytes: int, options: Options) -> None:
        pool, self._notes = alike(pool)
        pool = replace(pool, labels=weighted(pool.labels, options.item_weights, options.class_weights))
        self._labels = pool.labels
        self._budget_bytes = budget_bytes
        self._options = options
        self._objective = objective_of(options.metric, pool.labels)
        self._space = Space(pool, options.precisions, options.constraints(budget_bytes))

    def ensemble(self) -> Ensemble:
        """Search and report."""
        options, scorer = self._options, self._scorer(fold=0)
        found = self._find(scorer)
        chosen, preference = preferred(found, options)
        single, runner_up = self._best_single(found), self._runner_up(found, chosen)
        outcome = Outcome(
            chosen=self._contender(chosen),
            best_single=None if single is None else self._contender(single),
            runner_up=None if runner_up is None else self._contender(runner_up),
            preference=preference,
            search=found.summary_of(chosen),
            folds=[self._fold(fold) for fold in range(1, options.folds)] if len(scorer.held_out) else [],
            notes=self._notes,
        )
        reserve_bytes = options.reserve_bytes + len(chosen.subset) * options.member_reserve_bytes
        return scorer.ensemble(outcome, budget_bytes=self._budget_bytes, reserve_bytes=reserve_bytes)

    def _scorer(self, fold: int) -> Scorer:
        options = self._options
        tune, held_out = split_videos(self._labels.video_count, options.tune_share, options.seed, fold)
        return Scorer(
            self._labels,
            tune,
            held_out,
            self._objective,
            tune_share=options.tune_share,
            resamples=options.resamples,
            confidence=options.confidence,
            seed=options.seed,
        )

    def _find(self, scorer: Scorer) -> Found:
        return find(self._labels, scorer.tune, self._space, self._objective, self._options)

    def _fold(self, fold: int) -> dict[str, Any]:
        """The whole search again on another split, and its score on that split's held-out videos."""
        scorer = self._scorer(fold)
        return scorer.fold(self._contender(stripped(self._find(scorer))))

    def _contender(self, entry: Entry) -> Contender:
        return Contender(
            subset=entry.subset,
            members=members_of(self._space, entry),
            voters=voters_of(self._space, entry),
            size_bytes=self._space.size_bytes(entry.subset),
            tuning_score=entry.score,
        )

    def _best_single(self, found: Found) -> Entry | None:
        return next((entry for entry in found.entries() if len(entry.subset) == 1), None)

    def _runner_up(self, found: Found, chosen: Entry) -> Entry | None:
        """The best-scored other set of candidates: other precisions or members without weight make no other set."""
        mine = self._weighty(chosen)
        others = (e for e in found.entries() if e.subset != chosen.subset and self._weighty(e) != mine)
        return next(others, None)

    def _weighty(self, entry: Entry) -> frozenset[int]:
        pairs = zip(entry.subset, entry.scored.weights, strict=True)
        return frozenset(self._space.items[number].candidate for number, weight in pairs if weight > 0.0)
