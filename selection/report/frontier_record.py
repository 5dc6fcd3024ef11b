"""What a frontier is and how it is kept: the best ensemble from each budget on, and the best single models beside."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from gapsack.selection.blend.evaluate import Blend
from gapsack.selection.decimals import mib_numbers, score_texts, telling_decimals
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.registry import recorded_metric
from gapsack.selection.report.ensemble import EnsembleMember
from gapsack.selection.shown import html_table
from gapsack.selection.units import mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gapsack.selection.report.ensemble import Ensemble

FORMAT = "gapsack.frontier/1"
_ALL = (None, 1.0)  # shares of the items to tune on that are all of them
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
        return replace(self, points=with_gains(rising([*self.points, point], _budget_and_score)))

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


def rising(items: Iterable[T], measure: Callable[[T], tuple[int, float]]) -> list[T]:
    """Those that score higher than everything of their size or less, by rising size; of equal ones the first."""
    ahead: list[T] = []
    best = -np.inf
    for item in sorted(items, key=lambda item: (measure(item)[0], -measure(item)[1])):
        if measure(item)[1] > best:
            ahead.append(item)
            best = measure(item)[1]
    return ahead


def with_gains(points: Sequence[Point]) -> tuple[Point, ...]:
    """Points with what another MiB buys."""
    told = [replace(point, gain_per_mib=None) for point in points[:1]]
    for before, point in pairwise(points):
        gained = point.tuning_score - before.tuning_score
        told.append(replace(point, gain_per_mib=gained / mib(point.budget_bytes - before.budget_bytes)))
    return tuple(told)


def _budget_and_score(point: Point) -> tuple[int, float]:
    return point.budget_bytes, point.tuning_score


@cache
def _reader() -> TypeAdapter[Frontier]:
    return TypeAdapter(Frontier)
