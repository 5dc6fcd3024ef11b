"""GAP over the hyperparameters that vary: a map of two, a line of one, a scatter where values are continuous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import chosen_ensemble, metric_text, short_metric
from gapsack.dashboards.figures.axes import logarithmic_ticks, score_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, member_colour, new_figure
from gapsack.dashboards.hyperparameters import distinct, value_text, varied
from gapsack.dashboards.records import SweepRecords, TrialRecord
from gapsack.dashboards.units import finite, gap_text, mib_text, plain, settings_text

MOST_VALUES = 16  # more values on an axis make cells too small to read
MOST_LABELLED_COLUMNS = 12
READABLE_SHARE = 0.68  # of the colour scale: above it the text upon a cell changes colour
ROW_HEIGHT = 44
COLUMN_WIDTH = 62
SCATTER_HEIGHT = 440


@dataclass(frozen=True)
class HeatMapCell:
    """The best trial at one pair of values.

    Args:
        trial: its name.
        x: its value of the first hyperparameter.
        y: its value of the second one; None where only one varies.
        gap: its score.
        size_bytes: its size at the records' precision, if known.
        others: how many further trials share the pair (they differ in a third hyperparameter).
        settings: the hyperparameters that vary, as text.
        dominated_by: for an inferior model, who dominates it.
        member: for a member of the chosen ensemble, its number in the palette.
    """

    trial: str
    x: Any
    y: Any
    gap: float
    size_bytes: int | None
    others: int
    settings: str
    dominated_by: str | None
    member: int | None


@dataclass(frozen=True)
class HeatMapInfo:
    """Data of the figure.

    Args:
        kind: ``grid`` for two hyperparameters with few values, ``scatter`` for two with many, ``line`` for one.
        x_name: the hyperparameter on the x axis.
        y_name: the one on the y axis; None for a line.
        x_values: its distinct values, in order.
        y_values: the same for y.
        cells: pairs of values that have a finished trial.
        folded: further hyperparameters that vary; a cell shows the best trial over them.
        metric: what the scores are of, as people write it.
    """

    kind: Literal["grid", "scatter", "line"]
    x_name: str
    y_name: str | None
    x_values: tuple[Any, ...]
    y_values: tuple[Any, ...]
    cells: tuple[HeatMapCell, ...]
    folded: tuple[str, ...]
    metric: str = "GAP@20"


def heat_map_info(records: SweepRecords) -> HeatMapInfo | None:
    """Data of the map, or None while no finished trials differ in a hyperparameter.

    Of more than two varied hyperparameters, the two with the most values are shown, in the order of the sweep.
    """
    trials = [trial for trial in records.trials if trial.status == "done" and trial.gap is not None]
    names = varied(trials)
    values = {name: distinct(trial.hyperparameters.get(name) for trial in trials) for name in names}
    shown = sorted(sorted(names, key=lambda name: -len(values[name]))[:2], key=names.index)
    if not shown:
        return None
    x_name, y_name = shown[0], shown[1] if len(shown) > 1 else None
    y_values = values[y_name] if y_name else []
    few = max(len(values[x_name]), len(y_values)) <= MOST_VALUES
    kind: Literal["grid", "scatter", "line"] = "line" if y_name is None else "grid" if few else "scatter"
    return HeatMapInfo(
        kind=kind,
        x_name=x_name,
        y_name=y_name,
        x_values=tuple(values[x_name]),
        y_values=tuple(y_values),
        cells=_cells(records, trials, x_name, y_name, names),
        folded=tuple(name for name in names if name not in shown),
        metric=metric_text(records.metric),
    )


def _cells(
    records: SweepRecords, trials: Sequence[TrialRecord], x_name: str, y_name: str | None, names: Sequence[str]
) -> tuple[HeatMapCell, ...]:
    groups: dict[tuple[Any, Any], list[TrialRecord]] = {}
    for trial in trials:
        key = (trial.hyperparameters.get(x_name), trial.hyperparameters.get(y_name) if y_name else None)
        if key[0] is not None and (y_name is None or key[1] is not None):
            groups.setdefault(key, []).append(trial)
    ensemble = chosen_ensemble(records)
    cells = []
    for (x, y), group in groups.items():
        best = max(group, key=lambda trial: trial.gap or 0.0)
        settings = {name: value_text(best.hyperparameters[name]) for name in names if name in best.hyperparameters}
        cells.append(
            HeatMapCell(
                trial=best.name,
                x=x,
                y=y,
                gap=best.gap or 0.0,
                size_bytes=best.size_bytes.get(records.precision),
                others=len(group) - 1,
                settings=settings_text(settings),
                dominated_by=records.inferior.get(best.name),
                member=None if ensemble is None else ensemble.member(best.name),
            )
        )
    return tuple(cells)


def heat_map_figure(info: HeatMapInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the map, the scatter or the line."""
    draw = {"grid": _draw_grid, "scatter": _draw_scatter, "line": _draw_line}[info.kind]
    return draw(info, theme)


def _draw_grid(info: HeatMapInfo, theme: Theme) -> go.Figure:
    columns, rows = len(info.x_values), len(info.y_values)
    figure = new_figure(theme, height=90 + max(4, rows) * ROW_HEIGHT, narrowest=110 + columns * COLUMN_WIDTH)
    gaps: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    for cell in info.cells:
        gaps[info.y_values.index(cell.y)][info.x_values.index(cell.x)] = cell.gap
    figure.add_heatmap(z=gaps, hoverinfo="skip", colorscale=theme.heat, showscale=False, xgap=2, ygap=2)
    _draw_texts(figure, info, theme)
    _mark_members(figure, info, theme)
    figure.update_layout(plot_bgcolor=theme.raised, margin_t=16)
    figure.update_xaxes(**_categories(info.x_name, info.x_values), showgrid=False)
    figure.update_yaxes(**_categories(str(info.y_name), info.y_values), showgrid=False)
    return figure


def _draw_texts(figure: go.Figure, info: HeatMapInfo, theme: Theme) -> None:
    """Score and size in each cell, in the colour that is readable upon it: a heat map has one text colour for all."""
    low, high = min(cell.gap for cell in info.cells), max(cell.gap for cell in info.cells)
    bright = low + READABLE_SHARE * (high - low)
    roomy = len(info.x_values) <= MOST_LABELLED_COLUMNS
    figure.add_scatter(
        x=[info.x_values.index(cell.x) for cell in info.cells],
        y=[info.y_values.index(cell.y) for cell in info.cells],
        mode="text",
        text=[_text(cell, with_size=roomy) for cell in info.cells],
        textfont={"size": 11, "color": [theme.on_high if cell.gap >= bright else theme.on_low for cell in info.cells]},
        customdata=[cell.trial for cell in info.cells],
        hovertext=[_hover(cell, short_metric(info.metric)) for cell in info.cells],
        hoverinfo="text",
        showlegend=False,
    )


def _text(cell: HeatMapCell, *, with_size: bool) -> str:
    size = "" if cell.size_bytes is None or not with_size else f"<br>{mib_text(cell.size_bytes)}"
    return f"<b>{gap_text(cell.gap)}</b>{size}"


def _mark_members(figure: go.Figure, info: HeatMapInfo, theme: Theme) -> None:
    """A frame around each member's cell, and its colour as a dot in the corner, where it stands out on any cell."""
    for cell in info.cells:
        if cell.member is None:
            continue
        column, row = info.x_values.index(cell.x), info.y_values.index(cell.y)
        left, right, bottom, top = column - 0.48, column + 0.48, row - 0.46, row + 0.46
        colour = member_colour(theme, cell.member)
        figure.add_scatter(
            x=[left, right, right, left, left],
            y=[top, top, bottom, bottom, top],
            mode="lines+markers",
            line={"color": theme.ink, "width": 2},
            marker={
                "size": [14, 0, 0, 0, 0],
                "opacity": 1,
                "color": colour,
                "line": {"color": theme.paper, "width": [2, 0, 0, 0, 0]},
            },
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )


def _categories(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Values at equal distances: grids are laid out by factors, and equal steps show that whatever the factor is."""
    return {
        "tickvals": list(range(len(values))),
        "ticktext": [plain(value_text(value)) for value in values],
        "range": [-0.5, len(values) - 0.5],
        "title": {"text": plain(name)},
    }


def _colour_bar(metric: str, theme: Theme) -> dict[str, Any]:
    return {
        "title": {"text": plain(metric), "font": {"color": theme.muted}},
        "tickformat": ".3f",
        "tickfont": {"color": theme.muted},
        "nticks": 6,
        "thickness": 12,
        "outlinewidth": 0,
    }


def _draw_scatter(info: HeatMapInfo, theme: Theme) -> go.Figure:
    figure = new_figure(theme, height=SCATTER_HEIGHT)
    edges = [theme.line if cell.member is None else member_colour(theme, cell.member) for cell in info.cells]
    figure.add_scatter(
        x=[cell.x if finite(cell.x) is not None else plain(cell.x) for cell in info.cells],
        y=[cell.y if finite(cell.y) is not None else plain(cell.y) for cell in info.cells],
        mode="markers",
        marker={
            "size": 13,
            "color": [cell.gap for cell in info.cells],
            "colorscale": theme.heat,
            "colorbar": _colour_bar(info.metric, theme),
            "line": {"color": edges, "width": [1 if cell.member is None else 3 for cell in info.cells]},
        },
        customdata=[cell.trial for cell in info.cells],
        hovertext=[_hover(cell, short_metric(info.metric)) for cell in info.cells],
        hoverinfo="text",
        showlegend=False,
    )
    figure.update_xaxes(**_continuous(info.x_name, info.x_values))
    figure.update_yaxes(**_continuous(str(info.y_name), info.y_values))
    return figure


def _draw_line(info: HeatMapInfo, theme: Theme) -> go.Figure:
    figure = new_figure(theme, height=360)
    cells = sorted(info.cells, key=lambda cell: info.x_values.index(cell.x))
    colours = [theme.accent if cell.member is None else member_colour(theme, cell.member) for cell in cells]
    figure.add_scatter(
        x=[cell.x if finite(cell.x) is not None else plain(cell.x) for cell in cells],
        y=[cell.gap for cell in cells],
        mode="lines+markers",
        line={"color": theme.faint, "width": 1.5},
        marker={"size": [9 if cell.member is None else 14 for cell in cells], "color": colours},
        customdata=[cell.trial for cell in cells],
        hovertext=[_hover(cell, short_metric(info.metric)) for cell in cells],
        hoverinfo="text",
        showlegend=False,
        cliponaxis=False,
    )
    figure.update_xaxes(**_continuous(info.x_name, info.x_values))
    figure.update_yaxes(**score_axis([cell.gap for cell in cells], title=info.metric))
    return figure


def _continuous(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """A logarithmic axis for positive numbers that span a factor of four or more; categories for what is no number."""
    title = {"title": {"text": plain(name)}}
    numbers = [number for value in values if (number := finite(value)) is not None]
    if len(numbers) < len(values):
        return {**title, "type": "category"}
    if numbers[0] > 0 and numbers[-1] >= 4 * numbers[0]:
        ticks = list(values) if len(values) <= 8 else logarithmic_ticks(numbers[0] * 0.9, numbers[-1] * 1.1)
        return {**title, "type": "log", "tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}
    return {**title, "type": "linear"}


def _hover(cell: HeatMapCell, metric: str) -> str:
    lines = [f"<b>{plain(cell.trial)}</b>", plain(cell.settings), f"{plain(metric)} {gap_text(cell.gap)}"]
    if cell.size_bytes is not None:
        lines.append(mib_text(cell.size_bytes))
    if cell.others:
        lines.append(f"best of {cell.others + 1} trials with these values")
    if cell.member is not None:
        lines.append("in the ensemble")
    if cell.dominated_by is not None:
        lines.append(f"inferior to {plain(cell.dominated_by)}")
    return "<br>".join(lines)
