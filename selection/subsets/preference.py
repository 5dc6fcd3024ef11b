"""The last choice: the best score, without what gains too little to measure, or the smallest that is within noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.blend.weights import on_simplex
from gapsack.selection.decimals import score_decimals, score_text
from gapsack.selection.metrics.log_losses import BinaryLogLoss, CategoricalLogLoss
from gapsack.selection.report.bootstrap import Sample, draws_for_an_error, sample_on
from gapsack.selection.subsets.board import Board, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.subsets.find import Found
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

LEAST_WEIGHT = 1e-3  # of a member that must be there and would have none: what is listed votes
MEASURABLE_ERRORS = 1.0  # standard errors of the difference that a gain must have to be worth bytes,
SEARCHED_TOGETHER = 8  # leaner ensembles whose weights are searched at a time, for workers to share
SCORE_ERROR_SHARE = 0.005  # or this share of the standard error of the score itself: what nobody would see beside it
# A log loss has no bound. Its error is that of the few items that are missed most, and a share of that hides what is
# seen on others: with 0.02 of it, ensembles were visibly worse on new items (docs/benchmarks.md, small sets).
LOG_LOSS_ERROR_SHARE = 0.002


def score_error_share(objective: Objective) -> float:
    """The share of its standard error that a score may give up for fewer bytes."""
    return LOG_LOSS_ERROR_SHARE if isinstance(objective, BinaryLogLoss | CategoricalLogLoss) else SCORE_ERROR_SHARE


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
    if min(weights) > 0.0:
        return Entry(subset, replace(entry.scored, columns=space.columns_of(subset), weights=weights))
    raised = on_simplex(np.maximum(weights, LEAST_WEIGHT))
    return board.as_it_is(subset, tuple(float(weight) for weight in raised), entry.scored.blend)


def preferred(found: Found, options: Options, groups: NDArray[np.int64] | None = None) -> tuple[Entry, str]:
    """The entry to report, and how it was chosen, as a sentence.

    Args:
        found: outcome of a search; items that report take no part in the choice, as they took none in it.
        options: ``prefer``, ``seed``.
        groups: [tuning items, in the order of the search] numbers of groups that are drawn whole; None draws items.
    """
    # On its board, as what it is compared with; where that is of a sample, all items have the last word.
    best = without_idle(found.board, found.leader or found.best)
    if groups is not None and found.places is not None:
        groups = groups[found.places]
    entry, told = _chosen(found, best, options, groups)
    return (entry, told) if found.settle is None else found.settle(entry, told)


def _chosen(found: Found, best: Entry, options: Options, groups: NDArray[np.int64] | None) -> tuple[Entry, str]:
    evaluator = found.board.runner.evaluator
    resamples = draws_for_an_error(evaluator.objective)

    def sample(entry: Entry) -> Sample:
        rows = evaluator.rows_of(entry.scored.columns, entry.scored.blend)
        weights, objective = entry.scored.weights, evaluator.objective
        return sample_on(rows, weights, objective, resamples=resamples, seed=options.seed, groups=groups)

    floor = -np.inf if found.start is None else found.start.score
    noise = _Noise(best, sample, floor, score_error_share(evaluator.objective))
    if options.prefer == "small":
        chosen, told = _smallest(found.board, best, noise)
    else:
        errors = 0.0 if options.prefer == "score" else MEASURABLE_ERRORS
        chosen, told = _measured(found.board, best, noise, allowed_errors=errors)
    if found.start is not None and chosen.score < found.start.score:
        return found.start, "The earlier ensemble: nothing that was found scores as much on the tuning items."
    return chosen, told


class _Noise:
    """What entries lose to the best on the tuning items, and how sure that is: one bootstrap for the best.

    ``floor`` is the score that none may be behind: that of the ensemble which the search began from. ``share`` is that
    of `score_error_share`.
    """

    def __init__(self, best: Entry, sample: Callable[[Entry], Sample], floor: float, share: float) -> None:
        self.best = best
        self.floor = floor
        self.share = share
        self._sample_of = sample
        self._sample: Sample | None = None

    def lost(self, entry: Entry) -> Sample:
        """The best one's score less the entry's, on the same draws."""
        return self.own.minus(self._sample_of(entry))

    @property
    def own(self) -> Sample:
        """The best one's score."""
        if self._sample is None:
            self._sample = self._sample_of(self.best)
        return self._sample

    def hides(self, entry: Entry, errors: float) -> bool:
        """Whether what an entry loses is too little to be worth bytes.

        With few items the error of a difference is large, and much that helps is within it: an ensemble without all of
        that is visibly worse on new items. So what is given up is also small beside the error of the score.
        """
        lost = self.best.score - entry.score
        if lost > self.share * self.own.standard_error:
            return False
        return lost <= errors * self.lost(entry).standard_error


def _measured(board: Board, best: Entry, noise: _Noise, *, allowed_errors: float) -> tuple[Entry, str]:
    """The best without what it gains less by than ``allowed_errors`` standard errors of the difference.

    Members are dropped, or taken at a smaller precision, one after another, at each step whatever frees most bytes; all
    that is given up is held against the best.
    """
    chosen, lost = best, 0.0
    try:
        while (leaner := _leaner(board, chosen, noise, allowed_errors)) is not None:
            chosen, lost = leaner, best.score - leaner.score
    except Stopped:
        pass  # asked to stop: what was found so far is an answer
    if chosen is best:
        measured = ": what each member gains is worth its bytes" if allowed_errors > 0.0 else ""
        return best, f"The best score on the tuning items{measured}."
    saved = _size(board, best) - _size(board, chosen)
    sentence = f"Left out, for {saved} of {_size(board, best)} bytes: {_left_out(board, best, chosen)}"
    if lost <= 0.0:
        return chosen, f"{sentence}, which gained nothing on the tuning items."
    given_up = score_text(lost, score_decimals(values=[lost]))
    return chosen, (
        f"{sentence}, which gained {given_up} on the tuning items, less than the standard error of that difference "
        f"and {100 * noise.share:g} % of that of the score; --prefer score keeps it."
    )


def _leaner(board: Board, entry: Entry, noise: _Noise, allowed_errors: float) -> Entry | None:
    """An entry of fewer bytes that loses nothing measurable to the best, the smallest first; None without one."""
    space = board.space
    subset = entry.subset
    rests = [subset[:place] + subset[place + 1 :] for place in range(len(subset))]
    swaps = [
        tuple(sorted((*rest, smaller)))
        for number, rest in zip(subset, rests, strict=True)
        for smaller in space.of_candidate[space.items[number].candidate]
        if space.size_bytes((*rest, smaller)) < space.size_bytes(subset)
    ]
    rests = [rest for rest in rests if rest and space.is_allowed(rest)]
    swaps = [swap for swap in swaps if space.is_allowed(swap)]
    points = [(rest, weights) for rest in rests for weights in entry.weights_without(rest)]
    points += [(swap, swapped(space, entry, swap)) for swap in swaps]
    as_they_are: dict[Subset, list[Entry]] = {}
    for each in board.evaluate_at(points):
        as_they_are.setdefault(each.subset, []).append(each)
    # Weights are searched in the order of sizes, and no further than the first that will do: most lie behind it.
    ordered = sorted({*rests, *swaps}, key=lambda each: (space.size_bytes(each), each))
    for first in range(0, len(ordered), SEARCHED_TOGETHER):
        part = ordered[first : first + SEARCHED_TOGETHER]
        leaders = [board.ranked([*as_they_are[each.subset], each])[0] for each in board.evaluate(part, "quick")]
        for leaner in sorted(leaders, key=lambda each: (_size(board, each), board.rank(each))):
            found = _within(board, leaner, noise, allowed_errors)
            if found is not None:
                return found
    return None


def _within(board: Board, leaner: Entry, noise: _Noise, allowed_errors: float) -> Entry | None:
    """An entry with its best weights if what it loses is not measurable, else None."""
    lost = noise.best.score - leaner.score
    if lost > 0.0:
        if allowed_errors == 0.0 or not noise.hides(leaner, allowed_errors):
            return None
        board.add_start(leaner.subset, leaner.scored.weights)
        leaner = board.ranked([leaner, *board.evaluate([leaner.subset], "final")])[0]
    leaner = without_idle(board, leaner)
    return leaner if leaner.score >= noise.floor else None


def swapped(space: Space, entry: Entry, swap: Subset) -> tuple[float, ...]:
    """The weights of an entry for the same candidates at other precisions."""
    pairs = zip(entry.subset, entry.scored.weights, strict=True)
    weights = {space.items[number].candidate: weight for number, weight in pairs}
    return tuple(weights[space.items[number].candidate] for number in swap)


def _left_out(board: Board, best: Entry, chosen: Entry) -> str:
    """Members and precisions that the best has and the chosen one has not."""
    items = board.space.items
    kept = {items[number].candidate for number in chosen.subset}
    told = [
        items[n].name if items[n].candidate not in kept else f"{items[n].name} at {items[n].precision}"
        for n in best.subset
        if n not in chosen.subset
    ]
    return ", ".join(told)


def _smallest(board: Board, best: Entry, noise: _Noise) -> tuple[Entry, str]:
    """The smallest ensemble of all that were searched that is within one standard error of the best."""
    smaller = [
        entry for entry in _smaller_ones(board, best) if board.space.size_bytes(entry.subset) < _size(board, best)
    ]
    smaller.sort(key=lambda entry: (_size(board, entry), len(entry.subset), board.rank(entry)))
    for entry in smaller:
        lost = noise.lost(entry)
        if lost.score <= lost.standard_error and entry.score >= noise.floor:
            digits = score_decimals([lost.standard_error], [lost.score])
            error, given_up = score_text(lost.standard_error, digits), score_text(lost.score, digits)
            return entry, (
                f"The smallest ensemble within one standard error ({error}) of the best score on the "
                f"tuning items: it gives up {given_up} and "
                f"{_size(board, best) - _size(board, entry)} of {_size(board, best)} bytes."
            )
    return best, "The best score on the tuning items: no smaller ensemble is within one standard error of it."


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
