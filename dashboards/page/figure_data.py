"""What each figure draws, as a table behind a disclosure: for those who cannot see it, and for exact values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from gapsack.dashboards.ensemble import short_metric
from gapsack.dashboards.figures.comparison import comparison_info
from gapsack.dashboards.figures.composition import composition_info
from gapsack.dashboards.figures.curves import Measure
from gapsack.dashboards.figures.frontier import frontier_info
from gapsack.dashboards.figures.heat_map import heat_map_info
from gapsack.dashboards.figures.plane import PlanePoint, plane_info
from gapsack.dashboards.hyperparameters import value_text
from gapsack.dashboards.page.columns import rising_cells, score_cell, size_cells
from gapsack.dashboards.page.markup import Markup, tag
from gapsack.dashboards.page.tables import Cell, Row, TableColumn, number, table, without_empty, words
from gapsack.dashboards.records import SweepRecords
from gapsack.dashboards.units import difference_text, finite, gap_text, plural, share_text
from gapsack.selection.decimals import SCORE_DECIMALS


def figure_data(key: str, records: SweepRecords) -> Markup | None:
    """The data of a figure by its key in the catalogue, folded; None where there is nothing to draw.

    Raises:
        KeyError: an unknown key.
    """
    found = _TABLES[key](records)
    return None if found is None else folded_data(found)


def folded_data(data: Markup) -> Markup:
    """A table of what a figure draws, closed until a reader opens it; not printed."""
    return tag("details", tag("summary", "Its data as a table"), data, class_="data")


def _plane(records: SweepRecords) -> Markup | None:
    info = plane_info(records)
    if info is None:
        return None
    columns = (
        TableColumn("What"),
        TableColumn("MiB", numeric=True),
        TableColumn(short_metric(info.metric), numeric=True),
        TableColumn("is", long=True),
    )
    drawn: list[tuple[str, int, float | None, str]] = []
    if info.ensemble is not None:
        drawn.append(("the ensemble", info.ensemble.size_bytes, info.ensemble.gap, "chosen"))
    drawn += [(point.name, point.size_bytes, point.gap, _standing(point)) for point in (*info.members, *info.frontier)]
    drawn += [(" + ".join(point.members), point.budget_bytes, point.everywhere, _BEST) for point in info.ensembles]
    rows = [
        (words(name), size, score_cell(score), words(standing))
        for (name, _, score, standing), size in zip(drawn, size_cells([each[1] for each in drawn]), strict=True)
    ]
    others = f"; {plural(len(info.inferior), 'inferior model')}: see all {records.noun}s" if info.inferior else ""
    return table(f"{info.metric} on {info.population}{others}", columns, rows)


_BEST = "the best ensemble from this size on"


def _standing(point: PlanePoint) -> str:
    if point.kind == "member":
        return f"in the ensemble, in {point.precision}"
    return "on the Pareto frontier"


def _comparison(records: SweepRecords) -> Markup | None:
    info = comparison_info(records)
    if info is None:
        return None
    columns = (
        TableColumn("Against"),
        *(TableColumn(title, numeric=True) for title in ("difference", "from", "to")),
        TableColumn("models", long=True),
    )
    rows = []
    for each in info.differences:
        values = (each.difference, *(each.interval or (None, None)))
        numbers = (number(v, None if v is None else difference_text(v, info.decimals)) for v in values)
        rows.append((words(each.rival), *numbers, words(" + ".join(each.names))))
    return table(f"Differences of {info.metric}, {info.reported_on}", columns, rows)


def _composition(records: SweepRecords) -> Markup | None:
    info = composition_info(records)
    if info is None:
        return None
    votes = {segment.label: segment.share for segment in info.vote}
    columns = (TableColumn("Part"), *(TableColumn(title, numeric=True) for title in ("size", "of budget", "of vote")))
    rows = [
        (words(part.label), Cell(part.text, part.share), _share(part.share), _share(votes.get(part.label)))
        for part in info.size
    ]
    return table("Shares of the budget and of the vote", columns, rows)


def _frontier(records: SweepRecords) -> Markup | None:
    info = frontier_info(records)
    if info is None:
        return None
    columns = (
        TableColumn("MiB", numeric=True),
        TableColumn(short_metric(info.metric), numeric=True),
        TableColumn("members", long=True),
    )
    singles = sorted(records.frontier_singles, key=lambda point: point.total_bytes)
    points = (*info.ensembles, *singles)
    numbers = zip(
        size_cells([point.total_bytes for point in points]), rising_cells([point.gap for point in points]), strict=True
    )
    rows = [(*cells, words(" + ".join(point.members))) for point, cells in zip(points, numbers, strict=True)]
    return table(f"The best ensembles, then the best single models; {info.population}", columns, rows)


def _heat_map(records: SweepRecords) -> Markup | None:
    info = heat_map_info(records)
    if info is None:
        return None
    names = [info.x_name, *([] if info.y_name is None else [info.y_name])]
    columns = (
        TableColumn("Trial"),
        *(TableColumn(name, numeric=True) for name in names),
        TableColumn(short_metric(info.metric), numeric=True),
        TableColumn("others there", numeric=True, hint="further trials of the same values, which score less"),
    )
    rows = [
        (
            words(cell.trial),
            *(_setting(value) for value in (cell.x, cell.y)[: len(names)]),
            score_cell(cell.gap),
            number(cell.others),
        )
        for cell in info.cells
    ]
    return table("The best trial of each combination", columns, rows)


def _seeds(records: SweepRecords) -> Markup | None:
    if not records.seeds:
        return None
    columns = (TableColumn("Point"), *(TableColumn(title, numeric=True) for title in ("GAP@20", "±", "of each seed")))
    rows = [
        (
            words(point.name),
            score_cell(point.mean),
            score_cell(point.deviation),
            words(", ".join(map(gap_text, point.gaps))),
        )
        for point in records.seeds
    ]
    return table("Mean and standard deviation of each point over its seeds", columns, rows)


def _history(records: SweepRecords) -> Markup | None:
    if records.search is None:
        return None
    gaps = {trial.name: trial.gap for trial in records.trials}
    ended = [(name, gaps[name]) for name in records.search.trials if gaps.get(name) is not None]
    best = itertools.accumulate((gap or 0.0 for _, gap in ended), max)
    columns = (TableColumn("Trial"), TableColumn("GAP@20", numeric=True), TableColumn("best so far", numeric=True))
    rows = [
        (words(name), score_cell(gap), score_cell(highest)) for (name, gap), highest in zip(ended, best, strict=True)
    ]
    return table("In the order in which they ended", columns, rows)


def _importance(records: SweepRecords) -> Markup | None:
    if records.search is None or not records.search.importances:
        return None
    columns = (TableColumn("Axis"), TableColumn("importance", numeric=True))
    rows = [(words(name), _share(share)) for name, share in records.search.importances.items()]
    return table("Importance of each axis", columns, rows)


def _slice(records: SweepRecords) -> Markup | None:
    if records.search is None:
        return None
    axes, trials = records.search.sliced, {trial.name: trial for trial in records.trials}
    found = [trials[name] for name in records.search.trials if name in trials]
    columns = (
        TableColumn("Trial"),
        *(TableColumn(name, numeric=True) for name in axes),
        TableColumn("GAP@20", numeric=True),
    )
    rows: list[Row] = [
        (words(trial.name), *(_setting(trial.hyperparameters.get(name)) for name in axes), score_cell(trial.gap))
        for trial in found
    ]
    return table("Every finished trial", *without_empty(columns, rows))


def _curves(records: SweepRecords, measure: Measure) -> Markup | None:
    """A row for each training; their points, hundreds each, are in the files."""
    best = min if measure == "loss" else max
    columns = (
        TableColumn("Trial"),
        TableColumn("first", numeric=True),
        TableColumn("lowest" if measure == "loss" else "highest", numeric=True),
        TableColumn("at step", numeric=True),
        TableColumn("last", numeric=True),
        TableColumn("at step", numeric=True),
    )
    rows = []
    for trial in records.trials:
        points = [
            (value, point.step)
            for point in trial.curve
            if (value := finite(point.loss if measure == "loss" else point.gap)) is not None
        ]
        if points:
            (first, _), (top, at), (last, end) = points[0], best(points), points[-1]
            numbers = [number(value, f"{value:.{SCORE_DECIMALS}f}") for value in (first, top, last)]
            rows.append((words(trial.name), numbers[0], numbers[1], number(at), numbers[2], number(end)))
    return table("Each training in short; every point is in its curve.csv", columns, rows) if rows else None


def _share(share: float | None) -> Cell:
    return number(share, None if share is None else share_text(share))


def _setting(value: object) -> Cell:
    return number(None) if value is None else Cell(value_text(value), str(value))


_TABLES: Mapping[str, Callable[[SweepRecords], Markup | None]] = {
    "plane": _plane,
    "comparison": _comparison,
    "composition": _composition,
    "frontier": _frontier,
    "heat_map": _heat_map,
    "seeds": _seeds,
    "history": _history,
    "importance": _importance,
    "slice": _slice,
    "loss": lambda records: _curves(records, "loss"),
    "gap": lambda records: _curves(records, "gap"),
}
