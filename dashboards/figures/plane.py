"""The size-GAP plane: what each model costs and scores, which ones are worth having, and where the ensemble lands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble, metric_text, on_all_videos, short_metric
from gapsack.dashboards.figures.axes import draw_budget_line, score_axis, size_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, member_colour, new_figure
from gapsack.dashboards.records import SweepRecords, TrialRecord
from gapsack.dashboards.units import difference_text, gap_text, mib_text, plain
from gapsack.selection.units import mib

HEIGHT = 520
MOST_LABELS = 6
CROWDED_RATIO = 1.25  # sizes closer than this put two labels side by side onto each other


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
    """The chosen ensemble in the plane, and the best single model that it is measured against, both on all videos."""

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
        budget_bytes: the size limit, if there is one.
        metric: what the scores are of, as people write it.
    """

    precision: str
    frontier: tuple[PlanePoint, ...]
    inferior: tuple[PlanePoint, ...]
    members: tuple[PlanePoint, ...]
    ensemble: EnsemblePoint | None
    budget_bytes: int | None
    metric: str = "GAP@20"

    @property
    def points(self) -> tuple[PlanePoint, ...]:
        """All models, each once."""
        return self.frontier + self.inferior


def plane_info(records: SweepRecords) -> PlaneInfo | None:
    """Data of the size-GAP plane, or None while no trial has both a size and a score."""
    points = [point for trial in records.trials if (point := _point(records, trial)) is not None]
    if not points:
        return None
    ensemble = chosen_ensemble(records)
    frontier = sorted((p for p in points if p.kind == "frontier"), key=lambda p: (p.size_bytes, p.gap))
    return PlaneInfo(
        precision=records.precision,
        frontier=tuple(frontier),
        inferior=tuple(point for point in points if point.kind == "inferior"),
        members=() if ensemble is None else _members(ensemble, points),
        ensemble=None if ensemble is None else _ensemble_point(records, ensemble, points),
        budget_bytes=records.budget_bytes if ensemble is None else ensemble.budget_bytes,
        metric=metric_text(records.metric),
    )


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


def plane_figure(info: PlaneInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the size-GAP plane."""
    figure = new_figure(theme, height=HEIGHT)
    _draw_budget(figure, info, theme)
    _draw_frontier(figure, info, theme)
    _draw_inferior(figure, info, theme)
    _draw_members(figure, info, theme)
    _draw_ensemble(figure, info, theme)
    sizes = [point.size_bytes for point in (*info.points, *info.members)]
    gaps = [point.gap for point in info.points]
    if info.ensemble is not None:
        sizes.append(info.ensemble.size_bytes)
        gaps.append(info.ensemble.gap)
    if info.budget_bytes is not None:
        sizes.append(info.budget_bytes)
    figure.update_xaxes(size_axis([mib(size) for size in sizes], title=f"Size, {plain(info.precision)} (MiB)"))
    figure.update_yaxes(score_axis(gaps, title=info.metric))
    return figure


def _draw_budget(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    if info.budget_bytes is None:
        return
    draw_budget_line(figure, info.budget_bytes, theme)


def _draw_frontier(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    labelled = len(info.frontier) <= MOST_LABELS and not info.members
    figure.add_scatter(
        x=[mib(point.size_bytes) for point in info.frontier],
        y=[point.gap for point in info.frontier],
        mode="lines+markers+text" if labelled else "lines+markers",
        text=[plain(point.name) for point in info.frontier] if labelled else None,
        textposition=_label_positions(info.frontier),
        textfont={"color": theme.muted, "size": 12},
        name="Pareto frontier",
        line={"shape": "hv", "color": theme.accent, "width": 1.5},
        marker={"size": 8, "color": theme.accent, "line": {"color": theme.paper, "width": 1}},
        customdata=[point.name for point in info.frontier],
        hovertext=[_hover(point, short_metric(info.metric)) for point in info.frontier],
        hoverinfo="text",
        cliponaxis=False,
    )


def _draw_inferior(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    if not info.inferior:
        return
    figure.add_scatter(
        x=[mib(point.size_bytes) for point in info.inferior],
        y=[point.gap for point in info.inferior],
        mode="markers",
        name="inferior",
        marker={"size": 8, "color": theme.paper, "line": {"color": theme.faint, "width": 1.5}},
        customdata=[point.name for point in info.inferior],
        hovertext=[_hover(point, short_metric(info.metric)) for point in info.inferior],
        hoverinfo="text",
        cliponaxis=False,
    )


def _draw_members(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    if not info.members:
        return
    colours = [member_colour(theme, point.colour or 0) for point in info.members]
    figure.add_scatter(
        x=[mib(point.size_bytes) for point in info.members],
        y=[point.gap for point in info.members],
        mode="markers+text" if len(info.members) <= MOST_LABELS else "markers",
        name="in the ensemble",
        meta={"labels": "optional"},
        text=[f"<b>{plain(point.name)}</b>" for point in info.members],
        textposition=_label_positions(info.members),
        textfont={"color": theme.ink, "size": 12},
        marker={"size": 14, "color": colours, "line": {"color": theme.paper, "width": 2}},
        customdata=[point.name for point in info.members],
        hovertext=[_hover(point, short_metric(info.metric)) for point in info.members],
        hoverinfo="text",
        cliponaxis=False,
    )


def _label_positions(points: Sequence[PlanePoint]) -> list[str]:
    """Above left, where no model can be unless it dominates; below right where the label would hit the one before."""
    by_size = sorted(range(len(points)), key=lambda index: points[index].size_bytes)
    positions = ["top left"] * len(points)
    for before, index in itertools.pairwise(by_size):
        crowded = points[index].size_bytes < CROWDED_RATIO * points[before].size_bytes
        if crowded and positions[before] == "top left":
            positions[index] = "bottom right"
    return positions


def _draw_ensemble(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    point = info.ensemble
    if point is None:
        return
    x, metric = mib(point.size_bytes), plain(short_metric(info.metric))
    if point.single is not None and point.gap > point.single.gap:
        _draw_gain(figure, point, point.single, theme)
    figure.add_scatter(
        x=[x],
        y=[point.gap],
        mode="markers+text",
        name="ensemble",
        text=[f"<b>{point.label} {gap_text(point.gap)}</b>"],
        textposition="middle left",
        textfont={"color": theme.ink, "size": 14},
        marker={"size": 17, "symbol": "diamond", "color": theme.ink, "line": {"color": theme.paper, "width": 2}},
        hovertext=[f"<b>{point.label}</b><br>{metric} {gap_text(point.gap)}<br>{mib_text(point.size_bytes)}"],
        hoverinfo="text",
        cliponaxis=False,
    )


def _draw_gain(figure: go.Figure, point: EnsemblePoint, single: PlanePoint, theme: Theme) -> None:
    """A rule from the best single model to below the ensemble, and the climb from there."""
    x = mib(point.size_bytes)
    figure.add_scatter(
        x=[mib(single.size_bytes), x, x],
        y=[single.gap, single.gap, point.gap],
        mode="lines",
        line={"color": theme.faint, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    middle: dict[str, Any] = {"x": [x], "y": [(single.gap + point.gap) / 2]}
    figure.add_scatter(
        **middle,
        mode="text",
        text=[f"{difference_text(point.gap - single.gap)} on the best single model  "],
        textposition="middle left",
        textfont={"color": theme.muted, "size": 12},
        meta={"labels": "optional"},
        hoverinfo="skip",
        showlegend=False,
    )


def _hover(point: PlanePoint, metric: str) -> str:
    lines = [
        f"<b>{plain(point.name)}</b>",
        f"{plain(metric)} {gap_text(point.gap)}",
        f"{mib_text(point.size_bytes)} {plain(point.precision)}",
    ]
    if point.weight is not None:
        lines.append(f"weight {point.weight:.3f} in the ensemble")
    if point.dominated_by is not None:
        lines.append(f"inferior to {plain(point.dominated_by)}: no larger, scores as well or better")
    return "<br>".join(lines)
