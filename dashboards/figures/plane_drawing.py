"""How the size-score plane is drawn: marks, the two frontiers, and labels that were placed for the width."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import short_metric
from gapsack.dashboards.figures.axes import score_axis, size_axis
from gapsack.dashboards.figures.plane import PlaneInfo, PlanePoint
from gapsack.dashboards.figures.plane_labels import (
    HEIGHT,
    IMAGE_WIDTH,
    MARGIN,
    RADII,
    WIDTHS,
    PlaneFrame,
    plane_annotations,
)
from gapsack.dashboards.figures.theme import LIGHT, Theme, member_colour, new_figure
from gapsack.dashboards.records import FrontierPoint
from gapsack.dashboards.units import gap_text, mib_text, plain
from gapsack.selection.decimals import weight_text
from gapsack.selection.units import mib


def plane_figure(info: PlaneInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the plane. Its labels are placed for an image; ``meta.labels`` has them for each width that a page takes."""
    figure = new_figure(theme, height=HEIGHT)
    sizes = [point.size_bytes for point in (*info.points, *info.members)]
    sizes += [budget for budget, _ in info.ensemble_steps] + [size for size, _ in info.singles]
    sizes += [info.ensemble.size_bytes] if info.ensemble is not None else []
    sizes += [info.budget_bytes] if info.budget_bytes is not None else []
    size = size_axis([mib(size) for size in sizes], title=f"Size (MiB, {plain(info.precision)})")
    score = score_axis(info.scores, title=plain(f"{info.metric} on {info.population}"))
    frame = PlaneFrame((size["range"][0], size["range"][1]), (score["range"][0], score["range"][1]))
    figure.update_xaxes(**size, automargin=False, tickangle=0)
    figure.update_yaxes(**score, automargin=False)
    figure.update_layout(margin=MARGIN, showlegend=False)
    if info.budget_bytes is not None:
        budget_line = {"color": theme.muted, "width": 1.5, "dash": "dash"}
        figure.add_vline(x=mib(info.budget_bytes), line=budget_line, layer="below")
    _draw_steps(figure, "best single model", info.singles, frame, theme.faint)
    _draw_steps(figure, "best ensemble", info.ensemble_steps, frame, theme.accent)
    _draw_frontier(figure, info, theme)
    _draw_models(figure, info, theme)
    _draw_members(figure, info, theme)
    _draw_ensemble(figure, info, theme)
    placed = [{"width": width, "annotations": plane_annotations(info, frame.at(width), theme)} for width in WIDTHS]
    figure.update_layout(annotations=plane_annotations(info, frame.at(IMAGE_WIDTH), theme), meta={"labels": placed})
    return figure


def _draw_steps(
    figure: go.Figure, name: str, steps: Sequence[tuple[int, float]], frame: PlaneFrame, colour: str
) -> None:
    """A step function up to the right edge."""
    if not steps:
        return
    figure.add_scatter(
        x=[*(mib(size) for size, _ in steps), 10 ** frame.log_sizes_mib[1]],
        y=[*(score for _, score in steps), steps[-1][1]],
        mode="lines",
        name=name,
        line={"shape": "hv", "color": colour, "width": 2},
        hoverinfo="skip",
    )


def _draw_frontier(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    shown = [point for point in info.ensembles if (point.everywhere or 0.0) >= info.scores[0]]
    if not shown:
        return
    figure.add_scatter(
        x=[mib(point.budget_bytes) for point in shown],
        y=[point.everywhere for point in shown],
        mode="markers",
        name="ensembles",
        marker={"size": 2 * RADII["ensembles"], "color": theme.accent},
        hovertext=[_ensemble_hover(point, short_metric(info.metric)) for point in shown],
        hoverinfo="text",
        cliponaxis=False,
    )


def _draw_models(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    looks = (
        ("Pareto frontier", info.frontier, theme.muted, {"color": theme.paper, "width": 1}),
        ("inferior", info.inferior, theme.paper, {"color": theme.faint, "width": 1.5}),
    )
    for name, points, colour, outline in looks:
        shown = [point for point in points if point.gap >= info.scores[0]]
        if shown:
            _draw_points(figure, name, shown, info, {"size": 2 * RADII["model"], "color": colour, "line": outline})


def _draw_members(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    if not info.members:
        return
    colours = [member_colour(theme, point.colour or 0) for point in info.members]
    marker = {"size": 2 * RADII["member"], "color": colours, "line": {"color": theme.paper, "width": 2}}
    _draw_points(figure, "in the ensemble", info.members, info, marker)


def _draw_points(
    figure: go.Figure, name: str, points: Sequence[PlanePoint], info: PlaneInfo, marker: dict[str, object]
) -> None:
    figure.add_scatter(
        x=[mib(point.size_bytes) for point in points],
        y=[point.gap for point in points],
        mode="markers",
        name=name,
        marker=marker,
        customdata=[point.name for point in points],
        hovertext=[_hover(point, short_metric(info.metric)) for point in points],
        hoverinfo="text",
        cliponaxis=False,
    )


def _draw_ensemble(figure: go.Figure, info: PlaneInfo, theme: Theme) -> None:
    point = info.ensemble
    if point is None:
        return
    figure.add_scatter(
        x=[mib(point.size_bytes)],
        y=[point.gap],
        mode="markers",
        name="ensemble",
        marker={
            "size": 2 * RADII["ensemble"],
            "symbol": "diamond",
            "color": theme.ink,
            "line": {"color": theme.paper, "width": 2},
        },
        hovertext=[
            f"<b>{point.label}</b><br>{plain(short_metric(info.metric))} {gap_text(point.gap)}"
            f"<br>{mib_text(point.size_bytes)}"
        ],
        hoverinfo="text",
        cliponaxis=False,
    )


def _ensemble_hover(point: FrontierPoint, metric: str) -> str:
    lines = [f"<b>{plain(metric)} {gap_text(point.everywhere or 0.0)}</b>", f"from {mib_text(point.budget_bytes)}"]
    return "<br>".join([*lines, *(plain(name) for name in point.members)])


def _hover(point: PlanePoint, metric: str) -> str:
    lines = [
        f"<b>{plain(point.name)}</b>",
        f"{plain(metric)} {gap_text(point.gap)}",
        f"{mib_text(point.size_bytes)} {plain(point.precision)}",
    ]
    if point.weight is not None:
        lines.append(f"weight {weight_text(point.weight)} in the ensemble")
    if point.dominated_by is not None:
        lines.append(f"inferior to {plain(point.dominated_by)}: no larger, scores as well or better")
    return "<br>".join(lines)
