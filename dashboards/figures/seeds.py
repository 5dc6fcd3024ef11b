"""What the seed alone makes of a score: each point's trials, their mean and their standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from gapsack.dashboards.figures.axes import score_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, new_figure
from gapsack.dashboards.records import SeedPoint
from gapsack.dashboards.units import gap_text, plain

ROW_HEIGHT = 30


def seeds_figure(points: Sequence[SeedPoint], theme: Theme = LIGHT) -> go.Figure | None:
    """A row for each point, the best mean on top; None where no seed varies."""
    if not points:
        return None
    rows = sorted(points, key=lambda point: point.mean)
    figure = new_figure(theme, height=130 + ROW_HEIGHT * len(rows), narrowest=480)
    figure.add_scatter(
        x=[gap for point in rows for gap in point.gaps],
        y=[row for row, point in enumerate(rows) for _ in point.gaps],
        mode="markers",
        name="a seed",
        marker={"size": 7, "color": theme.paper, "line": {"color": theme.muted, "width": 1.5}},
        hoverinfo="x",
    )
    figure.add_scatter(
        x=[point.mean for point in rows],
        y=list(range(len(rows))),
        mode="markers",
        name="mean ± standard deviation",
        marker={"size": 11, "color": theme.accent},
        error_x={
            "type": "data",
            "array": [point.deviation or 0.0 for point in rows],
            "color": theme.accent,
            "thickness": 2,
            "width": 5,
        },
        hovertext=[_hover(point) for point in rows],
        hoverinfo="text",
    )
    ends = [end for each in rows for end in (each.mean - (each.deviation or 0), each.mean + (each.deviation or 0))]
    figure.update_xaxes(**score_axis([*ends, *(gap for point in rows for gap in point.gaps)], title="GAP@20"))
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[plain(point.name) for point in rows],
        range=[-0.7, len(rows) - 0.3],
        showgrid=False,
        automargin=True,
    )
    figure.update_layout(showlegend=True)
    return figure


def _hover(point: SeedPoint) -> str:
    spread = "" if point.deviation is None else f" ± {gap_text(point.deviation)}"
    return f"<b>{plain(point.name)}</b><br>{gap_text(point.mean)}{spread}, {len(point.gaps)} seeds"
