"""What a run's search varied, and what came of it, as Optuna shows it.

Importing this module imports Optuna.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from gapsack.dashboards.records import SearchRecords, SweepRecords
from gapsack.sweep.cluster.optuna_space import distribution
from gapsack.sweep.grid.searching import Distribution
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.status import RunState

FEWEST_TRIALS = 10
"""Of which importances say something."""

MOST_AXES = 8
"""That have a slice."""

MAGNITUDES = 20.0
"""From the smallest to the largest of listed numbers: from there on they are drawn by magnitude."""


def with_search(records: SweepRecords, state: RunState) -> SweepRecords:
    """A report's records with what the run's search varied."""
    return replace(records, search=search_records(state))


def search_records(state: RunState) -> SearchRecords | None:
    """The search of a run, listed or sampled, as Optuna's functions show it.

    Importances are PED-ANOVA's (Watanabe, Bansal and Hutter 2023, arXiv 2304.10255). None of fewer than two trials, or
    where nothing varies.
    """
    results = sorted((trial.record for trial in state.done if trial.record), key=lambda each: each.finished)
    axes = _axes(results)
    if len(results) < 2 or not axes:
        return None
    study = _study(results, axes)
    importances: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some values have few trials, which the caption says
        if len(results) >= FEWEST_TRIALS and len(axes) > 1:
            importances = optuna.importance.get_param_importances(study)
        shown = tuple(importances or axes)[:MOST_AXES]
        history = optuna.visualization.plot_optimization_history(study, target_name="GAP@20")
        slices = optuna.visualization.plot_slice(study, params=list(shown), target_name="GAP@20")
    return SearchRecords(
        tuple(result.name for result in results),
        importances,
        json.loads(history.to_json()),
        json.loads(slices.to_json()),
        tuple(sorted(shown)),
    )


def _axes(results: Sequence[TrialResult]) -> dict[str, list[Any]]:
    """The values that trials have on each axis with more than one."""
    tried: dict[str, list[Any]] = {}
    for result in results:
        for key, value in result.axes.items():
            tried.setdefault(key, []).append(value)
    return {key: values for key, values in tried.items() if len(set(map(repr, values))) > 1}


def _study(results: Sequence[TrialResult], axes: Mapping[str, Sequence[Any]]) -> optuna.Study:
    """The trials as a study in memory, of GAP alone, to be large."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    distributions = {key: _distribution(values) for key, values in axes.items()}
    for result in results:
        own = {key: value for key, value in result.axes.items() if key in distributions}
        study.add_trial(
            optuna.trial.create_trial(
                params=own, distributions={key: distributions[key] for key in own}, values=[result.gap]
            )
        )
    return study


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """What the values of an axis lie in."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return distribution(Distribution(choices=tuple(sorted(set(values), key=repr))))
    low, high = min(values), max(values)
    whole = all(isinstance(value, int) for value in values)
    log = low > 0 and high / low > MAGNITUDES
    ends: Mapping[str, Any] = {"low": low, "high": high} if whole else {"low": float(low), "high": float(high)}
    return distribution(Distribution(**ends, log=log))
