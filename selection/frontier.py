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

from bisect import bisect_left, bisect_right
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import numpy as np
from pydantic import TypeAdapter, ValidationError

from gapsack.selection.blend.evaluate import Blend
from gapsack.selection.blend.runner import Runner, Stopped
from gapsack.selection.decimals import mib_numbers, score_texts, telling_decimals
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.metrics.registry import recorded_metric
from gapsack.selection.pool.weighted_labels import weighted, weighting_of
from gapsack.selection.report.bootstrap import ScoredPart, blended
from gapsack.selection.report.ensemble import EnsembleMember
from gapsack.selection.report.splits import cross_folds, group_numbers, split_videos
from gapsack.selection.rows.alike import alike
from gapsack.selection.shown import html_table
from gapsack.selection.subsets.board import Board, Entry
from gapsack.selection.subsets.enumeration import allowed_subsets
from gapsack.selection.subsets.find import blends_of, find_with, runner_on
from gapsack.selection.subsets.layers import Layers
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.preference import without_idle
from gapsack.selection.subsets.rounds import searched_on
from gapsack.selection.subsets.space import Space
from gapsack.selection.subsets.subset_members import members_of, voters_of
from gapsack.selection.subsets.typed_options import SearchOptions, with_named_options
from gapsack.selection.units import mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.bootstrap import Voters
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.selection.subsets.space import Subset

    Reporting = tuple[NDArray[np.int64], tuple[Space, list[Entry]] | None]

MOST_LISTED = 300_000  # ensembles whose squared errors are all computed
MOST_REFINED = 20_000  # ensembles up to which the largest budget between two points is searched by itself
MOST_SEARCHED = 300  # ensembles up to which every budget is searched by itself
FORMAT = "gapsack.frontier/1"
FOLDS = 2
_ALL = (None, 1.0)  # shares of the items to tune on that are all of them
CONSTRAINTS = ("precisions", "max_members", "must_have", "never_together", "limits")
T = TypeVar("T")


@dataclass(frozen=True)
class Point:
    """The best ensemble from one budget on, up to that of the next point.

    Attributes:
        budget_bytes: the least budget that it fits: its members and the reserve.
        members: heaviest weight first.
        blend: probability or logit.
        tuning_score: metric on the tuning items.
        held_out_score: metric on items that did not choose: those that were held out, or all of them, each scored by
            what the frontier of the other fold has for this budget. None without any.
        shared_bytes: of tensors that its members share, which the sum of their sizes counts more than once.
        gain_per_mib: tuning score gained over the point before, a MiB of budget; None for the first.
    """

    budget_bytes: int
    members: tuple[EnsembleMember, ...]
    blend: Blend
    tuning_score: float
    held_out_score: float | None = None
    gain_per_mib: float | None = None
    shared_bytes: int = 0


@dataclass(frozen=True)
class Frontier:
    """Best ensembles by rising budget; a larger budget than the last point's buys nothing.

    Attributes:
        points: smallest budget first, tuning scores rising.
        metric: what was maximised.
        search: counts, and why it stopped.
        singles: the best models to have alone by rising budget, scored on the same items as the points.
        videos: how many items tuned, and how many report.
        split: seed, tuning share (None for all items, folds reporting) and number of groups that chose those items.
        notes: sentences on what limits the figures.
        constrained: whether ensembles had to keep more than their budget.
        weighting: of items and classes, as in an ensemble.
    """

    points: tuple[Point, ...]
    metric: str
    search: dict[str, Any]
    singles: tuple[Point, ...] = ()
    videos: dict[str, int] = field(default_factory=dict)
    split: dict[str, float | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    constrained: bool = False
    weighting: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        ends = self.points[0], self.points[-1]
        sizes = mib_numbers([point.budget_bytes for point in ends])
        scores = score_texts([point.tuning_score for point in ends])
        return (
            f"<Frontier of {len(self.points)} ensembles, {' to '.join(map(str, sizes))} MiB, {self.metric} "
            f"{' to '.join(map(str, scores))} tuned>"
        )

    def _repr_html_(self) -> str:
        tuned = [point.tuning_score for point in self.points]
        digits = telling_decimals(tuned)
        cells = (
            mib_numbers([point.budget_bytes for point in self.points]),
            score_texts(tuned, digits),
            score_texts([point.held_out_score for point in self.points], digits),
            [" + ".join(f"{member.name} {member.precision}" for member in point.members) for point in self.points],
        )
        rows = list(zip(*cells, strict=True))
        columns = ["from MiB", f"{self.metric} tuned", "on new items", "members"]
        return html_table("Frontier", columns, rows, below=str(self.search.get("stop_reason", "")))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, record: Any) -> Frontier:
        """The frontier of plain data, as ``to_dict`` makes it. Raises an InputError that names what is wrong."""
        try:
            found: Frontier = _reader().validate_python(record)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the record"
            raise InputError(f"expected a frontier, as select frontier writes it; {where}: {first['msg']}.") from error
        return replace(found, metric=recorded_metric(found.metric))

    def at(self, budget_bytes: int) -> Point:
        """The best ensemble for a budget. Raises an InputError below the first point's."""
        fitting = [point for point in self.points if point.budget_bytes <= budget_bytes]
        if not fitting:
            raise InputError(f"the smallest ensemble needs {self.points[0].budget_bytes} bytes; got {budget_bytes}.")
        return fitting[-1]

    def with_ensemble(self, ensemble: Ensemble) -> Frontier:
        """The frontier with what a search for one budget found, where that is ahead.

        An ensemble whose score is of other items or another metric is not comparable, and changes nothing; nor does
        any where the frontier's keep constraints of their own. Where folds report, the point has the figure that the
        frontier has for its budget: that of the ensemble is of other folds.
        """
        if self.constrained or ensemble.tuning_score is None or ensemble.metric != self.metric:
            return self
        if ensemble.weighting != self.weighting or not _of_the_same_videos(self, ensemble):
            return self
        budget = ensemble.total_bytes + ensemble.reserve_bytes
        if self._cross_fitted:
            held_out = next((p.held_out_score for p in reversed(self.points) if p.budget_bytes <= budget), None)
        else:
            held_out = (ensemble.held_out or {}).get("score")
        point = Point(
            budget,
            ensemble.members,
            ensemble.blend,
            ensemble.tuning_score,
            held_out,
            shared_bytes=ensemble.shared_bytes,
        )
        return replace(self, points=_with_gains(_rising([*self.points, point], _budget_and_score)))

    @property
    def _cross_fitted(self) -> bool:
        return "tune_share" in self.split and self.split["tune_share"] is None


def _of_the_same_videos(frontier: Frontier, ensemble: Ensemble) -> bool:
    """Whether an ensemble was chosen on the items that a frontier was chosen on."""
    held_out = ensemble.held_out or {}
    share = ensemble.tuning.get("share", held_out.get("tune_share", 1.0))  # earlier files have it there alone
    if share in _ALL and frontier.split.get("tune_share") in _ALL:
        return ensemble.tuning.get("videos", frontier.videos.get("tuning")) == frontier.videos.get("tuning")
    return (
        share == frontier.split.get("tune_share")
        and held_out.get("videos", 0) == frontier.videos.get("held_out")
        and ensemble.seeds.get("seed") == frontier.split.get("seed")
        and ensemble.tuning.get("groups") == frontier.split.get("groups")
    )


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
            space, entries, summary = _search(runner, options, self._whole, self._limited)
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


def _search(
    runner: Runner, options: Options, whole: Space, limited: Space
) -> tuple[Space, list[Entry], dict[str, Any]]:
    """The space of all budgets, everything in it that was scored, and what was done."""
    losses: dict[Subset, float] = {}
    counts: dict[str, Any] = {}
    layers: list[Layers] = []
    found: list[Entry] = []
    space = whole
    reason = ""
    try:
        listed = allowed_subsets(whole, MOST_LISTED, runner.check)
        if listed is None:
            # Then the budget asked for keeps the search smaller; else every budget is searched, whichever is asked for.
            space = limited
        counts["feasible"] = None if listed is None else len(listed) + 1
        for blend in blends_of(options):
            layers.append(Layers(Board(space, runner, blend, options.progress, losses=losses)))
            layers[-1].begin()
        subsets = layers[0].subsets(listed)
        counts["scored"] = len(subsets)
        few = listed is not None and len(listed) <= MOST_SEARCHED
        for each in layers:
            each.score(subsets)
        for each in layers:
            if not few:
                each.improve()
        if few:
            counts["budgets_searched"] = 0
            for room in sorted({space.room_bytes(subset) for subset in listed or ()}):
                runner.check()
                one = find_with(runner, whole.within(room), options, losses)
                found += [without_idle(one.board, one.best), *one.entries()]
                counts["budgets_searched"] += 1
            runner.check()
            reason = (
                "Every budget at which a further ensemble fits was searched by itself, as select ensemble does: at "
                "none does that search find more."
            )
        elif listed is not None and len(listed) <= MOST_REFINED:
            found = [entry for each in layers for entry in each.entries()]
            counts["budgets_searched"] = _search_between(runner, options, whole, listed, found, losses=losses)
            reason = (
                "All ensembles were ranked by squared error, and the largest budget between each point and the next "
                "was searched as select ensemble does. A search for another budget may find more."
            )
        elif listed is not None:
            reason = (
                "All ensembles were ranked by squared error, and the best of every size scored. A search for one "
                "budget looks at more of that size, and may find more."
            )
        else:
            reason = (
                "No move from an ensemble of the best layers by squared error leads to a new one; there are too many "
                "to list, so a better one that no move led to cannot be excluded."
            )
    except Stopped:
        reason = "Stopped on request: these are the best found so far, and others may be better."
    if not layers:
        layers.append(Layers(Board(space, runner, blends_of(options)[0], options.progress, losses=losses)))
        layers[-1].begin()
    found += [entry for each in layers for entry in each.entries()]
    counts["squared_errors"] = len(losses)
    return space, found, {"evaluations": runner.evaluations, **counts, "stop_reason": reason}


def _search_between(
    runner: Runner,
    options: Options,
    whole: Space,
    listed: Sequence[Subset],
    found: list[Entry],
    *,
    losses: dict[Subset, float],
) -> int:
    """Search the largest budget below each point, and what is then the largest below each, until none is new.

    What is found joins ``found``. Returns how many budgets were searched; no budget is searched twice.
    """
    rooms = sorted({whole.room_bytes(subset) for subset in listed})
    done: set[int] = set()
    while True:
        points = _rising(found, lambda entry: (whole.room_bytes(entry.subset), entry.score))
        starts = [whole.room_bytes(entry.subset) for entry in points[1:]]
        ends = [rooms[bisect_left(rooms, start) - 1] for start in starts] + rooms[-1:]
        fresh = [room for room in dict.fromkeys(ends) if room not in done]
        if not fresh:
            return len(done)
        for room in fresh:
            runner.check()
            done.add(room)
            one = find_with(runner, whole.within(room), options, losses)
            found += [without_idle(one.board, one.best), *one.entries()]


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
    for entry in _rising(entries, lambda entry: (space.room_bytes(entry.subset), entry.score)):
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
    return _with_gains(points)


class _Steps:
    """What one frontier has for every budget, ready to score."""

    def __init__(self, space: Space, entries: Iterable[Entry], alone: bool) -> None:
        chosen = [entry for entry in entries if not alone or len(entry.subset) == 1]
        self._space = space
        self._best = _rising(chosen, lambda entry: (space.room_bytes(entry.subset), entry.score))
        self._rooms = [space.room_bytes(entry.subset) for entry in self._best]

    def at(self, room_bytes: int) -> Voters:
        """The best that takes no more; the smallest, where none does (a fold may begin later than the whole)."""
        return voters_of(self._space, self._best[max(bisect_right(self._rooms, room_bytes) - 1, 0)])


def _rising(items: Iterable[T], measure: Callable[[T], tuple[int, float]]) -> list[T]:
    """Those that score higher than everything of their size or less, by rising size; of equal ones the first."""
    ahead: list[T] = []
    best = -np.inf
    for item in sorted(items, key=lambda item: (measure(item)[0], -measure(item)[1])):
        if measure(item)[1] > best:
            ahead.append(item)
            best = measure(item)[1]
    return ahead


def _budget_and_score(point: Point) -> tuple[int, float]:
    return point.budget_bytes, point.tuning_score


def _with_gains(points: Sequence[Point]) -> tuple[Point, ...]:
    """Points with what another MiB buys."""
    told = [replace(point, gain_per_mib=None) for point in points[:1]]
    for before, point in pairwise(points):
        gained = point.tuning_score - before.tuning_score
        told.append(replace(point, gain_per_mib=gained / mib(point.budget_bytes - before.budget_bytes)))
    return tuple(told)


@cache
def _reader() -> TypeAdapter[Frontier]:
    return TypeAdapter(Frontier)
