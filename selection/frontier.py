"""The best ensemble for every budget, in one search.

Where the ensembles of a pool can be listed, every budget is searched, whichever is asked for, and the answer for one
does not depend on others. Where they are few, every budget at which another ensemble fits is searched as
``selection.search`` does, with one memory of what was evaluated: the frontier is then never behind a search for one
budget. Else the best layers of the trade-off between size and score are searched (``selection.subsets.layers``), and
what a search for one budget finds beyond them is offered to the frontier (``Frontier.with_ensemble``).

As in ``selection.search`` all items tune, and what a point is worth on new ones is told by cross-fitting: the frontier
of each half of the items says what it has for the point's budget, which scores the other half. Two folds, however few
items there are: a frontier costs as much as many searches.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool.weighted_labels import weighted, weighting_of
from gapsack.selection.report.bootstrap import ScoredPart, blended
from gapsack.selection.report.frontier_record import Frontier, Point, rising, with_gains
from gapsack.selection.report.splits import cross_folds, group_numbers, split_videos
from gapsack.selection.rows.alike import alike
from gapsack.selection.subsets.all_budgets import search_all_budgets
from gapsack.selection.subsets.find import runner_on
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.rounds import searched_on
from gapsack.selection.subsets.space import Space
from gapsack.selection.subsets.subset_members import members_of, voters_of
from gapsack.selection.subsets.typed_options import SearchOptions, with_named_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.bootstrap import Voters
    from gapsack.selection.subsets.board import Entry

    Reporting = tuple[NDArray[np.int64], tuple[Space, list[Entry]] | None]

__all__ = ["Frontier", "Point", "frontier"]

FOLDS = 2
CONSTRAINTS = ("precisions", "max_members", "must_have", "never_together", "limits")


@with_named_options
def frontier(pool: CandidatePool, *, max_budget_bytes: int | None = None, **options: Unpack[SearchOptions]) -> Frontier:
    """Find the best ensemble for every budget.

    Args:
        pool: candidates and ground truth.
        max_budget_bytes: the largest budget of interest; None for all models together. Where all ensembles can be
            listed it only ends the answer.
        options: see ``selection.subsets.options.Options``; ``prefer``, ``exhaustive``, ``folds``, ``restarts``,
            ``resamples``, ``confidence``, ``start`` and ``explain`` concern one budget and are refused. Where more than
            ``search_videos`` would tune, the whole frontier is of a random sample of the pool, of which so many do.

    Raises:
        BudgetError: nothing fits ``max_budget_bytes``.
        InputError: an option outside its range.
    """
    refused = {
        "prefer",
        "exhaustive",
        "folds",
        "restarts",
        "resamples",
        "confidence",
        "start",
        "explain",
    } & set(options)
    if refused:
        raise InputError(
            f"a frontier takes the options of a search over all budgets; got {', '.join(sorted(refused))}."
        )
    checked = Options(**options)
    everything = (
        sum(max(c.size_bytes.values()) + checked.member_reserve_bytes for c in pool.candidates) + checked.reserve_bytes
    )
    asked = everything if max_budget_bytes is None else max_budget_bytes
    pool, notes = alike(pool)
    pool = replace(pool, labels=weighted(pool.labels, checked.item_weights, checked.class_weights))
    groups = group_numbers(pool.labels, checked.groups)
    pool, groups, said = _sampled(pool, groups, checked)
    notes = (*notes, *said)
    tune, held_out = split_videos(pool.labels.video_count, checked.share_that_tunes, checked.seed, groups=groups)
    search = _FrontierSearch(pool, checked, asked)
    space, entries, summary = search.on(tune, checked)
    if checked.tune_share is None:
        folds, said = search.folds(groups)
        notes = (*notes, *said)
    else:
        folds = [(held_out, None)] if len(held_out) else []
    points = partial(_points, pool, space, folds, objective=search.objective, reserve_bytes=checked.reserve_bytes)
    return Frontier(
        points=points(entries),
        metric=search.objective.name,
        search=summary,
        singles=points([entry for entry in entries if len(entry.subset) == 1], alone=True),
        videos={"tuning": len(tune), "held_out": sum(len(report) for report, _ in folds)},
        split={
            "seed": checked.seed,
            "tune_share": checked.tune_share,
            "groups": None if groups is None else int(groups.max()) + 1,
        },
        notes=notes,
        constrained=any(getattr(checked, name) for name in CONSTRAINTS),
        weighting=weighting_of(pool.labels),
    )


def _sampled(
    pool: CandidatePool, groups: NDArray[np.int64] | None, options: Options
) -> tuple[CandidatePool, NDArray[np.int64] | None, tuple[str, ...]]:
    """A pool of as many items at most as ``search_videos`` leaves, their groups, and a sentence where that is fewer.

    A frontier scores hundreds of ensembles, each on rows of all its items: those of a million would take 70 GB.
    """
    most = round(options.search_videos / options.share_that_tunes)
    every = pool.labels.video_count
    videos = searched_on(np.arange(every), replace(options, search_videos=most))
    if len(videos) == every:
        return pool, groups, ()
    if groups is not None:
        groups = np.unique(groups[videos], return_inverse=True)[1].astype(np.int64)
    note = (
        f"All of this is of {most:,} of the pool's {every:,} items, drawn at random (--search-items): other samples "
        "score otherwise, by their standard error. select ensemble scores what it finds for one budget on all items."
    )
    return pool.take(videos), groups, (note,)


class _FrontierSearch:
    """The search of all budgets up to one, on any items of a pool."""

    def __init__(self, pool: CandidatePool, options: Options, asked: int) -> None:
        self.objective = objective_of(options.metric, pool.labels)
        self._pool = pool
        self._options = options
        self._most = asked - options.reserve_bytes
        everything = sum(max(c.size_bytes.values()) + options.member_reserve_bytes for c in pool.candidates)
        self._whole = Space(pool, options.precisions, options.constraints(everything + options.reserve_bytes))
        self._limited = self._whole.within(self._most)

    def on(self, videos: NDArray[np.int64], options: Options) -> tuple[Space, list[Entry], dict[str, Any]]:
        """The space of all budgets, everything in it that was scored and is within the budget, and what was done."""
        with runner_on(self._pool.labels, videos, self._whole, self.objective, options) as runner:
            space, entries, summary = search_all_budgets(runner, options, self._whole, self._limited)
        return space, [entry for entry in entries if space.room_bytes(entry.subset) <= self._most], summary

    def folds(self, groups: NDArray[np.int64] | None) -> tuple[list[Reporting], tuple[str, ...]]:
        """Items of each fold, with what was found without them; none, and a sentence, when it was asked to stop."""
        options = self._options
        done: list[Reporting] = []
        splits = cross_folds(self._pool.labels, FOLDS, options.seed, groups)
        if not splits:
            return [], ("No figure is of items that did not choose: there are no two folds to cross-fit.",)
        for number, (tune, report) in enumerate(splits, 1):
            space, entries, _ = self.on(tune, options.within(f"fold {number} of {len(splits)}"))
            if options.should_stop is not None and options.should_stop():
                return [], ("Stopped before both folds were cross-fitted: no figure is of items that did not choose.",)
            done.append((report, (space, entries)))
        return done, ()


def _points(
    pool: CandidatePool,
    space: Space,
    folds: Sequence[Reporting],
    entries: Iterable[Entry],
    *,
    objective: Objective,
    reserve_bytes: int,
    alone: bool = False,
) -> tuple[Point, ...]:
    """The best of some entries by rising budget; with ``alone`` folds, too, answer with single models."""
    fitted = [(report, None if found is None else _Steps(*found, alone)) for report, found in folds]
    points = []
    for entry in rising(entries, lambda entry: (space.room_bytes(entry.subset), entry.score)):
        room = space.room_bytes(entry.subset)
        parts = [
            ScoredPart(report, voters_of(space, entry) if steps is None else steps.at(room)) for report, steps in fitted
        ]
        held_out = None
        if parts:
            rows = blended(pool.labels, parts, objective)
            held_out = objective.score(rows, np.zeros(1, np.int64), np.ones(1))
        members, blend, shared = members_of(space, entry), entry.scored.blend, space.shared_bytes(entry.subset)
        points.append(Point(room + reserve_bytes, members, blend, entry.score, held_out, shared_bytes=shared))
    return with_gains(points)


class _Steps:
    """What one frontier has for every budget, ready to score."""

    def __init__(self, space: Space, entries: Iterable[Entry], alone: bool) -> None:
        chosen = [entry for entry in entries if not alone or len(entry.subset) == 1]
        self._space = space
        self._best = rising(chosen, lambda entry: (space.room_bytes(entry.subset), entry.score))
        self._rooms = [space.room_bytes(entry.subset) for entry in self._best]

    def at(self, room_bytes: int) -> Voters:
        """The best that takes no more; the smallest, where none does (a fold may begin later than the whole)."""
        return voters_of(self._space, self._best[max(bisect_right(self._rooms, room_bytes) - 1, 0)])
