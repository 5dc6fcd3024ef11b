"""What a grid would train: each trial's exact size by precision, and which trials the budget rules out.

Nothing is built and no data is read, so a plan of thousands of trials takes moments.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from gapsack.models import sizes
from gapsack.selection.errors import InputError
from gapsack.selection.units import MIB, mib
from gapsack.sweep.grid.conditions import conditional_product
from gapsack.sweep.grid.points import TrialPoint, trial_point, trial_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import Distribution, Sampler
from gapsack.sweep.grid.section import AxisValue
from gapsack.sweep.grid.training_axes import is_training

MAX_CORNERS = 4096
"""Corners of a sampler's space that are sized; beyond 12 two-valued axes a grid of corners stops being a plan."""


@dataclass(frozen=True)
class PlannedTrial:
    """One trial as planned.

    `reason` says why a trial is skipped. An "example" is no trial of the plan, but an end of a sampler's space. `axes`
    are what the search varies, settings of training by dotted key.
    """

    name: str
    family: str
    hyperparameters: dict[str, Any]
    parameters: int
    size_bytes: dict[str, int]
    status: Literal["planned", "skipped", "example"]
    reason: str | None
    axes: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `sweep plan --json` prints them."""
        return asdict(self)


def plan(grid: Grid) -> list[PlannedTrial]:
    """Every trial of the grid; for a sampler, which draws its trials later, the two ends of its space as examples."""
    if grid.search.sampler is None:
        return [planned(grid, point) for point in trial_points(grid)]
    return extremes([planned(grid, point) for point in corners(grid)], grid.budget.precision)


def planned(grid: Grid, point: TrialPoint) -> PlannedTrial:
    """One trial with its sizes, judged by the grid's budget."""
    found = sizes.model_sizes(point.family, point.hyperparameters)
    reason = skip_reason(grid, found.size_bytes)
    status: Literal["planned", "skipped"] = "planned" if reason is None else "skipped"
    return PlannedTrial(
        point.name, point.family, point.hyperparameters, found.parameters, found.size_bytes, status, reason, point.axes
    )


def skip_reason(grid: Grid, size_bytes: dict[str, int]) -> str | None:
    """Why a trial of these sizes is not trained, or None."""
    budget, sampler = grid.budget, grid.search.sampler
    size = size_bytes[budget.precision]
    if budget.skip and budget.size_bytes is not None and size > budget.size_bytes:
        return f"{mib(size):.2f} MiB in {budget.precision} can never fit the budget of {mib(budget.size_bytes):g} MiB"
    if sampler is not None and sampler.max_mib is not None and size > sampler.max_mib * MIB:
        return f"{mib(size):.2f} MiB in {budget.precision} are more than search.sampler.max_mib, {sampler.max_mib:g}"
    return None


def corners(grid: Grid) -> list[TrialPoint]:
    """The trials at the corners of the sampler's space: every combination of first and last values.

    Sizes grow with each hyperparameter that makes a model larger, so the smallest and the largest trial are here.
    """
    sampler = grid.search.sampler
    if sampler is None:
        return []
    ends = {key: _told_ends(sampler, key) for key in sampler.space}
    found, problem = [], None
    for axes in itertools.islice(conditional_product(sampler.space, ends.__getitem__), MAX_CORNERS):
        try:
            found.append(trial_point(grid, axes))
        except InputError as error:  # settings that do not go together: a sampler that draws them draws again
            problem = problem or error
    if not found and problem is not None:
        raise problem
    return found


def _told_ends(sampler: Sampler, key: str) -> Sequence[AxisValue]:
    """The ends of an axis; of one that no size depends on, the first; all choices where other axes depend on them."""
    space = sampler.space[key]
    if any(key in other.when for other in sampler.space.values()):
        return space.choices or _ends(space)
    return _ends(space)[:1] if is_training(key) else _ends(space)


def _ends(space: Distribution) -> Sequence[AxisValue]:
    """The values of one axis between which all others lie; all of them where they have no order."""
    if space.choices is None:
        assert space.low is not None
        assert space.high is not None
        return (space.low, space.high)
    numbers = [value for value in space.choices if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(space.choices):
        return space.choices
    return tuple(dict.fromkeys((min(numbers), max(numbers))))


def extremes(trials: Sequence[PlannedTrial], precision: str) -> list[PlannedTrial]:
    """The smallest and the largest trial, as examples of what lies between."""
    ordered = sorted(trials, key=lambda trial: trial.size_bytes[precision])
    ends = {"smallest": ordered[0], "largest": ordered[-1]}
    return [
        replace(trial, status="example", reason=f"the {which} that can be drawn" + _but(trial.reason))
        for which, trial in ends.items()
    ]


def _but(reason: str | None) -> str:
    return "" if reason is None else f"; {reason}, so it would be skipped"
