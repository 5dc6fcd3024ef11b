"""What the ensemble is made of: each member's bytes of the budget, and its share of the vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble
from gapsack.dashboards.figures.theme import LIGHT, Theme, member_colour, new_figure
from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import budget_text, mib_text, plain

HEIGHT = 230
NARROWEST_BAR = 460  # pixels; below it the page scrolls
LETTER_WIDTH = 7.5  # pixels of one bold letter
SIZE_ROW, VOTE_ROW = "size", "vote"


@dataclass(frozen=True)
class Segment:
    """One part of a bar.

    Args:
        kind: a member, the graph's own reserve, or what the budget has left.
        label: the member's name, or what the part is.
        share: of the whole budget, or of the vote; in [0, 1].
        text: the amount, as people read it.
        member: for a member, its number in the palette.
    """

    kind: Literal["member", "reserve", "free"]
    label: str
    share: float
    text: str
    member: int | None = None


@dataclass(frozen=True)
class CompositionInfo:
    """Data of the figure: the parts of both bars, members in the same order."""

    size: tuple[Segment, ...]
    vote: tuple[Segment, ...]
    budget_bytes: int


def composition_info(records: SweepRecords) -> CompositionInfo | None:
    """Data of the composition, or None while there is no ensemble."""
    ensemble = chosen_ensemble(records)
    return None if ensemble is None else _composition(ensemble)


def _composition(ensemble: EnsembleInfo) -> CompositionInfo:
    # An ensemble that was made for another budget may be larger than this one: then the bar is the ensemble.
    whole = max(ensemble.budget_bytes, ensemble.total_bytes)
    # Tensors that members share are nobody's alone: each member's bar is shorter by its part of what counts once.
    summed = sum(member.size_bytes for member in ensemble.members)
    taken = 1.0 - ensemble.shared_bytes / summed
    size = [
        Segment("member", member.name, member.size_bytes * taken / whole, mib_text(member.size_bytes), index)
        for index, member in enumerate(ensemble.members)
    ]
    if ensemble.reserve_bytes:
        reserve = ensemble.reserve_bytes
        size.append(Segment("reserve", "the graph", reserve / whole, mib_text(reserve)))
    if ensemble.free_bytes:
        size.append(Segment("free", "free", ensemble.free_bytes / whole, mib_text(ensemble.free_bytes)))
    vote = [
        Segment("member", member.name, member.weight, f"{member.weight:.1%}", index)
        for index, member in enumerate(ensemble.members)
    ]
    return CompositionInfo(tuple(size), tuple(vote), ensemble.budget_bytes)


def composition_figure(info: CompositionInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the two bars."""
    figure = new_figure(theme, height=HEIGHT, narrowest=NARROWEST_BAR + 100)
    for row, segments in ((VOTE_ROW, info.vote), (SIZE_ROW, info.size)):
        for segment in segments:
            _draw(figure, row, segment, theme)
    figure.update_layout(barmode="stack", bargap=0.28, showlegend=False, margin={"l": 64, "r": 24, "t": 12, "b": 48})
    figure.update_xaxes(
        range=[0, 1],
        tickformat=".0%",
        showgrid=False,
        title={"text": f"share of the budget of {budget_text(info.budget_bytes)}, and of the vote"},
    )
    figure.update_yaxes(
        tickvals=[SIZE_ROW, VOTE_ROW], categoryarray=[VOTE_ROW, SIZE_ROW], showgrid=False, tickfont={"size": 14}
    )
    return figure


def _draw(figure: go.Figure, row: str, segment: Segment, theme: Theme) -> None:
    colours = {"reserve": theme.faint, "free": theme.grid}
    colour = colours[segment.kind] if segment.member is None else member_colour(theme, segment.member)
    room = segment.share * NARROWEST_BAR
    labelled = room >= LETTER_WIDTH * max(len(segment.label), len(segment.text))
    figure.add_bar(
        x=[segment.share],
        y=[row],
        orientation="h",
        marker={"color": colour, "line": {"color": theme.paper, "width": 2}},
        text=[f"<b>{plain(segment.label)}</b><br>{segment.text}"] if labelled else None,
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="none",
        insidetextfont={"color": theme.ink if segment.member is None else theme.paper, "size": 12},
        hovertext=[f"<b>{plain(segment.label)}</b><br>{segment.text}<br>{segment.share:.1%} of the {_whole(row)}"],
        hoverinfo="text",
    )


def _whole(row: str) -> str:
    return "budget" if row == SIZE_ROW else "vote"
