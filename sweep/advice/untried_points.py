"""The points of a run's search that nobody has trained: those listed, or draws from a sampler's space."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from gapsack.selection.errors import InputError
from gapsack.sweep.advice.predicted_models import ModelPoint
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.points import TrialPoint, trial_point
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import Distribution, Sampler
from gapsack.sweep.grid.small_space import space_points
from gapsack.sweep.runs.status import RunState

MOST_DRAWN = 512
"""Points of a space that are looked at: all, where there are no more; so many at random otherwise."""


def untried_points(state: RunState) -> list[ModelPoint]:
    """What could be trained of a run's search and is neither done nor running nor ruled out by the budget."""
    if state.grid.search.sampler is None:
        waiting = [trial.point for trial in state.waiting if trial.status != "running"]
        return [model_point(state.grid, point) for point in waiting]
    begun = [trial.point.name for trial in state.trials if trial.status in ("done", "running")]
    return drawn_points(state.grid, state.grid.search.sampler, without=begun)


def drawn_points(grid: Grid, sampler: Sampler, *, without: Collection[str] = (), seed: int = 0) -> list[ModelPoint]:
    """Points of a sampler's space that can be trained, each once.

    Args:
        grid: the resolved grid.
        sampler: its sampler.
        without: names of trials that are left out.
        seed: of the draw, from a space of more than `MOST_DRAWN` points.
    """
    rng = np.random.default_rng(seed)
    every = space_points(sampler)
    listed = None if every is None else list(every)
    if listed is None:
        points: Iterator[Mapping[str, Any]] = (_drawn(sampler, rng) for _ in range(MOST_DRAWN))
    else:
        order = range(len(listed)) if len(listed) <= MOST_DRAWN else np.sort(rng.permutation(len(listed))[:MOST_DRAWN])
        points = (listed[place] for place in order)
    found: dict[str, ModelPoint] = {}
    for axes in points:
        try:
            point = trial_point(grid, axes)
            if point.name not in without and planned(grid, point).status != "skipped":
                found[point.name] = model_point(grid, point)
        except InputError:
            continue  # its family has no such model
    return list(found.values())


def model_point(grid: Grid, point: TrialPoint) -> ModelPoint:
    """A trial's model by what is known before it is trained."""
    return ModelPoint(point.name, point.family, point.axes, planned(grid, point).size_bytes)


def _drawn(sampler: Sampler, rng: np.random.Generator) -> dict[str, Any]:
    """A point at random, with the axes that apply to it."""
    axes: dict[str, Any] = {}
    for key, space in sampler.space.items():
        if space.applies(axes):
            axes[key] = _value(space, rng)
    return axes


def _value(space: Distribution, rng: np.random.Generator) -> Any:
    if space.choices is not None:
        return space.choices[int(rng.integers(len(space.choices)))]
    assert space.low is not None
    assert space.high is not None
    low, high = float(space.low), float(space.high)
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if space.log else rng.uniform(low, high)
    if space.is_integer or space.step is not None:
        step = float(space.step or 1)
        value = min(low + step * round((value - low) / step), high)
    return int(value) if space.is_integer else value
