"""The ensemble beside its rivals: held-out scores with their intervals, and the scores on all videos."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from dashboards.axes import score_axis
from dashboards.ensemble import ScoreInfo, chosen_ensemble
from dashboards.records import SweepRecords
from dashboards.theme import LIGHT, Theme, new_figure
from dashboards.units import gap_text, interval_text, mib_text, plain

ROW_HEIGHT = 62
LONGEST_LABEL = 44


@dataclass(frozen=True)
class ComparisonInfo:
    """Data of the figure: the contenders, the ensemble first; `confidence` is the one of their intervals."""

    scores: tuple[ScoreInfo, ...]
    confidence: float | None


def comparison_info(records: SweepRecords) -> ComparisonInfo | None:
    """Data of the comparison, or None while there is no ensemble, or nothing to compare it with."""
    ensemble = chosen_ensemble(records)
    if ensemble is None:
        return None
    rivals = (ensemble.score, ensemble.runner_up, ensemble.best_single)
    scores = tuple(score for score in rivals if score is not None and score.best_known is not None)
    return ComparisonInfo(scores, ensemble.confidence) if len(scores) > 1 else None


def comparison_figure(info: ComparisonInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw one row a contender: a filled mark with its interval where held out, a ring for the score on all videos."""
    figure = new_figure(theme, height=118 + ROW_HEIGHT * len(info.scores))
    held_out = [score for score in info.scores if score.held_out_gap is not None]
    level = "" if info.confidence is None else f", {info.confidence:.0%} interval"
    if held_out:
        _draw_held_out(figure, held_out, f"held-out videos{level}", theme)
    everywhere = [score for score in info.scores if score.gap is not None]
    figure.add_scatter(
        x=[score.gap for score in everywhere],
        y=[_row(score) for score in everywhere],
        mode="markers",
        name="all videos, those that it was chosen on included",
        marker={"size": 10, "color": theme.paper, "line": {"color": theme.muted, "width": 2}},
        hovertext=[_hover(score) for score in everywhere],
        hoverinfo="text",
    )
    values = [value for score in info.scores for value in (score.gap, score.held_out_gap, *(score.interval or ()))]
    figure.update_xaxes(**score_axis([value for value in values if value is not None], title="GAP@20"))
    figure.update_yaxes(
        categoryorder="array", categoryarray=[_row(score) for score in reversed(info.scores)], tickfont={"size": 13}
    )
    return figure


def _draw_held_out(figure: go.Figure, scores: list[ScoreInfo], name: str, theme: Theme) -> None:
    values = [score.held_out_gap or 0.0 for score in scores]
    intervals = [score.interval or (value, value) for score, value in zip(scores, values, strict=True)]
    figure.add_scatter(
        x=values,
        y=[_row(score) for score in scores],
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
        hovertext=[_hover(score) for score in scores],
        hoverinfo="text",
    )


def _row(score: ScoreInfo) -> str:
    """The contender's label in two lines at most; a long list of members is cut, the hover has all of it."""
    head, _, names = score.label.partition(": ")
    if not names:
        return f"<b>{plain(head)}</b>"
    short = names if len(names) <= LONGEST_LABEL else names[: LONGEST_LABEL - 1] + "…"
    return f"{plain(head)}<br>{plain(short)}"


def _hover(score: ScoreInfo) -> str:
    lines = [f"<b>{plain(score.label)}</b>"]
    if score.held_out_gap is not None:
        lines.append(f"held-out GAP {gap_text(score.held_out_gap)}")
    if score.interval is not None:
        lines.append(f"interval {interval_text(*score.interval)}")
    if score.gap is not None:
        lines.append(f"GAP on all videos {gap_text(score.gap)}")
    if score.size_bytes is not None:
        lines.append(mib_text(score.size_bytes))
    return "<br>".join(lines)
