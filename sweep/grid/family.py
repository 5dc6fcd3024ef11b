"""What the model's family has against a grid: unknown, missing and out-of-range hyperparameters, each in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from gapsack.models import precisions, registry, sizes
from gapsack.models.family import Family, Hyperparameter
from gapsack.selection.errors import ConfigError, InputError
from gapsack.sweep.grid.points import axis_points, trial_points
from gapsack.sweep.grid.problems import Problem, suggestion
from gapsack.sweep.grid.schema import (
    AUTO,
    DATA_KEYS,
    KEEP_VARIABLES,
    Data,
    Grid,
    Model,
    Search,
    Section,
    Space,
    Training,
)
from gapsack.sweep.grid.yaml12 import Location

S = TypeVar("S", bound=Section)


def family_problems(content: Any) -> list[Problem]:
    """All problems of a file's hyperparameters.

    Sections that are themselves wrong are left out: their errors come from the schema.
    """
    if not isinstance(content, dict):
        return []
    problems = list(_precision_problems(content.get("budget")))
    problems += _training_problems(_section(content, "training", Training))
    model = _section(content, "model", Model)
    if model is None:
        return problems
    try:
        family = registry.family(model.family)
    except InputError as error:
        return [*problems, Problem(("model", "family"), str(error))]
    problems += _options(family, model)
    search = _section(content, "search", Search)
    if search is None:
        return problems
    problems += _varied(family, model, search)
    data = _section(content, "data", Data)
    if data is None or problems:
        return problems
    return list(_points(family, Grid(name="checked", data=data, model=model, search=search)))


def _section(content: dict[str, Any], key: str, kind: type[S]) -> S | None:
    try:
        # The schema tells of variables that are not set; they say nothing about the model.
        return kind.model_validate(content.get(key, {}), context={KEEP_VARIABLES: True})
    except ValidationError:
        return None


def _precision_problems(budget: object) -> Iterator[Problem]:
    precision = budget.get("precision") if isinstance(budget, dict) else None
    if isinstance(precision, str) and precision not in sizes.PRECISIONS:
        expected = f"expected one of {', '.join(sizes.PRECISIONS)}"
        yield Problem(("budget", "precision"), f'{expected}, got "{precision}"')


def _training_problems(training: Training | None) -> Iterator[Problem]:
    if training is None:
        return
    for index, name in enumerate(training.precisions):
        try:
            _ = name == AUTO or precisions.precision(name)
        except InputError as error:
            yield Problem(("training", "precisions", index), f"{error}; or {AUTO}")


def _options(family: Family, model: Model) -> Iterator[Problem]:
    for key, value in model.options.items():
        yield from _value(family, key, value, ("model", "options", key))


def _varied(family: Family, model: Model, search: Search) -> Iterator[Problem]:
    """Problems of each varied key and each of its values, and of required keys that a point lacks."""
    for location, key in _varied_keys(search):
        if key in model.options:
            yield Problem(location, f"expected {key} either here or in model.options, got both")
    for key, values in search.grid.items():
        yield from _values(family, key, values, ("search", "grid", key))
    for index, point in enumerate(search.points):
        for key, value in point.items():
            yield from _value(family, key, value, ("search", "points", index, key))
    for key, space in ({} if search.sampler is None else search.sampler.space).items():
        yield from _space(family, key, space, ("search", "sampler", "space", key))
    for location, keys in _points_keys(search):
        for parameter in family.hyperparameters:
            if parameter.default is None and parameter.name not in {*keys, *model.options, *DATA_KEYS}:
                yield Problem(location, f"expected a value for {parameter.name} ({parameter.description}), got none")


def _varied_keys(search: Search) -> Iterator[tuple[Location, str]]:
    for location, keys in _points_keys(search):
        yield from (((*location, key), key) for key in keys)


def _points_keys(search: Search) -> Iterator[tuple[Location, list[str]]]:
    """Where sets of varied keys stand: the grid, each listed point, the sampler's space."""
    if search.grid:
        yield ("search", "grid"), list(search.grid)
    for index, point in enumerate(search.points):
        yield ("search", "points", index), list(point)
    if search.sampler is not None:
        yield ("search", "sampler", "space"), list(search.sampler.space)


def _space(family: Family, key: str, space: Space, location: Location) -> Iterator[Problem]:
    if space.choices is not None:
        yield from _values(family, key, space.choices, (*location, "choices"))
        return
    unknown = list(_value(family, key, space.low, location))
    yield from unknown
    if not unknown:
        yield from _value(family, key, space.high, (*location, "high"))
        parameter = _parameter(family, key)
        if parameter is not None and parameter.integer and not space.is_integer:
            yield Problem(location, f"expected whole numbers for {key}, got step {space.step}")


def _values(family: Family, key: str, values: tuple[Any, ...], location: Location) -> Iterator[Problem]:
    """Problems of a key that has several values: one for an unknown key, one for each bad value."""
    if _parameter(family, key) is None or key in DATA_KEYS:
        yield from _value(family, key, values[0], location)
        return
    for index, value in enumerate(values):
        yield from _value(family, key, value, (*location, index))
        if value in values[:index]:
            yield Problem((*location, index), f"expected each value once, got {value} again")


def _value(family: Family, key: str, value: object, location: Location) -> Iterator[Problem]:
    parameter = _parameter(family, key)
    if key in DATA_KEYS:
        yield Problem(location, f"expected {key} in the data section, which all trials share")
    elif parameter is None:
        known = [parameter.name for parameter in family.hyperparameters if parameter.name not in DATA_KEYS]
        yield Problem(location, f"unknown hyperparameter of {family.name}{suggestion(key, known)}")
    elif problem := parameter.problem(value):
        yield Problem(location, problem)


def _parameter(family: Family, key: str) -> Hyperparameter | None:
    return next((parameter for parameter in family.hyperparameters if parameter.name == key), None)


def _points(family: Family, grid: Grid) -> Iterator[Problem]:
    """Problems that only whole points show: repeated trials, and values that do not go together."""
    try:
        trial_points(grid)
    except ConfigError as error:
        yield Problem(("search",), str(error))
    for location, axes in axis_points(grid):
        try:
            family.validate(grid.hyperparameters(axes))
        except InputError as error:
            yield Problem(location, str(error))
