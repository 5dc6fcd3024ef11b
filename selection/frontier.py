"""The best ensemble for every budget, in one search.

Squared errors of subsets cost microseconds (``selection.blend.weights``), so the trade-off between size and squared
error is searched first: every subset in its best layers is expanded once, by adding, dropping and exchanging members,
until nothing in them is new (a Pareto local search; Paquete, Chiarandini and Stuetzle, 2004). Those layers are scored
on the metric, the best of them get line searches, and what is then on the frontier gets the full weight search. What
is learnt for one budget serves all others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.blend.evaluate import Evaluator
from gapsack.selection.blend.runner import Runner, Stopped
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.report.ensemble import Member
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.search import split_videos
from gapsack.selection.subsets.archive import Archive
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.members import members_of, voters_of
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.preference import without_idle
from gapsack.selection.subsets.space import Space
from gapsack.selection.units import mib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Blend, Effort
    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.subsets.space import Subset

LOSS_LAYERS = 8  # layers by squared error that are scored on the metric
QUICK_LAYERS = 2  # layers by the metric that get line searches
BATCH = 32


@dataclass(frozen=True)
class Point:
    """The best ensemble from one budget on, up to that of the next point.

    Attributes:
        budget_bytes: the least budget that it fits: its members and the reserve.
        members: heaviest weight first.
        blend: probability or logit.
        tuning_score: metric on the tuning videos.
        held_out_score: metric on the others, None without any.
        gain_per_mib: tuning score gained over the point before, a MiB of budget; None for the first.
    """

    budget_bytes: int
    members: tuple[Member, ...]
    blend: Blend
    tuning_score: float
    held_out_score: float | None
    gain_per_mib: float | None


@dataclass(frozen=True)
class Frontier:
    """Best ensembles by rising budget; a larger budget than the last point's buys nothing.

    Attributes:
        points: smallest budget first, tuning scores rising.
        metric: what was maximised.
        search: counts, and why it stopped.
    """

    points: tuple[Point, ...]
    metric: str
    search: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"format": "gapsack.frontier/1", **asdict(self)}

    def at(self, budget_bytes: int) -> Point:
        """The best ensemble for a budget. Raises an InputError below the first point's."""
        fitting = [point for point in self.points if point.budget_bytes <= budget_bytes]
        if not fitting:
            raise InputError(f"the smallest ensemble needs {self.points[0].budget_bytes} bytes; got {budget_bytes}.")
        return fitting[-1]


def frontier(pool: CandidatePool, *, max_budget_bytes: int | None = None, **options: Any) -> Frontier:
    """Find the best ensemble for every budget.

    Args:
        pool: candidates and ground truth.
        max_budget_bytes: the largest budget of interest; None for all models together.
        options: see ``selection.subsets.options.Options``; ``prefer``, ``exhaustive``, ``folds``, ``restarts``,
        ``resamples``
            and ``confidence`` concern one budget and are refused.

    Raises:
        BudgetError: nothing fits ``max_budget_bytes``.
        InputError: an option outside its range.
    """
    refused = {"prefer", "exhaustive", "folds", "restarts", "resamples", "confidence"} & set(options)
    if refused:
        raise InputError(
            f"a frontier takes the options of a search over all budgets; got {', '.join(sorted(refused))}."
        )
    checked = Options(**options)
    largest = sum(max(c.size_bytes.values()) + checked.member_reserve_bytes for c in pool.candidates)
    everything = largest + checked.reserve_bytes
    budget = everything if max_budget_bytes is None else max_budget_bytes
    objective = objective_of(checked.metric)
    space = Space(pool, checked.precisions, checked.constraints(budget))
    tune, report = split_videos(pool.labels.video_count, checked.tune_share, checked.seed)
    rows = build_rows(pool.labels.take(tune), [column.take(tune) for column in space.columns], objective.top_k)
    evaluator = Evaluator.of(rows, objective)
    with Runner(evaluator, checked.workers, checked.executor, checked.should_stop) as runner:
        search = _FrontierSearch(Board(space, runner, checked.progress), checked.blend)
        entries = search.run()
    points = _points(pool, space, entries, report, objective, reserve_bytes=checked.reserve_bytes)
    summary = {"evaluations": runner.evaluations, **search.counts, "stop_reason": search.reason}
    return Frontier(points, objective.name, summary)


class _FrontierSearch:
    """Stages of the search; ``counts`` and ``reason`` say what was done."""

    def __init__(self, board: Board, blend: str) -> None:
        self.board = board
        self.blends: tuple[Blend, ...] = ("probability", "logit") if blend == "auto" else (_blend(blend),)
        self.counts: dict[str, int] = {}
        self.reason = "Complete: no move from a subset of the best layers leads to a better one."

    def run(self) -> list[Entry]:
        """Entries on the frontier, smallest first."""
        board = self.board
        scored: dict[Subset, Entry] = {}
        first = self._first()
        board.evaluate_first(first, self.blends[0])
        scored[first] = board.level("cheap", self.blends[0])[first]
        try:
            subsets = self._loss_layers(first)
            self.counts["scored"] = len(subsets)
            self._score(scored, subsets, "cheap", self.blends[:1])
            self._score(scored, self._layers(scored, QUICK_LAYERS), "quick", self.blends)
            self._score(scored, self._layers(scored, 1), "full", self.blends)
        except Stopped:
            self.reason = "Stopped on request: these are the best found so far, and others may be better."
        entries = {entry.subset: entry for entry in (without_idle(board, entry) for entry in scored.values())}
        return [entries[subset] for subset in self._layers(entries, 1)]

    def _first(self) -> Subset:
        """The smallest allowed subset."""
        space = self.board.space
        if space.required:
            return tuple(sorted(space.of_candidate[candidate][0] for candidate in space.required))
        fitting = [number for number in range(len(space.items)) if space.fits((number,))]
        return (min(fitting, key=lambda number: space.items[number].size_bytes),)

    def _loss_layers(self, first: Subset) -> list[Subset]:
        """Pareto local search on squared error."""
        board, space = self.board, self.board.space
        archive = Archive(LOSS_LAYERS)
        seen: set[Subset] = set()

        def offer(subset: Subset) -> None:
            if subset not in seen:
                seen.add(subset)
                archive.offer(subset, space.size_bytes(subset), -board.loss(subset))

        offer(first)
        for number in range(len(space.items)):
            if space.is_allowed((number,)):
                offer((number,))
        expanded: set[Subset] = set()
        while fresh := [subset for subset in archive.subsets if subset not in expanded]:
            board.runner.check()
            board.tell("squared errors", len(expanded), len(expanded) + len(fresh))
            for subset in fresh:
                expanded.add(subset)
                for neighbour in _moves(space, subset):
                    offer(neighbour)
        self.counts["squared_errors"] = len(seen)
        return archive.subsets

    def _score(
        self, scored: dict[Subset, Entry], subsets: list[Subset], effort: Effort, blends: tuple[Blend, ...]
    ) -> None:
        for blend in blends:
            for start in range(0, len(subsets), BATCH):
                self.board.tell(f"{effort} weights", start, len(subsets))
                for entry in self.board.evaluate(subsets[start : start + BATCH], effort, blend):
                    if entry.subset not in scored or entry.score > scored[entry.subset].score:
                        scored[entry.subset] = entry

    def _layers(self, scored: dict[Subset, Entry], depth: int) -> list[Subset]:
        archive = Archive(depth)
        for subset, entry in scored.items():
            archive.offer(subset, self.board.space.size_bytes(subset), entry.score)
        return archive.subsets


def _blend(name: str) -> Blend:
    return "logit" if name == "logit" else "probability"


def _moves(space: Space, subset: Subset) -> Iterator[Subset]:
    """Every allowed subset that adding, dropping or exchanging one member leads to."""
    for number in space.additions(subset):
        yield tuple(sorted((*subset, number)))
    for dropped in subset:
        rest = tuple(number for number in subset if number != dropped)
        if space.is_allowed(rest):
            yield rest
        for number in space.additions(rest):
            moved = tuple(sorted((*rest, number)))
            if number != dropped and space.is_allowed(moved):
                yield moved


def _points(
    pool: CandidatePool,
    space: Space,
    entries: list[Entry],
    report: NDArray[np.int64],
    objective: Objective,
    *,
    reserve_bytes: int,
) -> tuple[Point, ...]:
    points: list[Point] = []
    for entry in entries:
        held_out = None
        if len(report):
            voters = voters_of(space, entry)
            rows = voters.rows(pool.labels, report, objective)
            held_out = objective.score(rows, np.arange(rows.column_count), np.array(voters.weights))
        budget = space.room_bytes(entry.subset) + reserve_bytes
        gain = None
        if points:
            gain = (entry.score - points[-1].tuning_score) / mib(budget - points[-1].budget_bytes)
        members = members_of(space, entry)
        points.append(Point(budget, members, entry.scored.blend, entry.score, held_out, gain))
    return tuple(points)
