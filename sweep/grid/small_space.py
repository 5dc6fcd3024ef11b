"""The points of a sampler's space, where there are so few that a run may come to have tried them all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.sweep.grid.conditions import conditional_product
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.points import trial_point
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import Distribution, Sampler

MOST_POINTS = 10_000
"""Spaces with more points are taken to have enough of them for any sampler."""


def space_points(sampler: Sampler) -> Iterator[dict[str, Any]] | None:
    """Every point of a space; None where it has more than `MOST_POINTS`, or a range of numbers without a step."""
    axes = {key: _values(space) for key, space in sampler.space.items()}
    counted = {key: values for key, values in axes.items() if values is not None}
    if len(counted) < len(axes):
        return None
    points = list(itertools.islice(conditional_product(sampler.space, counted.__getitem__), MOST_POINTS + 1))
    return None if len(points) > MOST_POINTS else iter(points)


def reachable_trials(grid: Grid) -> int:
    """How many trials a sampler can come to: its number, or the points that can be trained where these are fewer.

    A point cannot be trained when its family has no such model, or when the budget rules it out.
    """
    sampler = grid.search.sampler
    if sampler is None:
        raise ValueError("expected a grid with a sampler")
    points = space_points(sampler)
    if points is None:
        return sampler.trials
    names: set[str] = set()
    for axes in points:
        try:
            plan = planned(grid, trial_point(grid, axes))
        except InputError:
            continue
        if plan.status != "skipped":
            names.add(plan.name)
        if len(names) >= sampler.trials:
            break
    return len(names)


def small_space(grid: Grid) -> str | None:
    """That a sampler's space has fewer points than it is to draw, in a sentence; None where it has enough."""
    sampler = grid.search.sampler
    count = None if sampler is None else reachable_trials(grid)
    if sampler is None or count is None or count >= sampler.trials:
        return None
    points = "1 point that can be trained" if count == 1 else f"{count} points that can be trained"
    return f"The sampler's space has {points}, fewer than its {sampler.trials} trials: with these the run is complete."


def _values(space: Distribution) -> Sequence[Any] | None:
    """All values of an axis; None where there is no end of them."""
    if space.choices is not None:
        return space.choices
    assert space.low is not None and space.high is not None
    if space.is_integer:
        return range(int(space.low), int(space.high) + 1, int(space.step or 1))
    if space.step is None:
        return None
    steps = math.floor((space.high - space.low) / space.step + 1e-8)
    return [space.low + place * space.step for place in range(min(steps, MOST_POINTS) + 1)]
