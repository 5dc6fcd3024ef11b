"""Training curves of all trials: loss and GAP by step, with the ones that matter in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble
from gapsack.dashboards.figures.axes import logarithmic_ticks, score_axis
from gapsack.dashboards.figures.theme import LIGHT, Theme, member_colour, new_figure
from gapsack.dashboards.records import CurvePoint, SweepRecords, TrialRecord, best_first
from gapsack.dashboards.units import finite, plain

HEIGHT = 400
MOST_POINTS = 40_000  # of one figure: beyond it a browser gets slow
FEWEST_POINTS_A_CURVE = 40
MOST_CURVES = 400  # of one figure: each is an element of the page, and of more nobody sees any
CLIMB_SHARE = 0.25  # of a training: the steep part, which the GAP axis leaves below its start
MOST_POINTS_A_CURVE = 400
LOGARITHMIC_RATIO = 4.0  # losses that span more than this are drawn on a logarithmic axis

Role = Literal["member", "best", "other", "failed"]
Measure = Literal["loss", "gap"]


@dataclass(frozen=True)
class Series:
    """One curve.

    Args:
        trial: the trial's name.
        role: ``best`` is the highest score of the sweep where it is no member of the ensemble.
        member: for a member, its number in the palette.
        steps: by increasing step.
        values: the measure at those steps, all finite.
    """

    trial: str
    role: Role
    member: int | None
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class CurvesInfo:
    """Data of one of the two figures: the curves, those in the background first; how many trials have no curve here."""

    measure: Measure
    series: tuple[Series, ...]
    left_out: int = 0


def curves_info(records: SweepRecords, measure: Measure) -> CurvesInfo | None:
    """Data of the curves, or None where no trial logged the measure.

    Values that are missing or not finite are left out. Long curves are thinned to evenly spaced points, the ends and
    the best point of the measure always among them. Of very many curves those of the best trials are drawn, and those
    of the ensemble's members.
    """
    ensemble = chosen_ensemble(records)
    drawn = [(trial, points) for trial in records.trials if (points := _points(trial.curve, measure))]
    if not drawn:
        return None
    count = len(drawn)
    if count > MOST_CURVES:
        drawn = _most_telling(drawn, ensemble)
    best = max((trial for trial in records.trials if trial.gap is not None), key=lambda t: t.gap or 0.0, default=None)
    limit = min(MOST_POINTS_A_CURVE, max(FEWEST_POINTS_A_CURVE, MOST_POINTS // len(drawn)))
    series = [
        _series(trial, thinned(points, limit, keep_highest=measure == "gap"), best, ensemble) for trial, points in drawn
    ]
    order: tuple[Role, ...] = ("failed", "other", "best", "member")
    shown = tuple(sorted(series, key=lambda one: (order.index(one.role), one.member or 0)))
    return CurvesInfo(measure, shown, count - len(drawn))


def _most_telling(
    drawn: list[tuple[TrialRecord, list[tuple[int, float]]]], ensemble: EnsembleInfo | None
) -> list[tuple[TrialRecord, list[tuple[int, float]]]]:
    """Of more curves than are drawn the members' and those of the best trials, in the same order."""

    def rank(index: int) -> tuple[bool, float]:
        trial = drawn[index][0]
        is_member = ensemble is not None and ensemble.member(trial.name) is not None
        return not is_member, best_first(trial)

    return [drawn[index] for index in sorted(sorted(range(len(drawn)), key=rank)[:MOST_CURVES])]


def _points(curve: Sequence[CurvePoint], measure: Measure) -> list[tuple[int, float]]:
    pairs = ((point.step, finite(point.loss if measure == "loss" else point.gap)) for point in curve)
    return [(step, value) for step, value in pairs if value is not None]


def thinned(points: Sequence[tuple[int, float]], limit: int, *, keep_highest: bool) -> list[tuple[int, float]]:
    """At most about `limit` evenly spaced points, with both ends and the highest (or lowest) value kept."""
    if len(points) <= limit:
        return list(points)
    kept = {round(index * (len(points) - 1) / (limit - 1)) for index in range(limit)}
    pick = max if keep_highest else min
    kept.add(pick(range(len(points)), key=lambda index: points[index][1]))
    return [points[index] for index in sorted(kept)]


def _series(
    trial: TrialRecord, points: list[tuple[int, float]], best: TrialRecord | None, ensemble: EnsembleInfo | None
) -> Series:
    member = None if ensemble is None else ensemble.member(trial.name)
    role: Role = "other"
    if member is not None:
        role = "member"
    elif trial is best:
        role = "best"
    elif trial.status == "failed":
        role = "failed"
    steps, values = zip(*points, strict=True)
    return Series(trial.name, role, member, steps, values)


def curves_figure(info: CurvesInfo, theme: Theme = LIGHT) -> go.Figure:
    """Draw the curves of one measure."""
    figure = new_figure(theme, height=HEIGHT)
    background_named: set[Role] = set()
    for series in info.series:
        first = series.role not in background_named
        _draw(figure, info.measure, series, theme, first=first, left_out=info.left_out)
        background_named.add(series.role)
    figure.update_xaxes(title={"text": "step"}, rangemode="tozero", nticks=6)
    if info.measure == "gap":
        figure.update_yaxes(**score_axis(settled_values(info), title="GAP@20 of single checkpoints"))
        return figure
    values = [value for series in info.series for value in series.values]
    low, high = min(values), max(values)
    figure.update_yaxes(title={"text": "training loss"}, nticks=8)
    if low > 0 and high / low > LOGARITHMIC_RATIO:
        ticks = logarithmic_ticks(low, high)
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:,.10g}" for tick in ticks])
    return figure


def settled_values(info: CurvesInfo) -> list[float]:
    """Values after the first quarter of each curve: an axis around these shows differences that the climb dwarfs."""
    settled = []
    for series in info.series:
        start = series.steps[-1] * CLIMB_SHARE
        settled += [value for step, value in zip(series.steps, series.values, strict=True) if step >= start]
    return settled


def _draw(figure: go.Figure, measure: Measure, series: Series, theme: Theme, *, first: bool, left_out: int) -> None:
    background = series.role in ("other", "failed")
    single = len(series.steps) == 1
    others = f"other trials ({left_out:,} not drawn)" if left_out else "other trials"
    names = {"member": series.trial, "best": f"{series.trial} (best)", "other": others, "failed": "failed"}
    figure.add_scatter(
        x=series.steps,
        y=series.values,
        mode="markers" if single else "lines",
        name=plain(names[series.role]),
        legendgroup=series.role if background else series.trial,
        showlegend=first or not background,
        meta={"trial": series.trial, "role": series.role},
        line={
            "color": _colour(series, theme),
            "width": 1 if background else 2.5,
            "dash": "dot" if series.role == "failed" else "solid",
        },
        hovertemplate=f"<b>{plain(series.trial)}</b><br>step %{{x:,}}<br>{measure} %{{y:.4f}}<extra></extra>",
    )


def _colour(series: Series, theme: Theme) -> str:
    if series.member is not None:
        return member_colour(theme, series.member)
    return theme.accent if series.role == "best" else theme.faint if series.role == "failed" else theme.line
