"""Bagging: what greedy selection takes on all items and on many halves of them, averaged, where few items tell.

A few hundred items are too few to say which weights are best: a search fits their noise, and so does greedy selection.
What half of them choose differs from what the other half does, and on most kinds of pool that were tried the mean of
many such choices is ahead on new items (Caruana et al., 2004, average over bags of models; here the models are few and
the items are drawn). Where models differ much, half of the items are too few to see it, and the mean is behind the
choice of all; half of the votes to each of both was ahead of that choice or level. Greedy selection is enough for
that: the mean over halves of whole searches is no better, at many times the cost
(docs/adr/0049-few-items-are-bagged.md).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.errors import UndefinedMetricError
from gapsack.selection.report.splits import by_appearance, cross_folds
from gapsack.selection.subsets.board import Board
from gapsack.selection.subsets.find import runner_on
from gapsack.selection.subsets.greedy import TIE_DECIMALS, greedy_votes
from gapsack.selection.subsets.preference import LEAST_WEIGHT, swapped
from gapsack.selection.subsets.rounds import searched_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.find import Found
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

    Videos = NDArray[np.int64]

PAIRS = 10  # of halves, each item being in one half of a pair
LEAST_VOTES = 0.01  # a model with a smaller share of them is no member: it takes its bytes for nothing that was seen,
LEAST_OF_MOST = 0.03  # but where many models share the votes it is one with this much of what the first has


def halves_of(labels: Labels, videos: Videos, options: Options, groups: Videos | None = None) -> list[Videos]:
    """Both halves of ``PAIRS`` splits of some items, each as rows of the pool; none of a single item or group.

    Args:
        labels: ground truth of the pool.
        videos: rows of the pool; of more than ``search_videos`` a sample is halved.
        options: ``seed``, ``search_videos``.
        groups: [videos] numbers of groups that stay on one side of every split; None splits items.
    """
    halved = searched_on(videos, options)
    numbers = None
    if groups is not None:
        group_of = dict(zip(videos.tolist(), groups.tolist(), strict=True))
        numbers = by_appearance(np.array([group_of[video] for video in halved.tolist()]))
    here = labels.take(halved)
    seeds = np.random.default_rng([options.seed, 10]).integers(2**31, size=PAIRS).tolist()
    return [halved[np.sort(half)] for seed in seeds for half, _ in cross_folds(here, 2, seed, numbers)]


def bagged(
    found: Found, halves: Sequence[Videos], labels: Labels, objective: Objective, options: Options
) -> tuple[Entry | None, str]:
    """The mean of a greedy selection on all items and of the mean of those on halves of them, as an entry.

    With it comes how it was chosen, as a sentence.

    It is the earlier ensemble where the search began from one that is ahead of it on the items; and None, with the
    reason, where no half can choose, the search is asked to stop before all have, or a model alone is ahead on them.

    Args:
        found: the search of all items: its space, and the blend that it found best.
        halves: rows of the pool, half after half, the first two being all items.
        labels: ground truth of the pool.
        objective: what to maximise.
        options: ``workers``, ``should_stop``.
    """
    space, board = found.board.space, found.board
    try:
        of_all, *of_halves = _selections(board, halves, labels, objective, options)
    except Stopped:
        return None, "Stopped before all halves of the items had chosen."
    if not of_halves:
        return None, "No half of the items can choose."
    selections = [of_all, *of_halves]
    votes = {
        number: 0.5 * of_all.get(number, 0.0) + 0.5 * float(np.mean([each.get(number, 0.0) for each in of_halves]))
        for number in sorted({number for each in selections for number in each})
    }
    subset = most_voted(space, votes, [tuple(sorted(each)) for each in selections])
    of_candidate = _of_candidates(space, votes)
    shares = [of_candidate.get(space.items[number].candidate, 0.0) for number in subset]
    kept = np.maximum(shares, LEAST_WEIGHT)
    entry = _at_lower_precisions(board, board.as_it_is(subset, tuple((kept / kept.sum()).tolist()), board.blend))
    told = (
        f"The mean of greedy selection on all items and of that on {len(of_halves)} halves of them: {len(subset)} of "
        f"the {len(of_candidate)} models that got votes, with {sum(shares):.0%} of them."
    )
    start = found.start
    if found.settle is not None:
        entry, told = found.settle(entry, told)
        start = None if start is None else found.settle(start, told)[0]
    alone = found.best_alone  # on all items, as the entry is now
    if alone is not None and entry.score < alone.score:
        return None, "What halves of the items choose is behind the best model alone."
    if start is not None and entry.score < start.score:
        return start, "The earlier ensemble: what halves of the items choose is behind it on all of them."
    return entry, told


def _selections(
    board: Board, halves: Sequence[Videos], labels: Labels, objective: Objective, options: Options
) -> list[dict[int, float]]:
    """Votes by item of greedy selection on all items, and on each half that can choose; Stopped where asked to stop."""
    among = _at_searched_precisions(board)

    def selected(items: Videos) -> dict[int, float]:
        # In this process: what goes elsewhere takes longer than so few items do.
        with runner_on(labels, items, board.space, objective, replace(options, executor=None)) as runner:
            chosen = greedy_votes(Board(board.space, runner, board.blend), "score", board.blend, among)
        return dict(zip(*chosen, strict=True))

    found: list[dict[int, float]] = []
    for number, half in enumerate(halves):
        board.tell("greedy selections on halves", number, len(halves))
        with suppress(UndefinedMetricError):  # a half that lacks what the metric needs, such as a class
            found.append(selected(half))
    return [selected(np.sort(np.concatenate(halves[:2]))) if found else {}, *found]


def most_voted(space: Space, votes: Mapping[int, float], starts: Sequence[Subset]) -> Subset:
    """An allowed subset of models that have votes, with as many of the votes as were found to fit.

    All of them where that is allowed, each candidate at the precision that has most of its votes. Else each start is
    filled with what brings most votes a byte, and the one with most votes is taken; of equal ones, the smallest.

    Args:
        space: the allowed subsets.
        votes: by item.
        starts: allowed subsets; those of their candidates that have hardly any votes are left out.
    """
    of_candidate = _of_candidates(space, votes)
    least = min(LEAST_VOTES, LEAST_OF_MOST * max(of_candidate.values()))

    def is_kept(number: int) -> bool:
        candidate = space.items[number].candidate
        return of_candidate.get(candidate, 0.0) >= least or candidate in space.required

    dearest: dict[int, int] = {}
    for number in sorted(votes, key=lambda each: (-votes[each], space.items[each].size_bytes, each)):
        dearest.setdefault(space.items[number].candidate, number)
    whole = tuple(sorted(filter(is_kept, dearest.values())))
    if space.is_allowed(whole):
        return whole

    def worth(number: int) -> float:
        return of_candidate.get(space.items[number].candidate, 0.0)

    def filled(subset: Subset) -> Subset:
        while joiners := [each for each in space.additions(subset) if each in votes and is_kept(each)]:
            rate = {each: worth(each) / max(space.added_room_bytes(subset, each), 1) for each in joiners}
            subset = tuple(sorted((*subset, max(joiners, key=lambda each: (rate[each], -each)))))
        return subset

    every = [space.smallest_required, *dict.fromkeys(tuple(filter(is_kept, each)) for each in starts)]
    fits = [each for each in map(filled, every) if space.is_allowed(each)]

    def rank(subset: Subset) -> tuple[float, int, list[int]]:
        return round(sum(map(worth, subset)), 9), -space.size_bytes(subset), [-number for number in subset]

    return max(fits, key=rank)


def _at_searched_precisions(board: Board) -> frozenset[int]:
    """An item of each candidate: at the precision that it has in the best ensemble with a vote of it that was searched.

    Greedy selection takes the precision with the highest score while it fits; a search weighs what its bytes keep out.
    """
    space = board.space
    best: dict[int, int] = {}
    for entry in board.ranked(board.entries()):
        for number, weight in zip(entry.subset, entry.scored.weights, strict=True):
            if weight >= LEAST_WEIGHT:
                best.setdefault(space.items[number].candidate, number)
    return frozenset(best.get(candidate, numbers[0]) for candidate, numbers in space.of_candidate.items())


def _at_lower_precisions(board: Board, entry: Entry) -> Entry:
    """The entry with each member at the smallest precision at which the ensemble scores the same."""
    space = board.space
    for number in sorted(entry.subset, key=lambda each: (-space.items[each].size_bytes, each)):
        item = space.items[number]
        smaller = [n for n in space.of_candidate[item.candidate] if space.items[n].size_bytes < item.size_bytes]
        for other in sorted(smaller, key=lambda each: (space.items[each].size_bytes, each)):
            subset = tuple(sorted(other if each == number else each for each in entry.subset))
            if not space.is_allowed(subset):
                continue
            smallest = board.as_it_is(subset, swapped(space, entry, subset), board.blend)
            if round(smallest.score, TIE_DECIMALS) >= round(entry.score, TIE_DECIMALS):
                entry = smallest
                break
    return entry


def _of_candidates(space: Space, votes: Mapping[int, float]) -> dict[int, float]:
    """Votes by candidate: its precisions are one model."""
    found: dict[int, float] = {}
    for number, share in votes.items():
        candidate = space.items[number].candidate
        found[candidate] = found.get(candidate, 0.0) + share
    return found
