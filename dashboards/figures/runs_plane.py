"""Several runs in one plane: each one's frontiers of single models and of ensembles, and what it chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from gapsack.dashboards.figures.axes import score_axis, size_axis
from gapsack.dashboards.figures.plane import PlaneInfo, plane_info
from gapsack.dashboards.figures.theme import LIGHT, Theme, new_figure
from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import gap_text, mib_text, plain
from gapsack.selection.units import mib

HEIGHT = 520
SYMBOLS = ("circle", "square", "triangle-up", "x", "triangle-down", "star", "pentagon")
"""One more than there are colours, so that runs which share a colour differ in their mark."""


@dataclass(frozen=True)
class RunsPlaneInfo:
    """Data of the figure.

    Args:
        names: of the runs that have a scored model.
        planes: of each, in their order; at least one.
        metric: what all scores are of, as people write it.
    """

    names: tuple[str, ...]
    planes: tuple[PlaneInfo, ...]
    metric: str

    @property
    def scores(self) -> tuple[float, float]:
        """The lowest and the highest score to show: those that the runs would show by themselves."""
        ends = [plane.scores for plane in self.planes]
        return min(low for low, _ in ends), max(high for _, high in ends)


def runs_plane_info(runs: Sequence[SweepRecords]) -> RunsPlaneInfo | None:
    """Data of the plane, or None while no run has a model with both a size and a score."""
    found = [(run.name, info) for run in runs if (info := plane_info(run)) is not None]
    if not found:
        return None
    return RunsPlaneInfo(tuple(name for name, _ in found), tuple(info for _, info in found), found[0][1].metric)


def runs_plane_figure(info: RunsPlaneInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw each run in a colour and with a mark of its own: models dotted, ensembles solid, a diamond what it chose."""
    figure = new_figure(theme, height=HEIGHT, narrowest=320)
    low, high = info.scores
    sizes = [
        mib(size)
        for plane in info.planes
        for size in (
            *(point.size_bytes for point in plane.frontier if point.gap >= low),
            *(size for size, score in plane.ensemble_steps if score >= low),
            *([plane.ensemble.size_bytes] if plane.ensemble is not None else []),
        )
    ]
    sizes_axis = size_axis(sizes, title="size (MiB)")
    reach = 10 ** sizes_axis["range"][1]
    drawing = _Runs(figure, theme, low, reach)
    for number, (name, plane) in enumerate(zip(info.names, info.planes, strict=True)):
        drawing.draw(number, name, plane)
    figure.update_xaxes(**sizes_axis)
    figure.update_yaxes(**score_axis([low, high], title=plain(info.metric)))
    figure.update_layout(showlegend=True, margin={"l": 76, "r": 20, "t": 12, "b": 56})
    return figure


def run_colour(theme: Theme, number: int) -> str:
    """The colour of a run by its place; colours come again after the last."""
    return theme.members[number % len(theme.members)]


@dataclass(frozen=True)
class _Runs:
    """Draws runs into a figure: scores from `low` on, and steps up to `reach` MiB."""

    figure: go.Figure
    theme: Theme
    low: float
    reach: float

    def draw(self, number: int, name: str, plane: PlaneInfo) -> None:
        """One run; its models are there in any case, since the legend shows their mark."""
        colour = run_colour(self.theme, number)
        models = [(point.size_bytes, point.gap) for point in plane.frontier if point.gap >= self.low]
        told = [_hover(name, each.name, each.gap, each.size_bytes) for each in plane.frontier if each.gap >= self.low]
        look = {"symbol": SYMBOLS[number % len(SYMBOLS)], "line": {"color": self.theme.paper, "width": 1}}
        self._steps(name, models, {"color": colour, "width": 1.5, "dash": "dot"})
        self._marks(name, models, told, {"size": 9, "color": colour, **look}, in_legend=True)
        steps = [step for step in plane.ensemble_steps if step[1] >= self.low]
        self._steps(name, steps, {"color": colour, "width": 2.5})
        if plane.ensemble is not None:
            one = plane.ensemble
            told = [_hover(name, "ensemble", one.gap, one.size_bytes)]
            look = {"symbol": "diamond", "line": {"color": self.theme.ink, "width": 2}}
            self._marks(name, [(one.size_bytes, one.gap)], told, {"size": 16, "color": colour, **look})

    def _steps(self, name: str, steps: Sequence[tuple[int, float]], line: dict[str, Any]) -> None:
        if not steps:
            return
        self.figure.add_scatter(
            x=[*(mib(size) for size, _ in steps), self.reach],
            y=[*(score for _, score in steps), steps[-1][1]],
            mode="lines",
            legendgroup=plain(name),
            showlegend=False,
            line={"shape": "hv", **line},
            hoverinfo="skip",
        )

    def _marks(
        self,
        name: str,
        points: Sequence[tuple[int, float]],
        told: Sequence[str],
        marker: dict[str, Any],
        *,
        in_legend: bool = False,
    ) -> None:
        self.figure.add_scatter(
            x=[mib(size) for size, _ in points],
            y=[score for _, score in points],
            mode="markers",
            name=plain(name),
            legendgroup=plain(name),
            showlegend=in_legend,
            marker=marker,
            hovertext=list(told),
            hoverinfo="text",
            cliponaxis=False,
        )


def _hover(run: str, what: str, score: float, size_bytes: int) -> str:
    return f"<b>{plain(run)}</b>, {plain(what)}<br>{gap_text(score)}<br>{mib_text(size_bytes)}"
