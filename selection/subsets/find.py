"""One search on one set of videos, from the space of subsets to the best weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.evaluate import Evaluator
from gapsack.selection.blend.runner import Runner, Stopped
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.enumeration import enumerate_subsets
from gapsack.selection.subsets.greedy import by_loss, greedy
from gapsack.selection.subsets.local import neighbours, restarts
from gapsack.selection.subsets.race import Tally, race

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

NEGLIGIBLE_SCORE = 2e-7  # what dropping a member may cost
WORTH_TRYING = 2e-5  # what it may cost at first sight, before the weights of the others are searched finely
MAX_REFINEMENTS = 4  # races among the neighbours of the best, when not all subsets were listed


@dataclass(frozen=True)
class Found:
    """Outcome of one search.

    Attributes:
        board: everything that was scored.
        best: the best ensemble.
        summary: plain data for ``Ensemble.search``.
    """

    board: Board
    best: Entry
    summary: dict[str, Any]


def find(labels: Labels, videos: NDArray[np.int64], space: Space, objective: Objective, options: Options) -> Found:
    """Search the best ensemble of a space on some videos.

    Args:
        labels: ground truth of the pool.
        videos: rows of the pool to use.
        space: the allowed subsets.
        objective: what to maximise on those videos.
        options: the user's.
    """
    rows = build_rows(labels.take(videos), [column.take(videos) for column in space.columns], objective.top_k)
    runner = Runner(Evaluator.of(rows, objective), options.workers, options.executor, options.should_stop)
    with runner:
        search = _Search(Board(space, runner, options.progress), options)
        reason = search.run()
    assert search.board.best is not None  # run() begins with an allowed subset
    summary = {
        "strategy": search.strategy,
        "candidates": len(space.of_candidate),
        "items": len(space.items),
        "feasible": search.feasible,
        "maximal": search.maximal,
        "evaluated": search.board.counts(),
        "evaluations": runner.evaluations,
        "could_still_win": search.tally.open,
        "complete": reason.startswith("Complete"),
        "stop_reason": reason,
    }
    return Found(search.board, search.board.best, summary)


class _Search:
    """The stages of a search, in order; each leaves what it found on the board."""

    def __init__(self, board: Board, options: Options) -> None:
        self.board = board
        self.options = options
        self.blends: Sequence[Blend] = ("probability", "logit") if options.blend == "auto" else (options.blend,)
        self.tally = Tally()
        self.rng = np.random.default_rng([options.seed, 2])
        self.strategy = "none"
        self.feasible: int | None = None
        self.maximal: int | None = None

    def run(self) -> str:
        """Search; returns why it ended, as a sentence."""
        board = self.board
        required = tuple(sorted(board.space.of_candidate[candidate][0] for candidate in board.space.required))
        board.evaluate_first(by_loss(board, required), self.blends[0])
        try:
            board.evaluate([(number,) for number in range(len(board.space.items))], "cheap")
            subsets, greedy_ones = self._subsets()
            self._race(subsets, greedy_ones)
            for blend in self.blends:
                self._drop_negligible(board.leader(blend), blend)
        except Stopped:
            return (
                "Stopped on request: this is the best found so far, and others may be better; "
                "give it more time or more workers."
            )
        if self.tally.open:
            return (
                f"Ended at the cap of a round with {self.tally.open} subsets that could still have won; "
                "--exhaustive evaluates all."
            )
        if self.strategy == "local search":
            return (
                "Complete: no move from the best improves it; with too many subsets to list, a better one that no "
                "start led to cannot be excluded."
            )
        if self.options.exhaustive:
            return "Complete: every maximal subset was evaluated with full weight search."
        return (
            "Complete: every subset took part, and each one left out would have had to gain more from weight search "
            "than any that was tried."
        )

    def _subsets(self) -> tuple[list[Subset], list[Subset]]:
        """Who takes part in the race, and the greedy solutions among them."""
        board = self.board
        board.tell("greedy starts", 0, 2)
        greedy_ones = [greedy(board, "score"), greedy(board, "rate")]
        listed = enumerate_subsets(board.space)
        if listed is not None:
            self.strategy = "enumeration"
            self.feasible, self.maximal = listed.feasible, len(listed.maximal)
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
        exhaustive = self.options.exhaustive
        race(self.board, subsets, blends=self.blends, exhaustive=exhaustive, keep=keep, tally=self.tally)

    def _drop_negligible(self, leader: Entry | None, blend: Blend) -> None:
        """Drop members that the leader of a blend can do without, and use the freed room again when that gains."""
        board = self.board
        while leader is not None and len(leader.subset) > 1:
            board.tell("members that add nothing", 0, len(leader.subset))
            rests = [leader.subset[:place] + leader.subset[place + 1 :] for place in range(len(leader.subset))]
            rests = [rest for rest in rests if board.space.is_allowed(rest)]
            points = [(rest, weights) for rest in rests for weights in leader.weights_without(rest)]
            as_they_are = board.evaluate_at(points, blend)
            ranked = board.ranked([*as_they_are, *board.evaluate(rests, "quick", blend)])
            if not ranked or ranked[0].score < leader.score - WORTH_TRYING:
                return
            without = ranked[0]
            board.add_start(without.subset, without.scored.weights)
            tried = list(dict.fromkeys([without.subset, by_loss(board, without.subset)]))
            without, better = board.evaluate(tried, "final", blend)[0], board.leader(blend)
            without = board.ranked([without, ranked[0]])[0]
            if better is not None and board.rank(better) < board.rank(leader):
                leader = better
            elif without.score >= leader.score - NEGLIGIBLE_SCORE:
                if board.best is leader:
                    board.best = without
                leader = without
            else:
                return
