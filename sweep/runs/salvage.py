"""A record made anew of what lies around it, where record.json itself is damaged.

Hours of training hang on its weights, which are usually whole. What the trial was, its config says; what it came to is
measured again when it is published from them. What only the record knew, the averages that were tried and the machine,
is lost, and the new record is without it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat

from gapsack.models import sizes
from gapsack.selection.errors import InputError
from gapsack.selection.typed import read_typed
from gapsack.sweep.runs.curve import curve_rows
from gapsack.sweep.runs.folder import TrialFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec


class _Metrics(BaseModel):
    """What a candidate keeps of its trial's scores."""

    model_config = ConfigDict(frozen=True)

    gap: FiniteFloat = 0.0
    gap_single: FiniteFloat | None = None
    gap_averaged: FiniteFloat | None = None


class _Candidate(BaseModel):
    metrics: _Metrics = _Metrics()


def salvaged(trial: TrialFolder) -> TrialResult | None:
    """What can be told of a trial that was done; None where not even its config can be read."""
    try:
        config = read_typed(trial.config_file, dict[str, Any], what="what a trial was started with", advice="")
        spec = TrialSpec.from_dict(config)
        size_bytes = sizes.model_sizes(spec.point.family, spec.point.hyperparameters).size_bytes
    except (InputError, KeyError, TypeError, ValueError):  # of any kind of damage, and of a grid of another version
        return None
    metrics, rows = _metrics(trial), curve_rows(trial.curve)
    last = rows[-1] if rows else {}
    return TrialResult(
        name=trial.name,
        run=spec.run.name,
        family=spec.point.family,
        axes=spec.point.axes,
        hyperparameters=spec.point.hyperparameters,
        training=spec.grid.training.model_dump(mode="json"),
        started_from=spec.started_from,
        parameters=sizes.parameter_count(spec.point.family, spec.point.hyperparameters),
        size_bytes=size_bytes,
        gap=metrics.gap,
        gap_single=metrics.gap_single,
        gap_averaged=metrics.gap_averaged,
        steps=spec.grid.training.steps,
        videos_per_second=last.get("videos_per_second"),
        fit_seconds=last.get("seconds"),
        seeds={"training": spec.grid.training.seed},
        fingerprint=spec.fingerprint(),
    )


def _metrics(trial: TrialFolder) -> _Metrics:
    try:
        return read_typed(trial.candidate, _Candidate, what="a candidate of the pool", advice="").metrics
    except InputError:
        return _Metrics()
