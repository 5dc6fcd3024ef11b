"""The search for the best ensemble under a size budget, with an honest report of how good it is.

Members, precisions and weights are chosen on all items. How good that is on new ones is told by cross-fitting: the
whole search, the choice between equals included, is done again without one fold of the items after the other, and each
scores the fold that it has not seen. So every item reports, and none on what it chose. (With a share to tune on,
members and weights are chosen on that part of the items and scored on the rest.) ``selection.subsets.race`` says how
the choice is made, ``selection.report.certify`` what cut lists prove, ``selection.report.bootstrap`` how sure the
figures are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import numpy as np

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.errors import BudgetError, UndefinedMetricError
from gapsack.selection.explain.explain import explained, of_a_sample
from gapsack.selection.explain.reporting import Reporting
from gapsack.selection.explain.what_changed import changes_from
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool.weighted_labels import weighted
from gapsack.selection.report.record import (
    BAGGED_CHOICE_COUNTS,
    CHOICE_COUNTS,
    Contender,
    Fold,
    Outcome,
    Scorer,
    SearchChoice,
)
from gapsack.selection.report.splits import cross_folds, folds_for, group_numbers, split_videos
from gapsack.selection.rows.alike import alike
from gapsack.selection.subsets.bagging import bagged, halves_of
from gapsack.selection.subsets.board import Entry
from gapsack.selection.subsets.find import Found
from gapsack.selection.subsets.options import FEW_ITEMS, Options
from gapsack.selection.subsets.preference import preferred
from gapsack.selection.subsets.rivals import rivals_of
from gapsack.selection.subsets.rounds import find
from gapsack.selection.subsets.space import Space
from gapsack.selection.subsets.subset_members import members_of, voters_of
from gapsack.selection.subsets.typed_options import SearchOptions, with_named_options
from gapsack.selection.units import bytes_of_budget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.blend.runner import SearchProgress
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.ensemble import Ensemble

    Videos = NDArray[np.int64]


@with_named_options
def search_ensemble(
    pool: CandidatePool,
    *,
    budget_bytes: int | None = None,
    budget_mib: float | None = None,
    **options: Unpack[SearchOptions],
) -> Ensemble:
    """Find the best ensemble of a pool whose members fit a budget.

    Args:
        pool: candidates and ground truth.
        budget_bytes: the most that the members and ``reserve_bytes`` may take together.
        budget_mib: the same in MiB (2^20 bytes); one of both is given.
        options: below; see ``selection.subsets.options.Options``.

    Returns:
        The best ensemble found; ``search["stop_reason"]`` says what that is worth, ``held_out`` what to expect of it on
        new items.

    Raises:
        BudgetError: nothing fits, or no budget is given, or two.
        InputError: an option outside its range, or a constraint that names no candidate.
    """
    checked = Options(**options)
    return _Search(pool, _budget_bytes(budget_bytes, budget_mib), checked).ensemble()


def _budget_bytes(given_bytes: int | None, given_mib: float | None) -> int:
    """The budget in whole bytes, of what is given."""
    if (given_bytes is None) == (given_mib is None):
        got = "neither" if given_bytes is None else "both"
        raise BudgetError(f"expected budget_bytes or budget_mib; got {got}.")
    if given_mib is not None:
        return bytes_of_budget(given_mib)
    if not isinstance(given_bytes, int | np.integer) or given_bytes <= 0:
        raise BudgetError(f"the budget must be a positive whole number of bytes; got {given_bytes!r}.")
    return int(given_bytes)


class _Search:
    """One search of a pool, and what of its outcome is reported."""

    def __init__(self, pool: CandidatePool, budget_bytes: int, options: Options) -> None:
        pool, self._notes = alike(pool)
        pool = replace(pool, labels=weighted(pool.labels, options.item_weights, options.class_weights))
        self._pool = pool
        self._labels = pool.labels
        self._budget_bytes = budget_bytes
        self._options = options
        self._objective = objective_of(options.metric, pool.labels)
        self._space = Space(pool, options.precisions, options.constraints(budget_bytes))
        self._groups = group_numbers(pool.labels, options.groups)
        # For the folds too, of which each has fewer: what they tell is of the procedure that delivers.
        self._options = options.preferring(len(self._split(0)[0]))
        self._chose_by_itself = options.prefer == "auto"

    def ensemble(self) -> Ensemble:
        """Search and report."""
        options = self._options
        tune, held_out = self._split(0)
        found = self._find(tune, options)
        chosen, preference = self._preferred(found, tune, options)
        choice = self._choice(found, chosen)
        cross_fitted = options.tune_share is None
        if cross_fitted:
            folds, notes = self._cross_fitted(choice.chosen)
        else:
            folds, notes = ((Fold(held_out, choice),) if len(held_out) else ()), ()
        outcome = Outcome(
            choice=choice,
            tune=tune,
            folds=folds,
            cross_fitted=cross_fitted,
            preference=preference,
            search=found.summary_of(chosen),
            repeats=() if cross_fitted or not folds else self._repeats(),
            notes=(*self._notes, *notes),
        )
        scorer = Scorer(
            self._labels,
            self._objective,
            tune_share=options.tune_share,
            resamples=options.resamples,
            confidence=options.confidence,
            seed=options.seed,
            groups=self._groups,
            choice_counts=BAGGED_CHOICE_COUNTS if options.prefer == "bagged" else CHOICE_COUNTS,
        )
        reserve_bytes = options.reserve_bytes + len(chosen.subset) * options.member_reserve_bytes
        ensemble = scorer.ensemble(outcome, budget_bytes=self._budget_bytes, reserve_bytes=reserve_bytes)
        return self._told_of(ensemble, found, chosen)

    def _told_of(self, ensemble: Ensemble, found: Found, chosen: Entry) -> Ensemble:
        """The ensemble with what was asked of it besides: what changed, and why it is what it is."""
        options = self._options
        if options.start is None and not options.explain:
            return ensemble
        compared, notes = self._as_searched(found, chosen, ensemble)
        reporting = Reporting(self._labels, self._space, self._objective, options, self._groups)
        try:
            if options.start is not None:
                changes = changes_from(options.start, compared, found.board, reporting.samples, options)
                ensemble = replace(ensemble, changes=replace(changes, notes=(*changes.notes, *notes)))
            if options.explain:
                boards = sorted(found.boards, key=lambda board: board.blend != chosen.scored.blend)
                with found.board.runner:
                    explanation = explained(self._pool, boards, compared, self._budget_bytes, reporting)
                notes = (*explanation.notes, *notes)
                ensemble = replace(ensemble, explanation=replace(explanation, notes=notes))
        except Stopped:
            note = "Stopped before all was told that had been asked for: the search itself came first."
            ensemble = replace(ensemble, notes=(*ensemble.notes, note))
        return ensemble

    @staticmethod
    def _as_searched(found: Found, chosen: Entry, ensemble: Ensemble) -> tuple[Entry, tuple[str, ...]]:
        """The ensemble with its score on the items of the boards, as what it is compared with has, and what to say."""
        if found.places is None:
            return chosen, ()
        notes = of_a_sample(len(found.places), ensemble.tuning["videos"])
        return found.board.as_it_is(chosen.subset, chosen.scored.weights, chosen.scored.blend), notes

    def _split(self, number: int) -> tuple[Videos, Videos]:
        options = self._options
        return split_videos(self._labels.video_count, options.share_that_tunes, options.seed, number, self._groups)

    def _groups_of(self, videos: Videos) -> Videos | None:
        return None if self._groups is None else self._groups[videos]

    def _find(self, tune: Videos, options: Options) -> Found:
        return find(self._labels, tune, self._space, self._objective, options)

    def _repeats(self) -> tuple[Fold, ...]:
        """The whole search again on other splits."""
        splits = (self._split(number) for number in range(1, self._options.folds or 1))
        options = replace(self._options, start=None)
        return tuple(Fold(held_out, self._chosen_on(tune, options)) for tune, held_out in splits)

    def _cross_fitted(self, delivered: Contender) -> tuple[tuple[Fold, ...], tuple[str, ...]]:
        """The whole search without each fold in turn, and sentences on what did not report.

        A fold whose search was asked to stop would tell of a shorter search than the one that is delivered: it does not
        report.
        """
        options, labels = self._options, self._labels
        wanted = options.folds or folds_for(labels.video_count)
        if wanted == 1:
            return (), ()
        splits = cross_folds(labels, wanted, options.seed, self._groups)
        if not splits:
            what = "item" if self._groups is None else "group of items"
            return (), (
                f"Nothing is cross-fitted, and no figure is of items that did not choose: one {what} has no folds.",
            )
        done: list[Fold] = []
        for number, (tune, report) in enumerate(splits, 1):
            try:
                choice = self._chosen_on(tune, self._within_fold(f"fold {number} of {len(splits)}", delivered))
            except UndefinedMetricError as error:
                return (), (f"Nothing is cross-fitted: without one of {len(splits)} folds, {error}",)
            if options.should_stop is not None and options.should_stop():
                return tuple(done), (_stopped(done, len(splits), labels.video_count),)
            done.append(Fold(report, choice))
        return tuple(done), ()

    def _within_fold(self, name: str, delivered: Contender) -> Options:
        """Options under which progress tells the fold, and what is delivered in place of what is best there.

        An earlier ensemble takes no part in a fold: it may have been chosen on the items that the fold scores.
        """
        options = replace(self._options, start=None)
        tell = options.progress
        if tell is None:
            return options
        members = tuple(member.name for member in delivered.members)

        def tell_best(progress: SearchProgress) -> None:
            score, size_bytes = delivered.tuning_score, delivered.size_bytes
            tell(replace(progress, score=score, members=members, size_bytes=size_bytes))

        return replace(options, progress=tell_best).within(name)

    def _chosen_on(self, tune: Videos, options: Options) -> SearchChoice:
        """The whole search on some items: all that chooses what is delivered."""
        found = self._find(tune, options)
        return self._choice(found, self._preferred(found, tune, options)[0])

    def _preferred(self, found: Found, tune: Videos, options: Options) -> tuple[Entry, str]:
        """What of all that was found is delivered, and how it was chosen, as a sentence."""
        groups = self._groups_of(tune)
        if options.prefer != "bagged":
            return preferred(found, options, groups)
        halves = halves_of(self._labels, tune, options, groups)
        entry, told = bagged(found, halves, self._labels, self._objective, options)
        if entry is not None:
            why = f" (The default where fewer than {FEW_ITEMS:,} items choose; see --prefer.)"
            return entry, told + why if self._chose_by_itself else told
        entry, instead = preferred(found, replace(options, prefer="measured"), groups)
        return entry, f"{told} {instead}"

    def _choice(self, found: Found, chosen: Entry) -> SearchChoice:
        rivals = rivals_of(found, chosen)
        # Of a sample of the items the boards have no score on all of them for what is only a rival.
        whole = found.places is None
        return SearchChoice(
            chosen=self._contender(chosen),
            best_single=self._rival(rivals.best_single),
            runner_up=self._rival(rivals.runner_up),
            equal_weights=self._rival(rivals.equal_weights, scored=whole or len(chosen.subset) == 1),
            greedy=self._rival(rivals.greedy, scored=whole),
        )

    def _rival(self, entry: Entry | None, *, scored: bool = True) -> Contender | None:
        if entry is None:
            return None
        contender = self._contender(entry)
        return contender if scored else replace(contender, tuning_score=None)

    def _contender(self, entry: Entry) -> Contender:
        return Contender(
            subset=entry.subset,
            members=members_of(self._space, entry),
            voters=voters_of(self._space, entry),
            size_bytes=self._space.size_bytes(entry.subset),
            tuning_score=entry.score,
        )


def _stopped(done: list[Fold], folds: int, videos: int) -> str:
    """What of the cross-fitting was there when the search was asked to stop, as a sentence."""
    if not done:
        return "Stopped before any fold was cross-fitted: no figure is of items that did not choose."
    reported = sum(len(fold.videos) for fold in done)
    return f"Stopped while folds were cross-fitted: {len(done)} of {folds} reported, {reported:,} of {videos:,} items."
