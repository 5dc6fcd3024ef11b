"""Axes that several figures share: sizes on a logarithmic scale, scores on a linear one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from gapsack.dashboards.figures.theme import Theme
from gapsack.dashboards.units import budget_text
from gapsack.selection.units import mib

# Multiples of each power of ten, and how many ticks of them an axis can carry; the first that fit are taken.
TICK_PLANS = (((1, 1.5, 2, 3, 5, 7), 7), ((1, 2, 5), 10), ((1,), math.inf))
SMALLEST_SCORE_RANGE = 0.005  # closer scores are drawn close: a lone one must not fill the axis with its noise


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, both above zero, dense enough that a reader can tell a value between them.

    The wider the range, the fewer multiples of each power of ten; a range within a factor of four gets evenly spaced
    round numbers, since multiples would leave it nearly bare.
    """
    if high / low <= 4:
        return _even_ticks(low, high)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside: list[float] = []
    for factors, most in TICK_PLANS:
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= most:
            break
    return inside


def _even_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6 or low / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, last + 1)]


def size_axis(sizes_mib: Iterable[float], *, title: str, room: float = 0.06) -> dict[str, Any]:
    """Settings of a logarithmic x axis in MiB around these sizes, with `room` (a share of the width) on both sides."""
    positive = [size for size in sizes_mib if size > 0] or [1.0]
    low, high = min(positive), max(positive)
    margin = max(math.log10(high / low), 0.1) * room
    start, end = math.log10(low) - margin, math.log10(high) + margin
    ticks = logarithmic_ticks(10**start, 10**end)
    return {
        "type": "log",
        "range": [start, end],
        "tickvals": ticks,
        "ticktext": [f"{tick:,.10g}" for tick in ticks],
        "title": {"text": title},
    }


def score_axis(scores: Iterable[float], *, title: str, room: float = 0.08) -> dict[str, Any]:
    """Settings of a linear y axis around these scores."""
    values = list(scores) or [0.0, 1.0]
    low, high = min(values), max(values)
    lacking = max(0.0, SMALLEST_SCORE_RANGE - (high - low)) / 2
    span = high - low + 2 * lacking
    start, end = low - lacking - room * span, high + lacking + room * span
    digits = 3 if span > 0.01 else 4
    return {"range": [start, end], "title": {"text": title}, "nticks": 8, "tickformat": f".{digits}f"}


def draw_budget_line(figure: go.Figure, budget_bytes: int, theme: Theme) -> None:
    """A dashed vertical line on a size axis, labelled at its foot, where the plane and the frontier are empty."""
    x = mib(budget_bytes)
    figure.add_vline(x=x, line={"color": theme.muted, "width": 1.5, "dash": "dash"}, layer="below")
    figure.add_annotation(
        x=math.log10(x),  # annotations on a logarithmic axis are placed by exponent
        y=0.02,
        yref="paper",
        text=f"budget {budget_text(budget_bytes)}",
        xanchor="right",
        yanchor="bottom",
        xshift=-4,
        showarrow=False,
        font={"color": theme.muted},
    )
