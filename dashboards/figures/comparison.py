"""The ensemble beside its rivals: held-out scores with their intervals, and the scores on all videos."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import ScoreInfo, chosen_ensemble
from gapsack.dashboards.figures.axes import score_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, new_figure
from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import gap_text, interval_text, mib_text, plain, plural

ROW_HEIGHT = 62


@dataclass(frozen=True)
class ComparisonInfo:
    """Data of the figure.

    Args:
        metric: what the contenders were scored by.
        scores: theirs, the ensemble's first.
        confidence: of the intervals, in (0, 1).
        reported: how the scores on new videos came about: held-out or cross-fitted.
    """

    metric: str
    scores: tuple[ScoreInfo, ...]
    confidence: float | None
    reported: str = "held-out"


def comparison_info(records: SweepRecords) -> ComparisonInfo | None:
    """Data of the comparison, or None while there is no ensemble, or nothing to compare it with."""
    ensemble = chosen_ensemble(records)
    if ensemble is None:
        return None
    rivals = (ensemble.score, ensemble.runner_up, ensemble.best_single)
    scores = tuple(score for score in rivals if score is not None and score.best_known is not None)
    if len(scores) < 2:
        return None
    return ComparisonInfo(ensemble.metric, scores, ensemble.confidence, ensemble.reported)


def comparison_figure(info: ComparisonInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw one row a contender: a filled mark with its interval where held out, a ring for the score on all videos."""
    figure = new_figure(theme, height=118 + ROW_HEIGHT * len(info.scores), narrowest=480)
    held_out = [(row, score) for row, score in enumerate(info.scores) if score.held_out is not None]
    level = "" if info.confidence is None else f", {info.confidence:.0%} interval"
    if held_out:
        _draw_held_out(figure, held_out, f"{info.reported} videos{level}", info.reported, theme)
    everywhere = [(row, score) for row, score in enumerate(info.scores) if score.everywhere is not None]
    figure.add_scatter(
        x=[score.everywhere for _, score in everywhere],
        y=[row for row, _ in everywhere],
        mode="markers",
        name="all videos, those that it was chosen on included",
        marker={"size": 10, "color": theme.paper, "line": {"color": theme.muted, "width": 2}},
        hovertext=[_hover(score, info.reported) for _, score in everywhere],
        hoverinfo="text",
    )
    values = [value for score in info.scores for value in (score.everywhere, score.held_out, *(score.interval or ()))]
    figure.update_xaxes(
        **score_axis([value for value in values if value is not None], title=plain(info.metric)), tickangle=0
    )
    figure.update_xaxes(nticks=6)
    figure.update_layout(showlegend=True)  # plotly hides the legend of a lone trace, which here says what a ring is
    rows = [_row(score) for score in info.scores]
    # Rows by number, not by name: two contenders may have the same label, and half a row of room is left at both ends.
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=rows, range=[len(rows) - 0.4, -0.7], showgrid=False)
    return figure


def _draw_held_out(
    figure: go.Figure, rows: list[tuple[int, ScoreInfo]], name: str, reported: str, theme: Theme
) -> None:
    values = [score.held_out or 0.0 for _, score in rows]
    intervals = [score.interval or (value, value) for (_, score), value in zip(rows, values, strict=True)]
    figure.add_scatter(
        x=values,
        y=[row for row, _ in rows],
        mode="markers+text",
        name=name,
        text=[f"<b>{gap_text(value)}</b>" for value in values],
        textposition="top center",
        textfont={"color": theme.ink},
        marker={"size": 12, "color": theme.accent},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - value for value, (_, high) in zip(values, intervals, strict=True)],
            "arrayminus": [value - low for value, (low, _) in zip(values, intervals, strict=True)],
            "color": theme.accent,
            "thickness": 2,
            "width": 5,
        },
        hovertext=[_hover(score, reported) for _, score in rows],
        hoverinfo="text",
    )


def _row(score: ScoreInfo) -> str:
    """Two short lines; the hover names all models of the contender."""
    who = plain(score.names[0]) if len(score.names) == 1 else plural(len(score.names), "model")
    return f"<b>{plain(score.label)}</b><br>{who}"


def _hover(score: ScoreInfo, reported: str) -> str:
    lines = [f"<b>{plain(score.label)}</b>", *(plain(name) for name in score.names)]
    if score.held_out is not None:
        lines.append(f"{reported} score {gap_text(score.held_out)}")
    if score.interval is not None:
        lines.append(f"interval {interval_text(*score.interval)}")
    if score.everywhere is not None:
        lines.append(f"score on all videos {gap_text(score.everywhere)}")
    if score.size_bytes is not None:
        lines.append(mib_text(score.size_bytes))
    return "<br>".join(lines)
