"""Colours and type of every figure and of the page, light and dark.

A figure is built with the light theme. The page turns it dark by exchanging colours one for one, so every light colour
is a different string: a figure that uses only these colours has a dark version without being built twice.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import plotly.graph_objects as go

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
FONT_SIZE = 13


@dataclass(frozen=True)
class Theme:
    """Colours by role, each a ``#rrggbb`` string.

    The six `member*` colours follow Okabe and Ito's palette, which stays distinct in the common forms of colour
    blindness, adjusted so that each has a contrast of at least 4:1 with `paper`. `heat*` go from low to high, and
    `on_low` and `on_high` are the text upon them.
    """

    paper: str
    raised: str
    ink: str
    muted: str
    faint: str
    line: str
    grid: str
    accent: str
    member0: str
    member1: str
    member2: str
    member3: str
    member4: str
    member5: str
    heat0: str
    heat1: str
    heat2: str
    heat3: str
    heat4: str
    on_low: str
    on_high: str

    @property
    def members(self) -> tuple[str, ...]:
        """Colours of the ensemble's members, in order."""
        return (self.member0, self.member1, self.member2, self.member3, self.member4, self.member5)

    @property
    def heat(self) -> list[list[float | str]]:
        """The sequential colour scale, as plotly takes it."""
        stops = (self.heat0, self.heat1, self.heat2, self.heat3, self.heat4)
        return [[index / (len(stops) - 1), colour] for index, colour in enumerate(stops)]


LIGHT = Theme(
    paper="#ffffff",
    raised="#f6f7f9",
    ink="#1a1f27",
    muted="#59636f",
    faint="#a3acb8",
    line="#cfd5dd",
    grid="#e9ecf0",
    accent="#0b63c5",
    member0="#0072b2",
    member1="#c55200",
    member2="#00875f",
    member3="#b4568c",
    member4="#946800",
    member5="#2f86bb",
    heat0="#eef4fa",
    heat1="#c3dbef",
    heat2="#86b8de",
    heat3="#3578b5",
    heat4="#0e4a86",
    on_low="#14202e",
    on_high="#fdfeff",
)

DARK = Theme(
    paper="#13161b",
    raised="#1b2027",
    ink="#e8ebef",
    muted="#a0abb8",
    faint="#66717f",
    line="#3b444f",
    grid="#262c34",
    accent="#6db3ff",
    member0="#4aa9e8",
    member1="#f58b45",
    member2="#35c596",
    member3="#e391bf",
    member4="#e6b13c",
    member5="#9bd7fa",
    heat0="#1a2532",
    heat1="#1d4468",
    heat2="#235f92",
    heat3="#438cc4",
    heat4="#b9e0fb",
    on_low="#f4f8fc",
    on_high="#0b1622",
)


def recolouring(source: Theme = LIGHT, target: Theme = DARK) -> dict[str, str]:
    """For each colour of `source`, the colour of the same role in `target`."""
    return {getattr(source, field.name): getattr(target, field.name) for field in fields(Theme)}


def member_colour(theme: Theme, index: int) -> str:
    """Colour of member number `index`; beyond the palette every member has the last colour, and its label tells."""
    return theme.members[min(index, len(theme.members) - 1)]


def new_figure(theme: Theme, *, height: int, narrowest: int | None = None) -> go.Figure:
    """An empty figure in the house style.

    Args:
        theme: its colours.
        height: in pixels; the width follows the page.
        narrowest: width in pixels below which the page scrolls sideways rather than squeeze the figure further.
    """
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        autosize=True,
        meta={"narrowest": narrowest},
        font={"family": FONT, "size": FONT_SIZE, "color": theme.ink},
        paper_bgcolor=theme.paper,
        plot_bgcolor=theme.paper,
        margin={"l": 64, "r": 24, "t": 40, "b": 56},
        hoverlabel={
            "bgcolor": theme.raised,
            "bordercolor": theme.line,
            "font": {"family": FONT, "size": FONT_SIZE, "color": theme.ink},
            "align": "left",
            "namelength": 0,
        },
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"color": theme.muted},
            "bgcolor": theme.paper,
        },
    )
    figure.update_xaxes(**axis_style(theme))
    figure.update_yaxes(**axis_style(theme))
    return figure


def axis_style(theme: Theme) -> dict[str, Any]:
    """Quiet axes: a light grid, no zero line, titles in the muted colour."""
    return {
        "gridcolor": theme.grid,
        "linecolor": theme.line,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"color": theme.muted},
        "ticklabelstandoff": 6,
        "title": {"font": {"color": theme.muted, "size": FONT_SIZE}, "standoff": 12},
        "automargin": True,
    }
