"""From a grid's search to named trial points."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.models import registry
from gapsack.models.family import Family
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.yaml12 import Location, dotted

LONGEST_NAME = 100
"""Characters of a trial's name, which becomes a file name with more behind it."""


@dataclass(frozen=True)
class TrialPoint:
    """One trial of a sweep: a name that serves as file name, and all that its model is built from."""

    name: str
    family: str
    axes: dict[str, Any]
    """The hyperparameters that the search varies."""
    hyperparameters: dict[str, Any]
    """All of them: the axes, the grid's fixed options, and the data's shape."""


def axis_points(grid: Grid) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Each point of the search as (place in the file, axes): the product of the grid's axes, then the listed points."""
    axes = grid.search.grid
    if axes:
        for values in itertools.product(*axes.values()):
            yield ("search", "grid"), dict(zip(axes, values, strict=True))
    for index, point in enumerate(grid.search.points):
        yield ("search", "points", index), dict(point)


def trial_point(grid: Grid, axes: Mapping[str, Any]) -> TrialPoint:
    """The trial at `axes`; also for what a sampler proposes."""
    hyperparameters = grid.hyperparameters(axes)
    family = registry.family(grid.model.family)
    return TrialPoint(trial_name(family, axes, hyperparameters), family.name, dict(axes), hyperparameters)


def trial_points(grid: Grid) -> list[TrialPoint]:
    """All trials of a grid, in the order written; none where a sampler proposes them as the run goes.

    Raises:
        ConfigError: two points are the same trial, or come to the same name.
    """
    seen: dict[str, Location] = {}
    points = []
    for location, axes in axis_points(grid):
        point = trial_point(grid, axes)
        if point.name in seen:
            where = f"{dotted(location)}, first in {dotted(seen[point.name])}"
            raise ConfigError(f"expected each trial once, got {point.name} again ({where})")
        seen[point.name] = location
        points.append(point)
    return points


def trial_name(family: Family, axes: Mapping[str, Any], hyperparameters: Mapping[str, Any]) -> str:
    """A file name from the varied hyperparameters, such as `K16-H512` or `K16-H512-mixtures2`.

    Those with a letter in the family are named whether they vary or not, since they make the size; a trial in which
    nothing varies and nothing has a letter is called by its family. What would be too long ends in a digest of it all.
    """
    letters = family.short_names
    parts = [f"{letter}{_text(hyperparameters[key])}" for key, letter in letters.items() if key in hyperparameters]
    parts += [f"{key}{_text(value)}" for key, value in axes.items() if key not in letters]
    name = "-".join(parts) or family.name
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(repr(sorted(axes.items())).encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - len(digest) - 1]}-{digest}"


def _text(value: object) -> str:
    """A value as part of a file name."""
    text = format(value, "g") if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)
