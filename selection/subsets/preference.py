"""The last choice: the best score, or the smallest ensemble that scores as well within noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.evaluate import Task
from gapsack.selection.blend.runner import Stopped
from gapsack.selection.blend.weights import on_simplex
from gapsack.selection.report.bootstrap import bootstrap
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.members import voters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.subsets.find import Found
    from gapsack.selection.subsets.options import Options

LEAST_WEIGHT = 1e-3  # of a member that must be there and would have none: what is listed votes
RESAMPLES = 200  # for a standard error, which needs fewer than an interval


def stripped(found: Found) -> Entry:
    """The best ensemble of a search without members of weight zero, other than those that must be there."""
    return without_idle(found.board, found.best)


def without_idle(board: Board, entry: Entry) -> Entry:
    """An entry without members of weight zero; one that must be there gets ``LEAST_WEIGHT``, and is scored with it."""
    space = board.space
    kept = [
        place
        for place, (number, weight) in enumerate(zip(entry.subset, entry.scored.weights, strict=True))
        if weight > 0.0 or space.items[number].candidate in space.required
    ]
    subset = tuple(entry.subset[place] for place in kept)
    weights = tuple(entry.scored.weights[place] for place in kept)
    columns = space.columns_of(subset)
    if min(weights) > 0.0:
        return Entry(subset, replace(entry.scored, columns=columns, weights=weights))
    raised = on_simplex(np.maximum(weights, LEAST_WEIGHT))
    task = Task(columns, "fixed", entry.scored.blend, (tuple(float(weight) for weight in raised),))
    return Entry(subset, board.runner.evaluator(task))


def preferred(
    found: Found, labels: Labels, videos: NDArray[np.int64], objective: Objective, options: Options
) -> tuple[Entry, str]:
    """The entry to report, and how it was chosen, as a sentence.

    Args:
        found: outcome of a search.
        labels: ground truth of the pool.
        videos: the tuning videos; the held-out ones take no part in the choice.
        objective: what was maximised.
        options: ``prefer``, ``seed``.
    """
    best = stripped(found)
    if options.prefer == "score":
        return best, "The best score on the tuning videos."
    board = found.board
    smaller = [
        entry for entry in _smaller_ones(board, best) if board.space.size_bytes(entry.subset) < _size(board, best)
    ]
    smaller.sort(key=lambda entry: (_size(board, entry), len(entry.subset), board.rank(entry)))
    for entry in smaller:
        pair = [voters_of(board.space, entry), voters_of(board.space, best)]
        here, there = bootstrap(pair, labels, videos, objective, resamples=RESAMPLES, seed=options.seed)
        lost = there.minus(here)
        if lost.score <= lost.standard_error:
            return entry, (
                f"The smallest ensemble within one standard error ({lost.standard_error:.6f}) of the best score on the "
                f"tuning videos: it gives up {lost.score:.6f} and "
                f"{_size(board, best) - _size(board, entry)} of {_size(board, best)} bytes."
            )
    return best, "The best score on the tuning videos: no smaller ensemble is within one standard error of it."


def _smaller_ones(board: Board, best: Entry) -> list[Entry]:
    """Ensembles to compare: all that were searched at some length, and what dropping members one by one leaves."""
    entries = [
        entry
        for effort, level in board.levels.items()
        for entry in level.values()
        if effort != "cheap" or len(entry.subset) == 1
    ]
    subset = best.subset
    try:
        while len(subset) > 1:
            rests = [subset[:place] + subset[place + 1 :] for place in range(len(subset))]
            allowed = [rest for rest in rests if board.space.is_allowed(rest)]
            if not allowed:
                break
            ranked = board.ranked(board.evaluate(allowed, "quick"))
            entries += ranked
            subset = ranked[0].subset
    except Stopped:
        pass  # asked to stop: compare what there is
    return [without_idle(board, entry) for entry in entries if board.counts_for(entry)]


def _size(board: Board, entry: Entry) -> int:
    return board.space.size_bytes(entry.subset)
