"""The best ensemble of every budget: where another MiB still buys GAP."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import chosen_ensemble, metric_text, short_metric
from gapsack.dashboards.figures.axes import draw_budget_line, score_axis, size_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, new_figure
from gapsack.dashboards.records import FrontierPoint, SweepRecords
from gapsack.dashboards.units import gap_text, mib_text, plain
from gapsack.selection.units import mib

HEIGHT = 420


@dataclass(frozen=True)
class FrontierInfo:
    """Data of the figure.

    Args:
        ensembles: the best one by budget, by increasing size.
        singles: (size in bytes, score) of the best models to have alone, on the same videos, by increasing size.
        budget_bytes: the budget of the chosen ensemble, if there is one.
        metric: what the scores are of, as people write it.
        population: the videos that they are of, in words.
    """

    ensembles: tuple[FrontierPoint, ...]
    singles: tuple[tuple[int, float], ...]
    budget_bytes: int | None
    metric: str = "GAP@20"
    population: str = ""


def frontier_info(records: SweepRecords) -> FrontierInfo | None:
    """Data of the frontier, or None where it was not searched."""
    if not records.frontier:
        return None
    chosen = chosen_ensemble(records)
    return FrontierInfo(
        ensembles=tuple(sorted(records.frontier, key=lambda point: (point.total_bytes, point.gap))),
        # Trials' own GAPs are of other videos, so they are not drawn beside these.
        singles=tuple((point.total_bytes, point.gap) for point in records.frontier_singles),
        budget_bytes=records.budget_bytes if chosen is None else chosen.budget_bytes,
        metric=metric_text(records.frontier_metric),
        population=records.frontier_population,
    )


def frontier_figure(info: FrontierInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the best score by budget, ensembles above single models."""
    figure = new_figure(theme, height=HEIGHT)
    sizes = [mib(point.total_bytes) for point in info.ensembles] + [mib(size) for size, _ in info.singles]
    gaps = [point.gap for point in info.ensembles] + [gap for _, gap in info.singles]
    if info.budget_bytes is not None:
        draw_budget_line(figure, info.budget_bytes, theme)
        sizes.append(mib(info.budget_bytes))
    reach = max(sizes) * 1.1
    _draw_singles(figure, info, reach, theme)
    _draw_ensembles(figure, info, reach, theme)
    figure.update_xaxes(size_axis(sizes, title="budget (MiB)"))
    figure.update_yaxes(score_axis(gaps, title=f"{plain(info.metric)}, {plain(info.population)}".removesuffix(", ")))
    return figure


def _draw_singles(figure: go.Figure, info: FrontierInfo, reach: float, theme: Theme) -> None:
    if not info.singles:
        return
    figure.add_scatter(
        x=[*(mib(size) for size, _ in info.singles), reach],
        y=[*(gap for _, gap in info.singles), info.singles[-1][1]],
        mode="lines",
        name="best single model",
        line={"shape": "hv", "color": theme.faint, "width": 1.5},
        hovertemplate=f"best single model<br>{plain(short_metric(info.metric))} %{{y:.4f}}<extra></extra>",
    )


def _draw_ensembles(figure: go.Figure, info: FrontierInfo, reach: float, theme: Theme) -> None:
    last = info.ensembles[-1]
    figure.add_scatter(
        x=[*(mib(point.total_bytes) for point in info.ensembles), reach],
        y=[*(point.gap for point in info.ensembles), last.gap],
        mode="lines",
        name="best ensemble",
        legendgroup="ensembles",
        line={"shape": "hv", "color": theme.accent, "width": 2},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[mib(point.total_bytes) for point in info.ensembles],
        y=[point.gap for point in info.ensembles],
        mode="markers",
        legendgroup="ensembles",
        showlegend=False,
        marker={"size": 9, "color": theme.accent, "line": {"color": theme.paper, "width": 1}},
        hovertext=[_hover(point, short_metric(info.metric)) for point in info.ensembles],
        hoverinfo="text",
    )


def _hover(point: FrontierPoint, metric: str) -> str:
    members = "<br>".join(plain(name) for name in point.members)
    return f"<b>{plain(metric)} {gap_text(point.gap)}</b><br>{mib_text(point.total_bytes)}<br>{members}"
