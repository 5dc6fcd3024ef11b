"""The axes of a space as Optuna has them.

Importing this module imports Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gapsack.sweep.grid.searching import Distribution


def distribution(space: Distribution) -> BaseDistribution:
    """An axis as Optuna has it."""
    if space.choices is not None:
        return CategoricalDistribution(space.choices)
    assert space.low is not None and space.high is not None
    if space.is_integer:
        return IntDistribution(int(space.low), int(space.high), step=int(space.step or 1), log=space.log)
    return FloatDistribution(space.low, space.high, step=space.step, log=space.log)


def suggested(trial: optuna.Trial, space: Mapping[str, Distribution]) -> dict[str, Any]:
    """The axes that a trial of a study suggests: those that it has, one after the other."""
    axes: dict[str, Any] = {}
    for key, axis in space.items():
        if axis.applies(axes):
            axes[key] = _suggested(trial, key, axis)
    return axes


def _suggested(trial: optuna.Trial, key: str, space: Distribution) -> Any:
    if space.choices is not None:
        return trial.suggest_categorical(key, space.choices)
    assert space.low is not None and space.high is not None
    if space.is_integer:
        return trial.suggest_int(key, int(space.low), int(space.high), step=int(space.step or 1), log=space.log)
    return trial.suggest_float(key, space.low, space.high, step=space.step, log=space.log)
