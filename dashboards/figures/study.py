"""The search as Optuna draws it, in the house style: its history, what matters, and a slice of each axis."""

from __future__ import annotations

import plotly.graph_objects as go

from gapsack.dashboards.figures.theme import LIGHT, Theme, axis_style, new_figure
from gapsack.dashboards.records import SearchRecords
from gapsack.dashboards.units import plain, share_text

WIDTH_OF_SLICE = 190


def history_figure(search: SearchRecords | None, theme: Theme = LIGHT) -> go.Figure | None:
    """Score of each trial in the order in which they ended, and the best so far; None where nothing was searched."""
    if search is None:
        return None
    figure = new_figure(theme, height=360, narrowest=480)
    figure.add_traces(go.Figure(search.history).data)
    names = [plain(name) for name in search.trials]
    figure.update_traces(marker={"color": theme.accent, "size": 8}, text=names, selector={"mode": "markers"})
    figure.update_traces(line={"color": theme.member1, "width": 2}, marker={"size": 1}, selector={"mode": "lines"})
    figure.update_xaxes(title={"text": "trials that were done"})
    figure.update_yaxes(title={"text": "GAP@20"})
    figure.update_layout(showlegend=True)
    return figure


def importance_figure(search: SearchRecords | None, theme: Theme = LIGHT) -> go.Figure | None:
    """A bar for each axis; None of few trials, or of a single axis."""
    if search is None or not search.importances:
        return None
    figure = new_figure(theme, height=110 + 34 * len(search.importances), narrowest=420)
    rows = list(search.importances.items())[::-1]
    figure.add_bar(
        x=[share for _, share in rows],
        y=[plain(key) for key, _ in rows],
        orientation="h",
        text=[share_text(share) for _, share in rows],
        marker={"color": theme.accent},
        hoverinfo="skip",
    )
    figure.update_xaxes(title={"text": "importance"}, rangemode="tozero", tickformat=".0%")
    figure.update_yaxes(automargin=True, showgrid=False)
    return figure


def slice_figure(search: SearchRecords | None, theme: Theme = LIGHT) -> go.Figure | None:
    """Score over the values of each axis; None where nothing was searched."""
    if search is None:
        return None
    figure = go.Figure(search.slices)
    axes = {name: axis for name, axis in figure.layout.to_plotly_json().items() if name.startswith(("xaxis", "yaxis"))}
    styled = new_figure(theme, height=360, narrowest=WIDTH_OF_SLICE * len(search.sliced) + 120)
    styled.add_traces(figure.data)
    styled.update_layout({name: {**axis, **axis_style(theme)} for name, axis in axes.items()}, showlegend=False)
    for name, axis in axes.items():
        if axis.get("title", {}).get("text"):
            styled.layout[name].title.text = plain(axis["title"]["text"])
    styled.update_traces(
        marker={
            "colorscale": theme.heat,
            "line": {"color": theme.muted, "width": 1},
            "colorbar": {"title": {"text": "trial"}, "outlinewidth": 0},
        }
    )
    return styled
