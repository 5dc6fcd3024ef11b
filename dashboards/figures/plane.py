"""The size-score plane: what each model costs and scores, what ensembles make of that, and which one was chosen.

Every score of it is on the same items: all of those that the models were scored on, which are also all of the pool.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble, metric_text, on_all_videos
from gapsack.dashboards.figures.axes import SMALLEST_SCORE_RANGE
from gapsack.dashboards.records import FrontierPoint, SweepRecords, TrialRecord

FEW_MODELS = 4  # all of so few are shown, however far below the best they are
REACH = 3.0  # times the distance from the best score to the median of the frontiers: what is further below is not drawn
NEAR = 0.1  # of the height of what is drawn of the frontiers: how far below it other models are drawn


@dataclass(frozen=True)
class PlanePoint:
    """One model in the plane.

    Args:
        name: the trial's name.
        precision: the precision of `size_bytes`.
        size_bytes: exact size.
        gap: its score.
        kind: ``member`` points repeat a model of the ensemble, at the precision that was chosen for it.
        dominated_by: for an inferior model, who is no larger and scores at least as well.
        weight: for a member, its share of the blend.
        colour: for a member, its number in the palette.
    """

    name: str
    precision: str
    size_bytes: int
    gap: float
    kind: Literal["frontier", "inferior", "member"]
    dominated_by: str | None = None
    weight: float | None = None
    colour: int | None = None


@dataclass(frozen=True)
class EnsemblePoint:
    """The chosen ensemble in the plane, with its graph, and the best single model that fits its budget."""

    label: str
    size_bytes: int
    gap: float
    single: PlanePoint | None


@dataclass(frozen=True)
class PlaneInfo:
    """Data of the figure.

    Args:
        precision: at which sizes are compared.
        frontier: models that no other dominates, by increasing size.
        inferior: models that another one dominates.
        members: models of the chosen ensemble.
        ensemble: the chosen ensemble; None where there is none, or its score is not known.
        ensembles: the best by budget (their graph included), by increasing budget; empty where they were not searched,
            or not scored on these items in this metric.
        singles: (size in bytes; score) of the best models to have alone, by increasing size.
        budget_bytes: the size limit, if there is one.
        metric: what the scores are of, as people write it.
        population: what they are on.
    """

    precision: str
    frontier: tuple[PlanePoint, ...]
    inferior: tuple[PlanePoint, ...]
    members: tuple[PlanePoint, ...]
    ensemble: EnsemblePoint | None
    ensembles: tuple[FrontierPoint, ...]
    singles: tuple[tuple[int, float], ...]
    budget_bytes: int | None
    metric: str = "GAP@20"
    population: str = "all videos"

    @property
    def points(self) -> tuple[PlanePoint, ...]:
        """All models, each once."""
        return self.frontier + self.inferior

    @cached_property
    def scores(self) -> tuple[float, float]:
        """The lowest and the highest score to show: of what is on the frontiers or near them, and of all members.

        Weak models would else have most of the height; those below are counted by `below`.
        """
        told = [point.gap for point in self.members]
        if self.ensemble is not None:
            told += [self.ensemble.gap] + ([self.ensemble.single.gap] if self.ensemble.single is not None else [])
        front = [*told, *(point.gap for point in self.frontier), *(score for _, score in self.ensemble_steps)]
        models = [point.gap for point in self.points]
        high = max(front + models)
        if len(models) <= FEW_MODELS:
            return min(front + models), high
        front = front or models
        reach = max(REACH * (high - statistics.median(front)), SMALLEST_SCORE_RANGE)
        lowest = min(score for score in front if score >= min([*told, high - reach]))
        near = lowest - NEAR * max(high - lowest, SMALLEST_SCORE_RANGE)
        return min(score for score in front + models if score >= near), high

    @property
    def below(self) -> int:
        """How many models score less than what is shown."""
        return sum(point.gap < self.scores[0] for point in self.points)

    @property
    def ensemble_steps(self) -> tuple[tuple[int, float], ...]:
        """The ensembles as (budget in bytes, score)."""
        return tuple((point.budget_bytes, point.everywhere or 0.0) for point in self.ensembles)


def plane_info(records: SweepRecords) -> PlaneInfo | None:
    """Data of the size-GAP plane, or None while no trial has both a size and a score."""
    points = [point for trial in records.trials if (point := _point(records, trial)) is not None]
    if not points:
        return None
    ensemble = chosen_ensemble(records)
    frontier = sorted((p for p in points if p.kind == "frontier"), key=lambda p: (p.size_bytes, p.gap))
    # Files of earlier versions, and searches that kept items back, have scores of other items: these are not drawn.
    comparable = metric_text(records.metric) == metric_text(records.frontier_metric)
    drawn, alone = (_on_all(found) if comparable else () for found in (records.frontier, records.frontier_singles))
    singles = [(point.total_bytes, point.everywhere or 0.0) for point in alone]
    return PlaneInfo(
        precision=records.precision,
        frontier=tuple(frontier),
        inferior=tuple(point for point in points if point.kind == "inferior"),
        members=() if ensemble is None else _members(ensemble, points),
        ensemble=None if ensemble is None else _ensemble_point(records, ensemble, points),
        ensembles=drawn,
        singles=tuple(singles or ((point.size_bytes, point.gap) for point in frontier)),
        budget_bytes=records.budget_bytes if ensemble is None else ensemble.budget_bytes,
        metric=metric_text(records.metric),
        population=records.data.population,
    )


def _on_all(points: Sequence[FrontierPoint]) -> tuple[FrontierPoint, ...]:
    """The points by increasing budget, if all of them are scored on all items."""
    if not all(point.everywhere is not None and math.isfinite(point.everywhere) for point in points):
        return ()
    return tuple(sorted(points, key=lambda point: (point.budget_bytes, point.everywhere)))


def _point(records: SweepRecords, trial: TrialRecord) -> PlanePoint | None:
    size_bytes = trial.size_bytes.get(records.precision)
    if trial.status != "done" or trial.gap is None or not size_bytes:
        return None
    dominating = records.inferior.get(trial.name)
    return PlanePoint(
        name=trial.name,
        precision=records.precision,
        size_bytes=size_bytes,
        gap=trial.gap,
        kind="frontier" if dominating is None else "inferior",
        dominated_by=dominating,
    )


def _members(ensemble: EnsembleInfo, points: Sequence[PlanePoint]) -> tuple[PlanePoint, ...]:
    gaps = {point.name: point.gap for point in points}
    return tuple(
        PlanePoint(
            member.name, member.precision, member.size_bytes, gaps[member.name], "member", None, member.weight, n
        )
        for n, member in enumerate(ensemble.members)
        if member.name in gaps
    )


def _ensemble_point(
    records: SweepRecords, ensemble: EnsembleInfo, points: Sequence[PlanePoint]
) -> EnsemblePoint | None:
    """Placed by its score on all videos, as the models are; a held-out score belongs to another set of videos."""
    score = on_all_videos(records, ensemble)
    if score is None:
        return None
    fitting = [point for point in points if point.size_bytes <= ensemble.budget_bytes]
    single = max(fitting, key=lambda point: (point.gap, -point.size_bytes), default=None)
    return EnsemblePoint(label="Ensemble", size_bytes=ensemble.total_bytes, gap=score, single=single)
