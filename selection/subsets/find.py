"""One search on one set of items, from the space of subsets to the best weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.bound import upper_bound
from gapsack.selection.blend.evaluate import Evaluator
from gapsack.selection.blend.runner import Runner, Stopped
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.branch_and_bound import WORTH_PROVING, Branches, branch_and_bound
from gapsack.selection.subsets.enumeration import Enumeration, enumerate_subsets
from gapsack.selection.subsets.greedy import by_loss, greedy
from gapsack.selection.subsets.local import neighbours, restarts
from gapsack.selection.subsets.race import Tally, race
from gapsack.selection.subsets.start import Start, start_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

NEGLIGIBLE_SCORE = 2e-7  # what dropping members may cost in all
WORTH_TRYING = 2e-5  # what it may cost at first sight, before the weights of the others are searched finely
PROVED = 1e-9  # distance from the bound at which it is reached
MOST_BOUNDED = 64  # subsets up to which each has a bound of its own
LARGEST_COUNT = 2**53  # beyond, a count of subsets says no more than that there are very many
COMPARED = 24  # subsets that are evaluated beside one that is proved the best
MOST_COMPARED = 5_000  # maximal subsets up to which they are listed for that
MAX_REFINEMENTS = 4  # races among the neighbours of the best, when not all subsets were listed


@dataclass(frozen=True)
class Found:
    """Outcome of one search.

    Attributes:
        boards: everything that was scored, a board for each kind of blend.
        best: the best ensemble.
        summary: plain data for ``Ensemble.search``.
        subsets: all maximal ones, where they were listed.
        start: the earlier ensemble that the search began from, where it could be the outcome: nothing that is behind it
            is chosen.
        places: which of the items that were given the boards are of, in their order; None for all as they came.
        leader: the best ensemble as it is on its board, where that is of a sample of the items and the best was scored
            on all (``selection.subsets.rounds``); None where the board is of all.
        finalists: those that were scored on all items beside it; empty where the boards are of all.
        settle: holds the last choice, and what is said of it, against all items; None where the boards are of all.
        bound: a score that no allowed ensemble exceeds, where branch and bound proved one for all blends searched.
    """

    boards: tuple[Board, ...]
    best: Entry
    summary: dict[str, Any]
    subsets: list[Subset]
    start: Entry | None = None
    places: NDArray[np.int64] | None = None
    leader: Entry | None = None
    finalists: tuple[Entry, ...] = ()
    settle: Callable[[Entry, str], tuple[Entry, str]] | None = None
    bound: float | None = None

    @property
    def board(self) -> Board:
        """The board of the best ensemble's blend."""
        return next(board for board in self.boards if board.blend == self.best.scored.blend)

    def summary_of(self, chosen: Entry) -> dict[str, Any]:
        """The summary, what is proved being told of the entry that was chosen in the end."""
        bound = self.summary.get("upper_bound")
        if bound is None:
            return self.summary
        gap = max(bound - chosen.score, 0.0)
        return self.summary | {"gap_to_bound": gap, "complete": gap <= PROVED}

    def entries(self) -> list[Entry]:
        """Everything that was scored on all items and could have been returned, best first."""
        if self.finalists:
            return self.board.ranked(self.finalists)
        return self.board.ranked(entry for board in self.boards for entry in board.entries())

    @property
    def best_alone(self) -> Entry | None:
        """The best of the entries with one member."""
        return next((entry for entry in self.entries() if len(entry.subset) == 1), None)


def find(labels: Labels, videos: NDArray[np.int64], space: Space, objective: Objective, options: Options) -> Found:
    """Search the best ensemble of a space on some items.

    Args:
        labels: ground truth of the pool.
        videos: rows of the pool to use.
        space: the allowed subsets.
        objective: what to maximise on those items.
        options: the user's.
    """
    with runner_on(labels, videos, space, objective, options) as runner:
        found = find_with(runner, space, options)
        return replace(found, summary=found.summary | _proved(found, runner.evaluator, options))


def runner_on(
    labels: Labels, videos: NDArray[np.int64], space: Space, objective: Objective, options: Options
) -> Runner:
    """What evaluates subsets of a space on some items."""
    rows = build_rows(labels.take(videos), space.columns, objective.top_k, videos)
    return Runner(Evaluator.of(rows, objective), options.workers, options.executor, options.should_stop)


def blends_of(options: Options) -> tuple[Blend, ...]:
    """The kinds of blend to search."""
    return ("probability", "logit") if options.blend == "auto" else (options.blend,)


def find_with(runner: Runner, space: Space, options: Options, losses: dict[Subset, float] | None = None) -> Found:
    """Search with a runner; what it evaluated in earlier searches of the same pool costs nothing, and changes nothing.

    Each kind of blend is searched by itself, so that trying both gives the better of what each would give.

    Args:
        runner: evaluates.
        space: the allowed subsets.
        options: the user's.
        losses: squared errors by subset that earlier searches of the same pool computed; more are added.
    """
    known = {} if losses is None else losses
    before = runner.evaluations
    start = None if options.start is None else start_of(space, options.start)
    searches: list[_Search] = []
    reason = ""
    for blend in blends_of(options):
        searches.append(_Search(Board(space, runner, blend, options.progress, losses=known), options, start))
        reason = searches[-1].run()
        if searches[-1].stopped:
            break
    boards = tuple(search.board for search in searches)
    best = min((search.best for search in searches), key=boards[0].rank)
    first = searches[0]
    evaluated: dict[str, int] = {}
    for board in boards:
        for effort, count in board.counts().items():
            evaluated[effort] = evaluated.get(effort, 0) + count
    summary = {
        "strategy": first.strategy,
        "candidates": len(space.of_candidate),
        "items": len(space.items),
        "feasible": first.feasible,
        "maximal": first.maximal,
        "evaluated": evaluated,
        "evaluations": runner.evaluations - before,
        "left_by_the_rule": sum(search.tally.open for search in searches),
        "ended_by_itself": not any(search.stopped for search in searches),
        "stop_reason": reason,
    }
    started = next((search.started for search in searches if search.started is not None), None)
    branches = first.branches if len(searches) == 1 else None
    bound = None if branches is None else branches.bound
    return Found(boards, best, summary, first.subsets, start=started, bound=bound)


def _proved(found: Found, evaluator: Evaluator, options: Options) -> dict[str, Any]:
    """What is certain: a score that no allowed ensemble exceeds, how far the best is from it, and who could exceed it.

    The rules by which a search leaves subsets out are none of this: they say what is likely.
    """
    space = found.board.space
    rows, objective = evaluator.rows, evaluator.objective

    def bound(subset: Subset) -> float | None:
        columns = space.columns_of(subset)
        bounds = [upper_bound(rows, objective, columns, blend) for blend in blends_of(options)]
        return max((each for each in bounds if each is not None), default=None)

    # Of few subsets each has a bound of its own, which is lower than one for all candidates that fit.
    fitting = tuple(number for number in range(len(space.items)) if space.fits((number,)))
    one_by_one = found.subsets if 0 < len(found.subsets) <= MOST_BOUNDED else [fitting]
    bounds = [each for each in map(bound, one_by_one) if each is not None] if found.bound is None else [found.bound]
    if not bounds:
        return {"upper_bound": None, "gap_to_bound": None, "could_still_win": None, "complete": False}
    highest, score = max(bounds), found.best.score
    return {
        "upper_bound": highest,
        "gap_to_bound": max(highest - score, 0.0),
        "could_still_win": sum(each > score + PROVED for each in bounds)
        if one_by_one is found.subsets and found.bound is None
        else None,
        "complete": highest <= score + PROVED,
    }


class _Search:
    """The stages of a search, in order; each leaves what it found on the board."""

    def __init__(self, board: Board, options: Options, start: Start | None) -> None:
        self.board = board
        self.start = start
        self.started: Entry | None = None
        self.options = options
        self.tally = Tally()
        self.rng = np.random.default_rng([options.seed, 2])
        self.strategy = "none"
        self.subsets: list[Subset] = []
        self.feasible: int | None = None
        self.maximal: int | None = None
        self.stopped = False
        self.branches: Branches | None = None
        self._leaner: Entry | None = None

    @property
    def best(self) -> Entry:
        """The best ensemble, or one with fewer members that scores as much."""
        best = self._leaner or self.board.best
        assert best is not None  # run() begins with an allowed subset
        return best

    def run(self) -> str:
        """Search; returns why it ended, as a sentence."""
        board = self.board
        board.evaluate_first(by_loss(board, board.space.smallest_required))
        self._begin()
        try:
            board.evaluate([(number,) for number in range(len(board.space.items))], "cheap")
            self.branches = branch_and_bound(board)
            if self._is_settled:
                self._compare()
            else:
                subsets, greedy_ones = self._subsets()
                self._race(subsets, greedy_ones)
            self._drop_negligible()
        except Stopped:
            self.stopped = True
            return (
                "Stopped on request: this is the best found so far, and others may be better; "
                "give it more time or more workers."
            )
        if self._is_settled:
            return (
                "Ended by itself: the metric is convex in the weights, and no branch of the subsets is left that could "
                f"score {WORTH_PROVING:g} more."
            )
        if self.tally.open:
            return (
                f"Ended at the cap of a round, with {self.tally.open} subsets left that the race's rule of thumb had "
                "not ruled out; --exhaustive evaluates all."
            )
        if self.strategy == "local search":
            return (
                "Ended by itself: no move that was tried from the best improves it; with too many subsets to list, a "
                "better one that no start led to cannot be excluded."
            )
        if self.options.exhaustive:
            return (
                "Ended by itself: every maximal subset had the full weight search, which finds good weights, not "
                "provably the best."
            )
        return (
            "Ended by itself: every subset took part. By a rule of thumb none that was left out would win: it would "
            "have to gain more from its weight search than any that was tried."
        )

    def _begin(self) -> None:
        """Score the earlier ensemble as it is, even when asked to stop, so that nothing behind it is the best."""
        start, board = self.start, self.board
        if start is None or (start.blend != board.blend and len(start.subset) > 1):
            return
        if start.is_allowed:
            self.started = board.as_it_is(start.subset, start.weights, board.blend)
            board.consider(self.started)
        if start.begins == start.subset:
            board.add_start(start.subset, start.weights)

    @property
    def _floor(self) -> float:
        return -np.inf if self.started is None else self.started.score

    @property
    def _is_settled(self) -> bool:
        """Whether it is proved that no subset is better, so that none needs to race."""
        return self.branches is not None and self.branches.complete

    def _compare(self) -> None:
        """Count the subsets, and evaluate those that least squares finds best: one of them is the runner-up."""
        self.strategy = "branch and bound"
        listed = enumerate_subsets(self.board.space, MOST_COMPARED, check=self.board.runner.check)
        if listed is not None:
            self._count(listed)
            order = np.argsort(self.board.losses_of(listed.maximal, self.board.runner.check), kind="stable")[:COMPARED]
            self.board.evaluate([listed.maximal[place] for place in order], "quick")

    def _count(self, listed: Enumeration) -> None:
        self.maximal, self.subsets = len(listed.maximal), listed.maximal
        self.feasible = listed.feasible if listed.feasible < LARGEST_COUNT else None

    def _subsets(self) -> tuple[list[Subset], list[Subset]]:
        """Who takes part in the race, and the greedy solutions among them, the earlier ensemble with them."""
        board = self.board
        board.tell("greedy starts", 0, 2)
        greedy_ones = [greedy(board, "score"), greedy(board, "rate")]
        if self.start is not None and self.start.begins:
            greedy_ones += dict.fromkeys([self.start.begins, by_loss(board, self.start.begins)])
        board.tell("listing subsets", 1, 2)
        listed = enumerate_subsets(board.space, check=board.runner.check)
        if listed is not None:
            self.strategy = "enumeration"
            self._count(listed)
            return listed.maximal, greedy_ones
        self.strategy = "local search"
        restarts(board, greedy_ones, self.options.restarts, self.rng)
        return self._visited(), greedy_ones

    def _visited(self) -> list[Subset]:
        return [subset for subset in self.board.level("cheap") if self.board.space.is_allowed(subset)]

    def _race(self, subsets: list[Subset], keep: list[Subset]) -> None:
        board = self.board
        self._one_race(subsets, keep)
        if self.strategy != "local search":
            return
        for _ in range(MAX_REFINEMENTS):
            assert board.best is not None
            before = board.best.subset
            near = neighbours(board, before, self.rng)
            board.evaluate(near, "cheap")
            self._one_race(self._visited(), [])
            if board.best.subset == before:
                break

    def _one_race(self, subsets: list[Subset], keep: list[Subset]) -> None:
        race(self.board, subsets, exhaustive=self.options.exhaustive, keep=keep, tally=self.tally)

    def _drop_negligible(self) -> None:
        """Drop members that the leader can do without, and use the freed room again when that gains.

        Each pass either finds a higher score than any before, or begins at a member less than the one before it, at a
        score within reach of the highest: so it ends. (The best of all entries is no place to go back to. It has the
        member still that was dropped at a loss, and would drop it again for ever.)
        """
        board = self.board
        assert board.best is not None
        leader = board.best
        highest = leader.score
        while len(leader.subset) > 1:
            board.tell("members that add nothing", 0, len(leader.subset))
            rests = [leader.subset[:place] + leader.subset[place + 1 :] for place in range(len(leader.subset))]
            rests = [rest for rest in rests if board.space.is_allowed(rest)]
            points = [(rest, weights) for rest in rests for weights in leader.weights_without(rest)]
            as_they_are = board.evaluate_at(points)
            ranked = board.ranked([*as_they_are, *board.evaluate(rests, "quick")])
            if not ranked or ranked[0].score < highest - WORTH_TRYING:
                return
            without = ranked[0]
            board.add_start(without.subset, without.scored.weights)
            tried = list(dict.fromkeys([without.subset, by_loss(board, without.subset)]))
            without = board.ranked([board.evaluate(tried, "final")[0], without])[0]
            if board.best.score > highest:
                leader, highest, self._leaner = board.best, board.best.score, None
            elif without.score >= max(highest - NEGLIGIBLE_SCORE, self._floor):
                leader = self._leaner = without
            else:
                return
