"""The page of several runs beside each other: which is ahead, one plane, their bests, and how they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble, metric_text, short_metric
from gapsack.dashboards.figures.runs_plane import RunsPlaneInfo, runs_plane_figure, runs_plane_info
from gapsack.dashboards.figures.theme import LIGHT
from gapsack.dashboards.page.columns import score_cell, size_cells
from gapsack.dashboards.page.document import document, plot, section
from gapsack.dashboards.page.figure_data import folded_data
from gapsack.dashboards.page.markup import Markup, join, tag
from gapsack.dashboards.page.tables import Cell, TableColumn, number, table, without_empty, words
from gapsack.dashboards.records import RunsRecords, SweepRecords, best_trial
from gapsack.dashboards.units import (
    budget_text,
    difference_text,
    gap_text,
    mib_text,
    plural,
)
from gapsack.selection.decimals import interval_error, mib_decimals, mib_number, score_decimals, score_text
from gapsack.selection.units import mib

KEY = "runs"
UNTESTED = (
    "Between runs nothing is tested: how much of a difference is chance is known within each run alone, where its "
    "ensemble is held against rivals on the same items."
)


def runs_page(records: RunsRecords) -> str:
    """The whole page as one HTML document."""
    info = runs_plane_info(records.runs)
    figures = {} if info is None else {KEY: runs_plane_figure(info, LIGHT)}
    sentence = verdict(records.runs)
    header = tag(
        "header",
        tag("p", tag("strong", " · ".join(run.name for run in records.runs)), class_="name"),
        tag("h1", sentence),
        tag("p", UNTESTED, class_="caution"),
        *(tag("p", notice, class_="caution") for notice in (*_budgets(records.runs), *records.notices)),
    )
    sections = (
        section("Size and score", _plane(info, figures[KEY], sentence)) if info is not None else None,
        section("The best of each", _bests(records.runs)),
        section("Settings that differ", _settings(records)),
        section("What the scores are of", _data(records.runs)),
    )
    title = " · ".join(run.name for run in records.runs)
    return document(title, header, [each for each in sections if each is not None], figures)


@dataclass(frozen=True)
class _Leader:
    """A run and the score by which it is ranked."""

    run: SweepRecords
    score: float
    text: str


def verdict(runs: Sequence[SweepRecords]) -> str:
    """Which run is ahead, in a sentence: by what is expected of its ensemble on new items, else by its best model.

    Ensembles are ranked where every run has one of the same metric; else best models, which all have in common.
    """
    leaders = _by_ensemble(runs) or _by_model(runs)
    if len(leaders) < 2:
        return f"{plural(len(runs), 'run')} beside each other, of which {len(leaders) or 'none'} can be ranked yet."
    first, second = sorted(leaders, key=lambda each: -each.score)[:2]
    ahead = first.score - second.score
    told = f"{first.run.name} is ahead: {first.text}"
    if ahead == 0.0:
        return f"{first.run.name} and {second.run.name} are level: {first.text}."
    return f"{told}, {score_text(ahead, score_decimals(values=[ahead]))} above {second.run.name}."


def _by_ensemble(runs: Sequence[SweepRecords]) -> list[_Leader]:
    found = [(run, chosen_ensemble(run)) for run in runs]
    ensembles = [ensemble for _, ensemble in found if ensemble is not None]
    alike = len({(one.metric, one.score.held_out is None) for one in ensembles}) == 1
    if len(ensembles) < len(runs) or not alike:
        return []
    leaders = []
    for run, one in found:
        score = None if one is None else one.score.best_known
        if one is not None and score is not None:
            how = f"{one.reported} " if one.score.held_out is not None else ""
            within = f"in {mib_text(one.total_bytes)} of {budget_text(one.budget_bytes)}"
            leaders.append(_Leader(run, score, f"its ensemble has a {how}{one.metric} of {gap_text(score)} {within}"))
    return leaders if len(leaders) == len(runs) else []


def _by_model(runs: Sequence[SweepRecords]) -> list[_Leader]:
    leaders = []
    for run in runs:
        best = best_trial(run)
        if best is not None and best.gap is not None:
            text = f"its best single model, {best.name}, has a {metric_text(run.metric)} of {gap_text(best.gap)}"
            leaders.append(_Leader(run, best.gap, text))
    return leaders


def _budgets(runs: Sequence[SweepRecords]) -> list[str]:
    """A sentence where ensembles had different budgets."""
    budgets = {run.name: one.budget_bytes for run in runs if (one := chosen_ensemble(run)) is not None}
    if len(set(budgets.values())) < 2:
        return []
    told = ", ".join(f"{budget_text(budget)} of {name}" for name, budget in budgets.items())
    return [f"Their ensembles had different budgets: {told}."]


def _plane(info: RunsPlaneInfo, figure: go.Figure, sentence: str) -> Markup:
    caption = (
        "Dotted: each run's best single model of every size. Solid: its best ensemble of every size, where it was "
        "searched. A diamond is the ensemble that it chose."
    )
    place = plot(KEY, figure, f"Size and score. {sentence}")
    return tag("figure", tag("figcaption", tag("p", caption)), place, folded_data(_drawn(info)))


def _drawn(info: RunsPlaneInfo) -> Markup:
    """What the plane draws of each run: its frontier of single models, that of ensembles, and what it chose."""
    drawn: list[tuple[str, str, int, float]] = []
    for name, plane in zip(info.names, info.planes, strict=True):
        drawn += [(name, point.name, point.size_bytes, point.gap) for point in plane.frontier]
        drawn += [
            (name, " + ".join(point.members), point.budget_bytes, point.everywhere or 0.0) for point in plane.ensembles
        ]
        if plane.ensemble is not None:
            drawn.append((name, "the ensemble chosen", plane.ensemble.size_bytes, plane.ensemble.gap))
    sizes = size_cells([size for _, _, size, _ in drawn])
    columns = (
        TableColumn("Run"),
        TableColumn("MiB", numeric=True),
        TableColumn(short_metric(info.metric), numeric=True),
        TableColumn("of", long=True),
    )
    rows = [
        (words(run), size, score_cell(score), words(what))
        for (run, what, _, score), size in zip(drawn, sizes, strict=True)
    ]
    return table("Each run's best single models, then its best ensembles, by size", columns, rows)


def _bests(runs: Sequence[SweepRecords]) -> Markup:
    metric = short_metric(metric_text(runs[0].metric))
    columns = (
        TableColumn("Run"),
        TableColumn(
            "on new items", numeric=True, hint="the ensemble, by what was not chosen on them, and its interval"
        ),
        TableColumn("by", hint="the metric of the search, where that is another one"),
        TableColumn("ahead of best single", numeric=True, hint="on the same items, with its interval"),
        TableColumn("MiB of budget", numeric=True),
        TableColumn("members", numeric=True),
        TableColumn("best single"),
        TableColumn(metric, numeric=True, hint="of the best single model"),
        TableColumn("MiB", numeric=True, hint="of the best single model"),
        TableColumn("models", numeric=True, hint="finished; those that no other beats without being larger"),
    )
    digits = _Decimals.of(runs)
    rows = [_best_row(place, run, digits) for place, run in enumerate(runs)]
    return table(f"{plural(len(runs), 'run')} beside each other", *without_empty(columns, rows), sortable=True)


@dataclass(frozen=True)
class _Decimals:
    """How long the numbers of a column are, whichever run they are of."""

    sizes: int
    scores: int
    gains: int

    @classmethod
    def of(cls, runs: Sequence[SweepRecords]) -> _Decimals:
        ensembles = [one for run in runs if (one := chosen_ensemble(run)) is not None]
        return cls(
            mib_decimals([size for run in runs for size in _sizes(run)]),
            score_decimals([interval_error(one.score.interval) for one in ensembles]),
            score_decimals([interval_error(one.gain_interval) for one in ensembles], [one.gain for one in ensembles]),
        )


def _sizes(run: SweepRecords) -> list[int]:
    """All sizes that the table shows of a run."""
    best, one = best_trial(run), chosen_ensemble(run)
    alone = None if best is None else best.size_bytes.get(run.precision)
    return [*([] if alone is None else [alone]), *([] if one is None else [one.total_bytes, one.budget_bytes])]


def _best_row(place: int, run: SweepRecords, digits: _Decimals) -> list[Cell]:
    done = [trial for trial in run.trials if trial.status == "done" and trial.gap is not None]
    best, ensemble = best_trial(run), chosen_ensemble(run)
    name = join([tag("span", class_=f"swatch member{place % len(LIGHT.members)}", aria_hidden="true"), run.name])
    return [
        Cell(name, run.name.casefold()),
        *_ensemble_cells(run, ensemble, digits),
        words("" if best is None else best.name),
        score_cell(None if best is None else best.gap),
        _size(None if best is None else best.size_bytes.get(run.precision), digits.sizes),
        number(len(done), f"{len(done)}, {len(done) - len(run.inferior)} Pareto"),
    ]


def _ensemble_cells(run: SweepRecords, one: EnsembleInfo | None, digits: _Decimals) -> list[Cell]:
    if one is None:
        return [number(None), words(""), number(None), number(None), number(None)]
    within = f"{mib_number(one.total_bytes, digits.sizes)} of {mib_number(one.budget_bytes, digits.sizes)}"
    return [
        number(one.score.held_out, _with_interval(one.score.held_out, one.score.interval, score_text, digits.scores)),
        words("" if one.metric == metric_text(run.metric) else one.metric),
        number(one.gain, _with_interval(one.gain, one.gain_interval, difference_text, digits.gains)),
        number(one.total_bytes, within),
        number(len(one.members)),
    ]


def _with_interval(
    value: float | None, interval: tuple[float, float] | None, text: Callable[[float, int], str], digits: int
) -> str | None:
    if value is None or interval is None:
        return None if value is None else text(value, digits)
    return f"{text(value, digits)} ({' to '.join(text(end, digits) for end in interval)})"


def _size(size_bytes: int | None, digits: int) -> Cell:
    return number(None) if size_bytes is None else number(mib(size_bytes), mib_number(size_bytes, digits))


def _settings(records: RunsRecords) -> Markup | None:
    if not records.settings:
        return None
    columns = (TableColumn("Setting"), *(TableColumn(run.name) for run in records.runs))
    rows = [(words(name), *map(words, values)) for name, values in records.settings.items()]
    return table("Of the grids", columns, rows)


def _data(runs: Sequence[SweepRecords]) -> Markup:
    columns = (
        TableColumn("Run"),
        TableColumn("data"),
        TableColumn("classes", numeric=True),
        TableColumn("training files", numeric=True),
        TableColumn("items", numeric=True),
        TableColumn("taken"),
    )
    rows = [
        (
            words(run.name),
            words(run.data.kind or ""),
            number(run.data.classes),
            number(run.data.train_files),
            number(run.data.pool_items if run.data.held_out_videos is None else run.data.held_out_videos),
            words(run.created),
        )
        for run in runs
    ]
    return table("What each was measured on", *without_empty(columns, rows))
