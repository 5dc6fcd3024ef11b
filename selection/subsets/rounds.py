"""Rounds of more and more items, for pools of so many that a search on all of them would take hours and tens of GB.

1. The search runs on ``search_videos`` of the tuning items, drawn at random.
2. The ``FINALISTS`` ensembles that score best there are scored again, with the weights that they have, on a sample
   ``GROWTH`` times as large that contains the first, and so on up to half of the tuning items, at last on all.
3. After each round those stay whose score is within ``WITHIN_ERRORS`` standard errors of the leader's, the error being
   that of the paired difference over ``PARTS`` disjoint parts of the items: of these the better half of who took
   part, and never fewer than ``LEAST_KEPT``. The best model alone and the best other set of candidates stay as well,
   as the leader is compared with them in the end.

Rounds go through the items in chunks (``selection.rows.streamed``), so that memory holds the pooled pairs of a few
ensembles, and never the rows of all items. The rule is one of thumb: an ensemble that the first sample ranks beyond
the finalists is not looked at again. What is proved on a sample (``selection.blend.bound``) says nothing of all
items, so no bound is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.decimals import score_decimals, score_text
from gapsack.selection.report.bootstrap import score_or_nan
from gapsack.selection.report.splits import group_numbers
from gapsack.selection.rows import streamed
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.subsets import find as searching
from gapsack.selection.subsets.board import Entry
from gapsack.selection.subsets.find import Found, find_with, runner_on
from gapsack.selection.subsets.preference import MEASURABLE_ERRORS, score_error_share, without_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.rows.rows import Rows
    from gapsack.selection.subsets.board import Board
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space

    Floats = NDArray[np.float64]
    Videos = NDArray[np.int64]

GROWTH = 4
FINALISTS = 32
LEAST_KEPT = 4
WITHIN_ERRORS = 2.0
PARTS = 16
MOST_PAIRS = 1 << 25  # of all ensembles that one pass scores, 13 bytes each
LISTED = 128  # entries of an item, where a metric counts all of them: a guess, which bounds memory
UNPROVED = {"upper_bound": None, "gap_to_bound": None, "could_still_win": None, "complete": False}


def find(labels: Labels, videos: Videos, space: Space, objective: Objective, options: Options) -> Found:
    """Search the best ensemble of a space on some items, in rounds where these are more than ``search_videos``.

    Arguments as those of ``selection.subsets.find.find``, which it is for fewer items. Scores of the outcome are of
    all items in any case.

    Raises:
        InputError: a metric that is not GAP, of more items than there is room for (``selection.rows.streamed``).
    """
    if len(videos) <= options.search_videos:
        return searching.find(labels, videos, space, objective, options)
    scales = Scales(labels, videos, space, objective, options.seed, group_numbers(labels, options.groups))
    scales.check_room()
    with runner_on(labels, scales.sample(options.search_videos), space, objective, options) as runner:
        return _Rounds(scales, find_with(runner, space, options), options).found()


def searched_on(videos: Videos, options: Options) -> Videos:
    """Those of some items on which weights are searched: all, or a random sample of ``search_videos``, by rising row.

    It is not that of a search's first round: what is compared there has seen these.
    """
    if len(videos) <= options.search_videos:
        return videos
    return np.sort(np.random.default_rng([options.seed, 8]).permutation(videos)[: options.search_videos])


@dataclass(frozen=True)
class Rescored:
    """An ensemble with its score on a sample, and on each of up to ``PARTS`` disjoint parts of that."""

    entry: Entry
    parts: Floats

    def behind(self, other: Rescored) -> tuple[float, float]:
        """By how much it is behind another, and the standard error of that."""
        return other.entry.score - self.entry.score, _error_of_mean(other.parts - self.parts)

    @property
    def error(self) -> float:
        """The standard error of its score."""
        return _error_of_mean(self.parts)


@dataclass(frozen=True)
class Scales:
    """Nested random samples of some items, and the scores of ensembles on them.

    Attributes:
        labels: ground truth of the pool.
        videos: rows of the pool that samples are of.
        space: the allowed subsets.
        objective: what to score.
        seed: of the samples.
        groups: [items] of the pool, numbers of groups that are in one part whole; None parts items.
    """

    labels: Labels
    videos: Videos
    space: Space
    objective: Objective
    seed: int
    groups: NDArray[np.int64] | None = None
    _order: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_order", np.random.default_rng([self.seed, 6]).permutation(len(self.videos)))

    def places(self, count: int) -> NDArray[np.int64]:
        """Places of the first ``count`` items of a random order, by rising row: lists are read from end to end."""
        drawn = self._order[:count]
        return np.asarray(drawn[np.argsort(self.videos[drawn], kind="stable")])

    def sample(self, count: int) -> Videos:
        """The items at ``places``."""
        return self.videos[self.places(count)]

    def parts(self, count: int) -> NDArray[np.int64]:
        """[count] number of each item's part, below ``PARTS``: at random, so of all regions of the files."""
        if self.groups is None:
            return np.argsort(self.videos[self._order[:count]], kind="stable") % PARTS
        order = np.random.default_rng([self.seed, 7]).permutation(int(self.groups.max()) + 1)
        return np.asarray(order[self.groups[self.sample(count)]] % PARTS)

    def between(self, first: int) -> list[int]:
        """Sizes of the samples between the first and all items, each ``GROWTH`` times the one before.

        One of more than half of all items would cost nearly as much as all do, for nothing.
        """
        sizes = []
        while 2 * GROWTH * first <= len(self.videos):
            first *= GROWTH
            sizes.append(first)
        return sizes

    def check_room(self) -> None:
        """Raise an InputError when what is reported of all items will not fit into memory."""
        if self.objective.top_k is None:
            everything = np.arange(self.labels.video_count)
            columns = self.space.columns
            rows = build_rows(self.labels.take(everything[:1000]), columns, None, everything[:1000])
            streamed.check_room(len(rows.classes), rows.video_count, len(everything))

    def scored(self, entries: Sequence[Entry], count: int, check: Callable[[], None] = lambda: None) -> list[Rescored]:
        """Entries with their weights on the first ``count`` items; ``check`` is called now and then, and may raise."""
        videos = self.sample(count)
        part = self.parts(count)
        together = max(MOST_PAIRS // (count * (self.objective.top_k or LISTED)), 1)
        found: list[Rescored] = []
        for start in range(0, len(entries), together):
            found += self._pass(entries[start : start + together], videos, part, check)
        return found

    def _pass(
        self, entries: Sequence[Entry], videos: Videos, part: NDArray[np.int64], check: Callable[[], None]
    ) -> list[Rescored]:
        columns = sorted({column for entry in entries for column in entry.scored.columns})
        votes = [
            streamed.Vote(
                tuple(columns.index(column) for column in entry.scored.columns),
                entry.scored.weights,
                entry.scored.blend == "logit",
            )
            for entry in entries
        ]
        lists = [self.space.columns[column] for column in columns]
        blends = streamed.blended_rows(self.labels, lists, votes, self.objective.top_k, videos, check=check)
        found = []
        for entry in entries:
            check()
            rows = blends.pop(0)
            scored = replace(entry.scored, score=self.objective.score(rows, *streamed.ALONE))
            found.append(Rescored(Entry(entry.subset, scored), self._of_parts(rows, part)))
        return found

    def _of_parts(self, rows: Rows, part: NDArray[np.int64]) -> Floats:
        parts = (rows.take(np.flatnonzero(part == number)) for number in np.unique(part))
        return np.array([score_or_nan(self.objective, each, *streamed.ALONE) for each in parts])


def survivors(rescored: Sequence[Rescored], board: Board) -> list[Rescored]:
    """Who takes part in the next round, best first, by the rule of the module."""
    ranked = sorted(rescored, key=lambda each: board.rank(each.entry))
    leader = ranked[0]
    near = [each for each in ranked if _within(*each.behind(leader), WITHIN_ERRORS)]
    kept = near[: max(-(-len(ranked) // 2), LEAST_KEPT)]
    kept = ranked[:LEAST_KEPT] if len(kept) < LEAST_KEPT else kept
    entries = [each.entry for each in ranked]
    staying = {each.entry.subset for each in kept}
    staying |= {each.subset for each in (_alone(entries), _other(board.space, entries, leader.entry)) if each}
    return [each for each in ranked if each.entry.subset in staying]


class _Rounds:
    """The rounds of one search."""

    def __init__(self, scales: Scales, found: Found, options: Options) -> None:
        self._scales = scales
        self._found = found
        self._options = options
        self._board = found.board
        self._all = len(scales.videos)
        self._told: list[dict[str, int]] = []
        self._start: Entry | None = None  # the earlier ensemble on all items, where the outcome must not be behind it

    def found(self) -> Found:
        """The outcome of the search with the scores of all items."""
        found = self._found
        first = self._finalists()
        subsets = len({entry.subset for entry in found.entries()})
        self._told.append({"videos": self._options.search_videos, "subsets": subsets, "kept": len(first)})
        finalists, ended = self._on_more_videos(first)
        self._best = min(finalists, key=self._board.rank)
        self._leader = next(entry for entry in first if entry.subset == self._best.subset)
        if found.start is not None:
            self._start = self._scales.scored([found.start], self._all)[0].entry
            if self._start.score > self._best.score:
                self._best, self._leader = self._start, found.start
                finalists = [self._start, *(entry for entry in finalists if entry.subset != self._start.subset)]
        reason = found.summary["stop_reason"]
        if found.summary["ended_by_itself"] and not ended:
            reason = "Stopped on request: this is the best found so far, and others may be better."
        last = self._told[-1]["subsets"]
        summary = {
            **found.summary,
            **UNPROVED,
            "ended_by_itself": found.summary["ended_by_itself"] and ended,
            "rounds": self._told,
            "stop_reason": (
                f"{reason} That was on {self._options.search_videos} of the {self._all} tuning items, drawn at "
                f"random; its {len(first)} best were scored again on more, and {last} of them on all. What the first "
                "sample ranks lower was not, so that a better one cannot be excluded."
            ),
        }
        return replace(
            found,
            best=self._best,
            summary=summary,
            places=self._scales.places(self._options.search_videos),
            leader=self._leader,
            finalists=tuple(finalists),
            settle=self._settled,
        )

    def _on_more_videos(self, entries: Sequence[Entry]) -> tuple[list[Entry], bool]:
        """The entries of the last round with their scores on all items, and whether no round was stopped."""
        check = self._board.runner.check
        counts = [*self._scales.between(self._options.search_videos), self._all]
        try:
            for number, count in enumerate(counts):
                self._board.tell("rounds of more items", number, len(counts))
                rescored = self._scales.scored(entries, count, check)
                kept = survivors(rescored, self._board)
                self._told.append({"videos": count, "subsets": len(entries), "kept": len(kept)})
                entries = [each.entry for each in kept]
        except Stopped:
            others = (_alone(entries), _other(self._board.space, entries, entries[0]))
            few = list({each.subset: each for each in (entries[0], *others) if each is not None}.values())
            self._told.append({"videos": self._all, "subsets": len(few), "kept": len(few)})
            return [each.entry for each in self._scales.scored(few, self._all)], False
        return list(entries), True

    def _finalists(self) -> list[Entry]:
        """The best ensembles of the search, without idle members; the best model alone and another set in any case."""
        boards = {board.blend: board for board in self._found.boards}
        stripped = without_idle(self._board, self._found.best)
        entries = [without_idle(boards[entry.scored.blend], entry) for entry in self._found.entries()]
        best = {stripped.subset: stripped}
        for entry in entries:
            if len(best) >= FINALISTS:
                break
            best.setdefault(entry.subset, entry)
        for further in (_alone(entries), _other(self._board.space, entries, stripped)):
            if further is not None:
                best.setdefault(further.subset, further)
        return list(best.values())

    def _settled(self, chosen: Entry, preference: str) -> tuple[Entry, str]:
        """The last choice held against all items: what a sample could not measure, all of them may."""
        best, leader = self._best, self._leader
        where = f"{self._options.search_videos} of the {self._all} tuning items"
        if (chosen.subset, chosen.scored.weights) == (leader.subset, leader.scored.weights):
            return best, f"{preference} (What members gain was measured on {where}.)"
        if self._options.prefer == "bagged":  # what it gives up was asked for
            return self._scales.scored([chosen], self._all)[0].entry, preference
        again, ahead = self._scales.scored([chosen, best], self._all)
        behind, error = again.behind(ahead)
        digits = score_decimals([error], [behind])
        told = f"{score_text(behind, digits)}, with a standard error of {score_text(error, digits)}"
        floor = -np.inf if self._start is None else self._start.score
        if again.entry.score >= floor and behind <= self._may_be_given_up(ahead, error):
            return again.entry, (f"{preference} (That was measured on {where}; on all of them it gives up {told}.)")
        return best, (f"The best score on the tuning items: to leave something out of it would have given up {told}.")

    def _may_be_given_up(self, best: Rescored, error: float) -> float:
        """What the choice may be behind the best on all items, where the difference has this standard error."""
        if self._options.prefer == "score":
            return 0.0
        measurable = MEASURABLE_ERRORS * error
        if self._options.prefer == "small":
            return measurable
        return min(measurable, score_error_share(self._scales.objective) * best.error)


def _error_of_mean(parts: Floats) -> float:
    """The standard error of the mean of some parts; without end where all items are one group, and nothing tells."""
    parts = parts[np.isfinite(parts)]  # a part may lack what its metric needs
    return float(parts.std(ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else np.inf


def _within(behind: float, error: float, errors: float) -> bool:
    return behind <= errors * error


def _alone(entries: Sequence[Entry]) -> Entry | None:
    """The first model alone."""
    return next((entry for entry in entries if len(entry.subset) == 1), None)


def _other(space: Space, entries: Sequence[Entry], entry: Entry) -> Entry | None:
    """The first of other candidates than an entry's."""
    mine = _candidates(space, entry)
    return next((each for each in entries if _candidates(space, each) != mine), None)


def _candidates(space: Space, entry: Entry) -> frozenset[int]:
    """The candidates that vote."""
    pairs = zip(entry.subset, entry.scored.weights, strict=True)
    return frozenset(space.items[number].candidate for number, weight in pairs if weight > 0.0)
