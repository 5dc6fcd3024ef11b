"""Which hyperparameters a sweep varies, and their values in a sensible order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gapsack.dashboards.records import TrialRecord
from gapsack.dashboards.units import finite


def varied(trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Names of the hyperparameters with more than one value, in the order in which trials list them."""
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    return tuple(name for name in names if len(distinct(trial.hyperparameters.get(name) for trial in trials)) > 1)


def distinct(values: Iterable[Any]) -> list[Any]:
    """Distinct values without None and descriptions (of a task): numbers by size, everything else by its text."""
    seen = dict.fromkeys(value for value in values if value is not None and not isinstance(value, Mapping))
    if all(finite(value) is not None for value in seen):
        return sorted(seen)
    return sorted(seen, key=str)


def value_text(value: Any) -> str:
    """A value on an axis or in a table: four figures of a fraction, text as it is."""
    number = finite(value)
    return str(value) if number is None or isinstance(value, int) else f"{number:.4g}"
