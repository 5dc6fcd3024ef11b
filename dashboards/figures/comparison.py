"""A forest of paired differences: how much better the ensemble is than its rivals, and whether that is chance.

Both scores of a difference are on the same videos, so what makes these easy or hard cancels out: its interval says far
more than two intervals of scores beside each other would.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import DifferenceInfo, chosen_ensemble
from gapsack.dashboards.figures.axes import SMALLEST_SCORE_RANGE
from gapsack.dashboards.figures.labels import LETTER_SHARE
from gapsack.dashboards.figures.theme import FONT_SIZE, LIGHT, Theme, new_figure
from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import difference_interval_text, difference_text, plain
from gapsack.selection.decimals import interval_error, score_decimals

ROW_HEIGHT = 64
NARROWEST = 340
SIDE, HEAD, FOOT = 16, 8, 56  # margins
LINE = 17 / ROW_HEIGHT  # of a label
ABOVE = 0.5  # between the top of the figure and the first label
LETTERS = int((NARROWEST - 2 * SIDE) / (FONT_SIZE * LETTER_SHARE))  # of a line of a label
ROOM = 0.12  # share of the differences' range that is left free on both sides


@dataclass(frozen=True)
class ComparisonInfo:
    """Data of the figure.

    Args:
        metric: what the differences are of.
        differences: the ensemble's score less that of each rival, at least one.
        confidence: of the intervals, in (0, 1); None where it is not known.
        reported_on: on which videos, in words.
    """

    metric: str
    differences: tuple[DifferenceInfo, ...]
    confidence: float | None
    reported_on: str = "held out"

    @property
    def decimals(self) -> int:
        """Of all differences and their intervals: what the first needs, which the page tells above as well.

        A rival that hardly differs is sure to six decimals; the others would have four that mean nothing.
        """
        first = self.differences[0]
        return score_decimals([interval_error(first.interval)], [first.difference])

    @property
    def verdict(self) -> str:
        """What the differences say: a sentence for those that are better, worse, within noise, or have no interval."""
        groups: dict[str, list[DifferenceInfo]] = {}
        for each in self.differences:
            groups.setdefault(_standing(each), []).append(each)
        return " ".join(
            _sentence(group[0], self.confidence, self.decimals)
            if len(group) == 1
            else _sentence_of_several(standing, group, self.decimals)
            for standing, group in groups.items()
        )


def comparison_info(records: SweepRecords) -> ComparisonInfo | None:
    """Data of the comparison, or None while there is no ensemble, or no paired difference was measured."""
    ensemble = chosen_ensemble(records)
    if ensemble is None or not ensemble.differences:
        return None
    return ComparisonInfo(ensemble.metric, ensemble.differences, ensemble.confidence, ensemble.reported_on)


def _standing(each: DifferenceInfo) -> str:
    """How the ensemble stands to a rival, as a sentence begins that says so."""
    if each.interval is None:
        return "Against"
    if each.within_noise:
        return "Not shown to differ from"
    return "Better than" if each.difference > 0 else "Worse than"


def _sentence_of_several(standing: str, group: Sequence[DifferenceInfo], decimals: int) -> str:
    """Rivals to which the ensemble stands alike, each with its difference; their intervals are drawn."""
    told = [f"{each.rival} ({difference_text(each.difference, decimals)})" for each in group]
    end = ": within noise" if group[0].within_noise else ", without intervals" if group[0].interval is None else ""
    return f"{standing} {', '.join(told[:-1])} and {told[-1]}{end}."


def _sentence(each: DifferenceInfo, confidence: float | None, decimals: int) -> str:
    told = difference_text(each.difference, decimals)
    if each.interval is None:
        return f"Against {each.rival}: {told}, without an interval."
    told += f" ({_interval_text(each.interval, confidence, decimals)})"
    return f"{_standing(each)} {each.rival}: {told}{' is within noise' if each.within_noise else ''}."


def _interval_text(interval: tuple[float, float], confidence: float | None, decimals: int) -> str:
    level = "" if confidence is None else f"{confidence:.0%}: "
    return level + difference_interval_text(interval, decimals)


def comparison_figure(info: ComparisonInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw one row a rival: the difference with its interval, filled where that does not contain zero."""
    labels = [_label(each, info.decimals) for each in info.differences]
    places = _places(labels)
    top = -ABOVE - LINE * len(labels[0])
    foot = places[-1] + 0.5
    figure = new_figure(theme, height=HEAD + FOOT + round(ROW_HEIGHT * (foot - top)), narrowest=NARROWEST)
    ends = [end for each in info.differences for end in (each.difference, *(each.interval or ()))]
    # Zero is always in sight, and tiny differences are not blown up to fill the figure.
    low, high = min(0.0, *ends), max(0.0, *ends)
    lacking = max(0.0, SMALLEST_SCORE_RANGE - (high - low)) / 2
    room = ROOM * (high - low + 2 * lacking)
    figure.add_vline(x=0, line={"color": theme.ink, "width": 1.5})
    for row, each, label in zip(places, info.differences, labels, strict=True):
        _draw(figure, row, each, _hover(each, info), theme)
        _draw_label(figure, row, label, theme)
    figure.update_xaxes(
        range=[low - lacking - room, high + lacking + room],
        title={"text": plain(f"{info.metric} of the ensemble less that of the rival")},
        tickformat="+.4~f",
        labelalias={"+0": "0"},
        nticks=6,
        tickangle=0,
    )
    # Names stand above the marks, where a phone has room for them.
    figure.update_yaxes(showticklabels=False, range=[foot, top], showgrid=False)
    figure.update_layout(showlegend=False, margin={"l": SIDE, "r": SIDE, "t": HEAD, "b": FOOT})
    return figure


def _label(each: DifferenceInfo, decimals: int) -> list[str]:
    """The lines of a row's label: as short as the narrowest figure has room for."""
    text = f"{difference_text(each.difference, decimals)} against {each.rival}"
    return textwrap.wrap(text, LETTERS, break_long_words=False)


def _places(labels: Sequence[Sequence[str]]) -> list[float]:
    """Where each row's mark is, in heights of a row with a label of one line; further lines take room of their own."""
    extra = itertools.accumulate((len(label) - 1 for label in labels[1:]), initial=0)
    return [row + LINE * lines for row, lines in enumerate(extra)]


def _hover(each: DifferenceInfo, info: ComparisonInfo) -> str:
    told = f"<b>{difference_text(each.difference, info.decimals)}</b> against {plain(each.rival)}"
    if each.interval is not None:
        told += f"<br>{_interval_text(each.interval, info.confidence, info.decimals)}"
    return f"{told}<br>{'<br>'.join(map(plain, each.names))}"


def _draw(figure: go.Figure, row: float, each: DifferenceInfo, hover: str, theme: Theme) -> None:
    certain = each.within_noise is False
    colour = theme.accent if certain else theme.muted
    low, high = each.interval or (each.difference, each.difference)
    figure.add_scatter(
        x=[each.difference],
        y=[row],
        mode="markers",
        name=plain(each.rival),
        marker={
            "size": 12,
            "symbol": "square",
            "color": colour if certain else theme.paper,
            "line": {"color": colour, "width": 2},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - each.difference],
            "arrayminus": [each.difference - low],
            "color": colour,
            "thickness": 2,
            "width": 6,
        },
        hovertext=[hover],
        hoverinfo="text",
    )


def _draw_label(figure: go.Figure, row: float, lines: Sequence[str], theme: Theme) -> None:
    number, rest = "<br>".join(map(plain, lines)).split(" ", maxsplit=1)
    figure.add_annotation(
        x=0,
        xref="paper",
        y=row - 0.42 + LINE / 2,
        text=f"<b>{number}</b> {rest}",
        align="left",
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        bgcolor=theme.paper,
        font={"color": theme.ink},
    )
