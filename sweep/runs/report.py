"""A run folder as the plain records that reports are drawn from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from gapsack.dashboards.records import (
    CurvePoint,
    DataFacts,
    DataFault,
    FrontierPoint,
    SeedPoint,
    Status,
    SweepRecords,
    TrialRecord,
)
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import UserMetric, objective_of, score_of_lists
from gapsack.selection.pareto import dominated, size_at
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.typed import read_typed
from gapsack.sweep.runs.curve import CurveRow
from gapsack.sweep.runs.data_faults import DataFaults, data_faults
from gapsack.sweep.runs.folder import RunFiles, RunFolder
from gapsack.sweep.runs.provenance import versions
from gapsack.sweep.runs.seeds import seed_spreads
from gapsack.sweep.runs.status import RunState, TrialState, run_state
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.mirrored import bring

T = TypeVar("T")

"""The filter looks at sizes and scores alone; this stands in for predictions, which need not be read."""


def sweep_records(run: RunFolder, metric: str | UserMetric | None = None) -> SweepRecords:
    """All that a report on a run shows. What is damaged is left out, and told among the notices.

    Args:
        run: the run.
        metric: show the trials' scores by this metric, computed from their predictions in the run's pool, in place of
            the GAP@20 of their records.

    Raises:
        InputError: as `run_state`, or the metric cannot be computed for the pool's labels.
    """
    state = run_state(run)
    grid = state.grid
    notices = list(state.notices)

    def readable(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except InputError as error:
            notices.append(str(error))
            return None

    ensemble = readable(lambda: Ensemble.read(run.ensemble_file)) if run.ensemble_file.exists() else None
    frontier = (
        readable(lambda: read_frontier(run.frontier_file, grid.data.task.items)) if run.frontier_file.exists() else None
    )
    files = readable(run.data_files)
    shown = None if metric is None else _pool_scores(run, metric, notices.append)
    return SweepRecords(
        name=run.name,
        trials=tuple(_scored(trial_record(trial), shown) for trial in state.trials),
        precision=grid.budget.precision,
        inferior=inferior_trials(state.trials, grid.budget.precision, shown),
        ensembles=() if ensemble is None else (ensemble,),
        frontier=() if frontier is None else frontier.points,
        frontier_singles=() if frontier is None else frontier.singles,
        frontier_metric="gap@20" if frontier is None else frontier.metric,
        frontier_population="" if frontier is None else frontier.population,
        budget_bytes=grid.budget.size_bytes,
        data=_data_facts(state, files),
        data_faults=tuple(_data_fault(each) for each in data_faults(state.trials)),
        environment=_environment(state),
        created=time.strftime("%Y-%m-%d %H:%M"),
        notices=tuple(map(as_told, notices)),
        metric="gap@20" if shown is None else shown.metric,
        seeds=_seed_points(state),
    )


class _PoolScores(NamedTuple):
    """Scores of a run's candidates by some metric."""

    metric: str
    by_name: dict[str, float]


def _pool_scores(run: RunFolder, metric: str | UserMetric, notice: Callable[[str], object]) -> _PoolScores:
    bring(run.pool)
    pool = CandidatePool.read(run.pool, left_out=notice)
    objective = objective_of(metric, pool.labels)
    scores = {each.name: score_of_lists(each.predictions, pool.labels, objective) for each in pool.candidates}
    return _PoolScores(objective.name, scores)


def _scored(trial: TrialRecord, shown: _PoolScores | None) -> TrialRecord:
    """A trial with the score that is shown of it; averages of checkpoints were measured in GAP alone."""
    if shown is None:
        return trial
    return replace(trial, gap=shown.by_name.get(trial.name), gap_single=None, gap_averaged=None)


class _Part(BaseModel):
    """A part of frontier.json of which a report shows these keys."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class _FrontierMember(_Part):
    name: str
    size_bytes: int


class _FrontierPoint(_Part):
    budget_bytes: int
    members: tuple[_FrontierMember, ...]
    tuning_score: float
    held_out_score: float | None
    shared_bytes: int = 0  # which files of earlier versions have not


class _FrontierSplit(_Part):
    tune_share: float | None = 0.5


class _FrontierFile(_Part):
    points: tuple[_FrontierPoint, ...]
    singles: tuple[_FrontierPoint, ...] = ()  # files of earlier versions have none
    metric: str = "gap@20"
    split: _FrontierSplit | None = None  # files of earlier versions have none
    weighting: dict[str, Any] = {}


class DrawnFrontier(NamedTuple):
    """What a report draws of a frontier.json: the ensembles, and the single models on the same videos.

    ``population`` says which videos all their scores are of.
    """

    points: tuple[FrontierPoint, ...]
    singles: tuple[FrontierPoint, ...]
    metric: str = "gap@20"
    population: str = "videos that did not choose"


def read_frontier(path: Path, items: str = "videos") -> DrawnFrontier:
    """The points of a frontier.json; DamagedFileError when it holds anything else."""
    advice = "give sweep select frontier again"
    content = read_typed(path, _FrontierFile, what="a frontier", advice=advice).model_dump()
    return drawn_frontier(content, items)


def drawn_frontier(frontier: Mapping[str, Any], items: str = "videos") -> DrawnFrontier:
    """The content of frontier.json. Scores are those on videos that did not choose, where every point has one.

    Else they are all those on the videos that chose: scores of different videos are never drawn on one axis.
    """
    points, singles = frontier["points"], frontier.get("singles", ())
    # Tuning scores are of the whole pool where all of it chose; weighted ones are no scores of the models as such.
    split = frontier.get("split") or {}
    whole = split.get("tune_share", 0.5) is None and not any((frontier.get("weighting") or {}).values())
    reported = all(point["held_out_score"] is not None for point in (*points, *singles))
    return DrawnFrontier(
        tuple(_frontier_point(point, reported=reported, whole=whole) for point in points),
        tuple(_frontier_point(point, reported=reported, whole=whole) for point in singles),
        frontier.get("metric", "gap@20"),
        f"{items} that did not choose" if reported else f"{items} that chose",
    )


def _frontier_point(point: Mapping[str, Any], *, reported: bool, whole: bool) -> FrontierPoint:
    return FrontierPoint(
        budget_bytes=point["budget_bytes"],
        total_bytes=sum(member["size_bytes"] for member in point["members"]) - point.get("shared_bytes", 0),
        gap=point["held_out_score"] if reported else point["tuning_score"],
        members=tuple(member["name"] for member in point["members"]),
        everywhere=point["tuning_score"] if whole else None,
    )


def trial_record(trial: TrialState) -> TrialRecord:
    """One trial. An interrupted one counts as pending: it goes on when the sweep does."""
    record, gain = trial.record, trial.ensemble_gain
    status: Status = "pending" if trial.status == "interrupted" else trial.status
    return TrialRecord(
        name=trial.plan.name,
        status=status,
        family=trial.plan.family,
        hyperparameters=trial.point.settings,
        parameters=trial.plan.parameters,
        size_bytes=trial.plan.size_bytes if record is None else record.size_bytes,
        flops=None if record is None else record.flops,
        latency_ms=None if record is None else record.latency_ms,
        gap=None if record is None else record.gap,
        gap_single=None if record is None else record.gap_single,
        gap_averaged=None if record is None else record.gap_averaged,
        averaging_range=None if record is None else record.averaging_range,
        videos_per_second=trial.latest("videos_per_second") if record is None else record.videos_per_second,
        reason=as_told(trial.reason or ""),
        curve=tuple(_curve_point(row) for row in trial.curve),
        ensemble_gain=None if gain is None else gain.gain,
        ensemble_gain_per_mib=None if gain is None else gain.gain_per_mib,
    )


def inferior_trials(trials: Sequence[TrialState], precision: str, shown: _PoolScores | None = None) -> dict[str, str]:
    """For each trial that the paper's filter drops, by GAP or by what is shown, the one that dominates it."""
    scores = {trial.plan.name: trial.record.gap for trial in trials if trial.record is not None}
    if shown is not None:
        scores = {name: shown.by_name[name] for name in scores if name in shown.by_name}
    return inferior_candidates({trial.plan.name: trial.plan.size_bytes for trial in trials}, scores, precision)


def inferior_candidates(
    sizes: Mapping[str, Mapping[str, int]], scores: Mapping[str, float], precision: str
) -> dict[str, str]:
    """For each model that has a score and is dropped by the paper's filter, the one that dominates it."""
    return dominated({name: size_at(name, sizes[name], precision) for name in scores}, scores)


def _curve_point(row: CurveRow) -> CurvePoint:
    return CurvePoint(int(row["step"] or 0), row.get("loss"), row.get("gap"), row.get("learning_rate"))


def _data_facts(state: RunState, files: RunFiles | None) -> DataFacts:
    videos = [trial.record.videos for trial in state.done if trial.record is not None]
    return DataFacts(
        kind=state.grid.data.kind,
        classes=state.grid.data.classes,
        train_files=None if files is None else len(files.train),
        held_out_files=None if files is None else len(files.holdout),
        held_out_videos=videos[0] if videos else None,
        items=state.grid.data.task.items,
    )


def _data_fault(found: DataFaults) -> DataFault:
    summary = found.summary
    return DataFault(
        kind=found.kind,
        trials=found.trials,
        records=dict(summary.get("faulty") or {}),
        share=float(summary.get("share") or 0.0),
        lost_records=int(summary.get("lost_records") or 0),
        damaged_files=dict(summary.get("damaged_files") or {}),
        examples=tuple(summary.get("examples") or ()),
    )


def _environment(state: RunState) -> dict[str, str]:
    """What the trials were trained with, where one says so, and on which hosts if on several; else what is here."""
    hosts = {"hosts": ", ".join(state.hosts)} if len(state.hosts) > 1 else {}
    for trial in state.trials:
        if trial.record is not None and trial.record.environment:
            return {**trial.record.environment, **hosts}
    return versions()


def _seed_points(state: RunState) -> tuple[SeedPoint, ...]:
    """Mean and spread of each point of a run whose seeds vary."""
    spreads = seed_spreads(state.grid, [trial.record for trial in state.done if trial.record is not None])
    return tuple(SeedPoint(spread.name, spread.gaps, spread.mean, spread.deviation) for spread in spreads)
