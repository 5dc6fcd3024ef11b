"""A pool that no sweep made, as the plain records that reports are drawn from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gapsack.dashboards.records import DataFacts, SweepRecords, TrialRecord
from gapsack.models.tasks import Task
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import UserMetric, objective_of, score_of_lists
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.runs.latencies import LATENCY
from gapsack.sweep.runs.report import DrawnFrontier, inferior_candidates, read_frontier
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.mirrored import at_way, fetched

T = TypeVar("T")

PRECISIONS = ("float16", "float32")  # at which sizes are compared, the first that all candidates have; else another
ITEMS = Task.items
"""What a pool's items are called: nobody said what they are."""
SMALLEST = "smallest"
"""What stands in place of a precision where the candidates have none in common: each one's smallest size."""


def pool_records(pool: Path, metric: str | UserMetric | None = None) -> SweepRecords:
    """All that a report on a pool shows: its models, and the ensemble and the frontier that were searched in it.

    ``ensemble.json`` and ``frontier.json`` are looked for in the pool, beside it and in the working folder, where the
    searches write them. One of another pool is left out, as what is damaged is; a notice says so.

    Args:
        pool: the folder.
        metric: show the models' scores by this metric in place of GAP@20.

    Raises:
        PoolError: the pool cannot be read.
        InputError: the metric cannot be computed for the pool's labels.
    """
    notices: list[str] = []
    read = CandidatePool.read(pool, left_out=notices.append)
    objective = objective_of("gap@20" if metric is None else metric, read.labels)
    scores = {each.name: score_of_lists(each.predictions, read.labels, objective) for each in read.candidates}
    precision = _common_precision(read.candidates)
    sizes = {each.name: _sizes(each, precision) for each in read.candidates}
    folders = list(dict.fromkeys(each.absolute() for each in (pool, pool.absolute().parent, Path.cwd())))

    def found(name: str, reader: Callable[[Path], T], of_this: Callable[[Path, T], bool]) -> T | None:
        for path in (folder / name for folder in folders):
            if not fetched(path).is_file():
                continue
            try:
                content = reader(path)
            except InputError as error:
                notices.append(str(error))
                continue
            if of_this(path, content):
                return content
            notices.append(f"{path} is left out: it is of another pool.")
        return None

    def of_this(path: Path, ensemble: Ensemble) -> bool:
        named = {member.name for member in ensemble.members} <= set(scores)
        return named and (ensemble.pool is None or at_way(path.parent, ensemble.pool).resolve() == pool.resolve())

    ensemble = found("ensemble.json", Ensemble.read, of_this)
    frontier = found(
        "frontier.json", lambda path: read_frontier(path, ITEMS), lambda _path, drawn: _names(drawn) <= set(scores)
    )
    return SweepRecords(
        name=pool.absolute().name,
        trials=tuple(
            TrialRecord(
                each.name,
                "done",
                hyperparameters=_plain_settings(each.hyperparameters),
                size_bytes=sizes[each.name],
                flops=_figure(each, "flops"),
                latency_ms=_figure(each, LATENCY),
                gap=scores[each.name],
            )
            for each in read.candidates
        ),
        precision=precision,
        inferior=inferior_candidates(sizes, scores, precision),
        ensembles=() if ensemble is None else (ensemble,),
        frontier=() if frontier is None else frontier.points,
        frontier_singles=() if frontier is None else frontier.singles,
        frontier_metric="gap@20" if frontier is None else frontier.metric,
        frontier_population="" if frontier is None else frontier.population,
        budget_bytes=None if ensemble is None else ensemble.budget_bytes,
        data=DataFacts(classes=read.labels.class_count, items=ITEMS, pool_items=len(read.labels.video_ids)),
        created=time.strftime("%Y-%m-%d %H:%M"),
        notices=tuple(map(as_told, notices)),
        metric=objective.name,
    )


def _common_precision(candidates: Sequence[Candidate]) -> str:
    common = set.intersection(*(set(each.size_bytes) for each in candidates)) if candidates else set()
    return next((name for name in (*PRECISIONS, *sorted(common)) if name in common), SMALLEST)


def _sizes(candidate: Candidate, precision: str) -> dict[str, int]:
    sizes = dict(candidate.size_bytes)
    return sizes if precision != SMALLEST else {**sizes, SMALLEST: min(sizes.values())}


def _plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those that a table can show: a pool's hyperparameters are free-form."""
    return {name: value for name, value in settings.items() if isinstance(value, (str, int, float))}


def _figure(candidate: Candidate, key: str) -> float | None:
    """A number of the candidate's metrics, which are free-form; None where it has no such."""
    value = candidate.metrics.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _names(drawn: DrawnFrontier) -> set[str]:
    return {name for point in (*drawn.points, *drawn.singles) for name in point.members}
