"""What a store ought to have of a trial, by the files of the run folder: all that is sent, whenever it is sent."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gapsack.selection.files import read_json
from gapsack.selection.units import mib
from gapsack.sweep.grid.flat import flat
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.training_axes import is_training, training_at, training_axes
from gapsack.sweep.runs.curve import COLUMNS, curve_rows
from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.folder import TrialFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.tracking.store import MetricPoint, RunOutcome, TrainedModel, UsedData, metric_points

RECORD_METRICS = (
    "gap",
    "gap_single",
    "gap_averaged",
    "parameters",
    "flops",
    "latency_ms",
    "videos_per_second",
    "data_wait_share",
    "fit_seconds",
)
"""Numbers of a trial's record that are metrics of its run."""

CURVE_METRICS = tuple(column for column in COLUMNS if column not in ("step", "seconds"))
"""Columns of a trial's curve that are metrics of its run, by step."""

DATA_ROLES: dict[str, Literal["training", "evaluation"]] = {"train": "training", "holdout": "evaluation"}
"""Kinds of data files in a record, and what a run has them for."""

REASON_TAG = "gapsack.reason"
STOPPED_TAG = "gapsack.stopped_early"
SENT_TAG = "gapsack.sent"
"""Set last, when a store has all of a trial: the digest of the files that it was taken from."""


@dataclass(frozen=True)
class TrialContent:
    """All there is to send of a trial that does not run.

    Attributes:
        outcome: How its run ends.
        params: Hyperparameters and training.
        curve: Its metrics by step.
        tags: What it takes to repeat it; why it failed.
        files: To be copied, those that are there.
        data: That it was trained and measured on.
        model: What came of it, with the record's figures at the last step: there they count, whatever the curve has.
        started_milliseconds: As far as the files tell; None otherwise.
        ended_milliseconds: The same.
    """

    outcome: RunOutcome
    params: dict[str, Any]
    curve: tuple[MetricPoint, ...]
    tags: dict[str, str]
    files: tuple[Path, ...]
    data: tuple[UsedData, ...] = ()
    model: TrainedModel | None = None
    started_milliseconds: int | None = None
    ended_milliseconds: int | None = None


def trial_content(
    trial: TrialFolder,
    grid: Grid,
    *,
    record: TrialResult | None = None,
    reason: str | None = None,
    files: Iterable[Path] | None = None,
) -> TrialContent:
    """What the files of a trial say; whoever knows its record or why it failed already may give them.

    Raises:
        InputError: a file is damaged.
    """
    record = trial.result() if record is None and reason is None else record
    reason = trial.failure_reason() if record is None and reason is None else reason
    stopped = None if record is not None or reason is not None else trial.stopped_early()
    ended = _written_milliseconds(trial.record, trial.failure, trial.stopped, trial.curve)
    seconds = None if record is None else record.fit_seconds
    settings = _settings(trial) if record is None else {**record.hyperparameters, **training_axes(record.axes)}
    outcome = (trial.record, trial.gain, trial.stopped, trial.rungs)
    listed = (trial.config_file, trial.curve, *outcome) if files is None else files
    gained = () if record is None else tuple(gain_points(trial, record))
    model = None if record is None else record_model(record, trial)
    taken = set() if model is None else {point.place for point in model.figures}
    return TrialContent(
        outcome="FINISHED" if record is not None else "KILLED" if reason is None else "FAILED",
        params=trial_params(grid, settings, None if record is None else record.family),
        curve=(*(point for point in curve_points(trial.curve) if point.place not in taken), *gained),
        tags={
            **({} if record is None else record_tags(record)),
            **({} if reason is None else {REASON_TAG: as_told(reason)}),
            **({} if stopped is None else {STOPPED_TAG: stopped.reason}),
        },
        files=tuple(path for path in listed if path.exists()),
        data=() if record is None else record_data(record),
        model=model,
        started_milliseconds=None if ended is None or seconds is None else ended - int(1000 * seconds),
        ended_milliseconds=ended,
    )


def digest(trial: TrialFolder) -> str:
    """Of the files that a trial's content is taken from; another one when any of them has changed."""
    found = hashlib.sha256()
    for path in _sources(trial):
        content = path.read_bytes() if path.exists() else b""
        found.update(f"{path.name} {len(content)} ".encode() + content)
    return found.hexdigest()[:16]


def is_begun(trial: TrialFolder) -> bool:
    """Whether there is anything to tell of a trial."""
    return any(path.exists() for path in _sources(trial))


def expected_outcome(trial: TrialFolder) -> RunOutcome:
    """How the run of a trial that does not run ends, by the files that there are."""
    status = trial.status(run_alive=False)
    return "FINISHED" if status == "done" else "FAILED" if status == "failed" else "KILLED"


def curve_points(path: Path) -> list[MetricPoint]:
    """The rows of a curve as points, measured when the curve's seconds say; what is not finite is left out."""
    rows = curve_rows(path)
    if not rows:
        return []
    ended, last = path.stat().st_mtime, rows[-1].get("seconds") or 0.0
    found = []
    for row in rows:
        at = int(1000 * (ended - last + (row.get("seconds") or 0.0)))
        values = {key: row[key] for key in CURVE_METRICS if row.get(key) is not None}
        finite = {key: value for key, value in values.items() if value is not None and math.isfinite(value)}
        found += metric_points(finite, step=int(row["step"] or 0), milliseconds=at)
    return found


def gain_points(trial: TrialFolder, record: TrialResult | None = None) -> list[MetricPoint]:
    """What a trial adds to the ensemble, at its last step; nothing where that is not known (yet)."""
    gain, record = EnsembleGain.of(trial), record or trial.result()
    if gain is None or record is None:
        return []
    figures = {"ensemble_gain": gain.gain, "ensemble_gain_per_mib": gain.gain_per_mib}
    return metric_points(figures, step=record.steps)


def trial_params(grid: Grid, settings: Mapping[str, Any], family: str | None = None) -> dict[str, Any]:
    """The parameters of a trial's run, from its `TrialPoint.settings`: the model's, and all of its training's.

    Its `family` need not be given where all trials have the same.
    """
    told = family or grid.model.family
    own = {key: value for key, value in settings.items() if not is_training(key)}
    return {**({} if told is None else {"family": told}), **own, **training_params(grid, settings)}


def training_params(grid: Grid, axes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The training section as the trial at `axes` has it, as parameters `training.steps`, …"""
    section = training_at(grid.training, axes or {}).model_dump(mode="json", by_alias=True)
    if section["start_from"] is not None:  # what each trial begins with, its record tells
        del section["start_from"]["sources"]
    return flat(section, "training")


def record_metrics(record: TrialResult) -> dict[str, float]:
    """The metrics that a trial's record holds: scores, speed, parameters, and size and GAP of each precision."""
    numbers = {key: value for key in RECORD_METRICS if (value := getattr(record, key)) is not None}
    sizes = {f"size_mib_{precision}": mib(size) for precision, size in record.size_bytes.items()}
    gaps = {f"gap_{precision}": gap for precision, gap in record.gap_by_precision.items()}
    return {key: float(value) for key, value in {**numbers, **sizes, **gaps}.items()}


def record_data(record: TrialResult) -> tuple[UsedData, ...]:
    """The data files of a trial: name and digest of each kind, where the record has them."""
    found = []
    for kind, role in DATA_ROLES.items():
        summary = record.data.get(kind, {})
        value = summary.get("crc32c") or summary.get("list_crc32c")
        if value is not None:
            found.append(UsedData(kind, role, str(value), summary))
    return tuple(found)


def record_model(record: TrialResult, trial: TrialFolder) -> TrainedModel:
    """What a trial made, with the way from the run's folder to its weights."""
    place = trial.weights.relative_to(trial.path.parents[1])
    params = {"family": record.family, **record.hyperparameters}
    tags = {"gapsack.weights": str(place), "gapsack.precisions": ", ".join(record.size_bytes)}
    figures = metric_points(record_metrics(record), step=record.steps)
    return TrainedModel(record.name, record.family, params, tags, tuple(figures))


def record_tags(record: TrialResult) -> dict[str, str]:
    """What it takes to repeat a trial: versions, machine and device, and the data files' checksums."""
    tags = {f"env.{key}": value for key, value in record.environment.items()}
    if record.host:
        tags["env.host"] = record.host
    for kind in ("train", "holdout"):
        summary = record.data.get(kind, {})
        tags.update({f"data.{kind}.{key}": str(value) for key, value in summary.items()})
    return tags


def _sources(trial: TrialFolder) -> tuple[Path, ...]:
    # Trials of earlier versions have none of these, and are as they were.
    later = (path for path in (trial.gain, trial.stopped, trial.rungs) if path.exists())
    return trial.config_file, trial.curve, trial.failure, trial.record, *later


def _settings(trial: TrialFolder) -> dict[str, Any]:
    """`TrialPoint.settings` of a trial that was begun."""
    if not trial.config_file.exists():
        return {}
    config = read_json(trial.config_file)
    point = config.get("point") if isinstance(config, dict) else None
    if not isinstance(point, dict):
        return {}
    return {**point.get("hyperparameters", {}), **training_axes(point.get("axes", {}))}


def _written_milliseconds(*paths: Path) -> int | None:
    """When the first of these files that is there was written."""
    return next((int(1000 * path.stat().st_mtime) for path in paths if path.exists()), None)
