"""What the model's family has against a grid: unknown, missing and out-of-range hyperparameters, each in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gapsack.models import precisions, registry, sizes
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter
from gapsack.models.tasks import Task
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.axes_problems import PRECISIONS_KEY, axes_problems, precision_problem, repeated
from gapsack.sweep.grid.points import TrialPoint, axis_points, located_points, trial_points
from gapsack.sweep.grid.problems import Problem, suggestion
from gapsack.sweep.grid.schema import DATA, FAMILY, Grid, Model, Training
from gapsack.sweep.grid.searching import Distribution, Search
from gapsack.sweep.grid.section import KEEP_VARIABLES, Section
from gapsack.sweep.grid.training_axes import is_training, point_problems
from gapsack.sweep.grid.video_data import Data
from gapsack.sweep.grid.yaml12 import Location, dotted

S = TypeVar("S", bound=Section)

ANY_TASK = YouTube8M("frame")
"""Stands in where the data section is wrong: the names of its dimensions are what matters."""


def family_problems(content: Any) -> list[Problem]:
    """All problems of a file's hyperparameters.

    Sections that are themselves wrong are left out: their errors come from the schema.
    """
    if not isinstance(content, dict):
        return []
    problems = list(_precision_problems(content.get("budget")))
    problems += _training_problems(_section(content, "training", Training))
    model = _section(content, "model", Model)
    return problems if model is None else [*problems, *_model_problems(content, model)]


def located_options(content: Any, folder: Path) -> Any:
    """The file's content with the places that its model's options name made absolute, from the file's folder.

    What is wrong with a family or its options is left for `family_problems` to tell.
    """
    model = _section(content, "model", Model) if isinstance(content, dict) else None
    if model is None:
        return content
    located = {name: _located(name, model.options_of(name), folder) for name in model.names}
    section = {"families": located} if model.families else {**content["model"], "options": located[model.names[0]]}
    return {**content, "model": section} if located != {name: model.options_of(name) for name in located} else content


def _located(name: str, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        family = registry.family(name)
        return options if family.located is None else family.located(options, folder)
    except InputError:
        return options


def _model_problems(content: dict[str, Any], model: Model) -> list[Problem]:
    data = _data(content)
    known: dict[str, _Known] = {}
    problems: list[Problem] = []
    for name in model.names:
        found = _known(name, model, ANY_TASK if data is None else data.task)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            known[name] = found
    if problems:
        return problems
    problems = [problem for each in known.values() for problem in _options(each)]
    search = _section(content, "search", Search)
    if search is None:
        return problems
    problems += _varied(model, known, search)
    training = _section(content, "training", Training)
    problems += axes_problems(search, training or Training())
    if data is None or training is None or problems:
        return problems
    try:
        grid = Grid(name="checked", data=data, model=model, search=search, training=training)
    except ValidationError:  # the schema's own errors tell it
        return problems
    return list(_points(grid))


def _known(name: str, model: Model, task: Task) -> _Known | Problem:
    """A family's hyperparameters, or what is wrong with it."""
    where: Location = ("model", "families", name) if model.families else ("model", "family")
    options: Location = ("model", "families", name) if model.families else ("model", "options")
    try:
        family = registry.family(name)
    except InputError as error:
        return Problem(where, str(error))
    if task.name not in family.tasks:
        tasks = ", ".join(family.tasks)
        return Problem(where, f"expected a family for data of {task.name}, got {family.name}, which is for {tasks}")
    given = model.options_of(name)
    try:
        return _Known(family, family.parameters(given), frozenset(task.dimensions), given, options)
    except InputError as error:
        return Problem(options, str(error))


@dataclass(frozen=True)
class _Known:
    """A family's hyperparameters.

    Attributes:
        family: Which family.
        parameters: All of them by name, given the options of the model.
        from_data: Names that are the data section's to say.
        options: Of all its trials.
        place: Of those in the file.
    """

    family: Family
    parameters: Mapping[str, Hyperparameter]
    from_data: frozenset[str]
    options: Mapping[str, Any]
    place: Location


def _section(content: dict[str, Any], key: str, kind: type[S]) -> S | None:
    try:
        # The schema tells of variables that are not set; they say nothing about the model.
        return kind.model_validate(content.get(key, {}), context={KEEP_VARIABLES: True})
    except ValidationError:
        return None


def _data(content: dict[str, Any]) -> Data | ArrayData | None:
    try:
        return DATA.validate_python(content.get("data"), context={KEEP_VARIABLES: True})
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
        if problem := precision_problem(name):
            yield Problem(("training", "precisions", index), problem)


def _options(known: _Known) -> Iterator[Problem]:
    for key, value in known.options.items():
        yield from _value(known, key, value, (*known.place, key))


def _varied(model: Model, knowns: Mapping[str, _Known], search: Search) -> Iterator[Problem]:
    """Problems of each hyperparameter that varies and of each of its values, and of required ones that a trial lacks.

    Where a trial's family is wrong or missing, the schema tells.
    """

    def families(given: Sequence[object]) -> list[_Known]:
        names = map(str, given) if model.families else iter(model.names)
        return [knowns[name] for name in names if name in knowns]

    def own(axes: Mapping[str, Any]) -> list[str]:
        return [key for key in axes if not is_training(key) and not (model.families and key == FAMILY)]

    for number, product in enumerate(search.products):
        place: Location = ("search", "grid", number) if isinstance(search.grid, tuple) else ("search", "grid")
        for known in families(product.get(FAMILY, ())):
            yield from _keys(known, own(product), place)
            for key in own(product):
                yield from _values(known, key, product[key], (*place, key))
    for index, point in enumerate(search.points):
        for known in families([point.get(FAMILY)]):
            place = ("search", "points", index)
            yield from _keys(known, own(point), place)
            for key in own(point):
                yield from _value(known, key, point[key], (*place, key))
    if search.sampler is not None:
        space = search.sampler.space
        for known in families((FAMILY in space and space[FAMILY].choices) or ()):
            keys = [key for key in own(space) if known.family.name in space[key].when.get(FAMILY, [known.family.name])]
            yield from _keys(known, keys, ("search", "sampler", "space"))
            for key in keys:
                yield from _space(known, key, space[key], ("search", "sampler", "space", key))


def _keys(known: _Known, keys: list[str], location: Location) -> Iterator[Problem]:
    """Problems of a set of varied keys: those that are no trial's own, and required ones that lack."""
    told = dotted(known.place)
    for key in keys:
        parameter = known.parameters.get(key)
        if key in known.options:
            yield Problem((*location, key), f"expected {key} either here or in {told}, got both")
        elif parameter is not None and not parameter.varies:
            yield Problem((*location, key), f"expected {key} in {told}, since all trials share it")
    for parameter in known.parameters.values():
        if parameter.default is None and parameter.name not in {*keys, *known.options, *known.from_data}:
            yield Problem(location, f"expected a value for {parameter.name} ({parameter.description}), got none")


def _space(known: _Known, key: str, space: Distribution, location: Location) -> Iterator[Problem]:
    if space.choices is not None:
        yield from _values(known, key, space.choices, (*location, "choices"))
        return
    unknown = list(_value(known, key, space.low, location))
    yield from unknown
    if not unknown:
        yield from _value(known, key, space.high, (*location, "high"))
        parameter = known.parameters.get(key)
        if parameter is not None and parameter.integer and not space.is_integer:
            yield Problem(location, f"expected whole numbers for {key}, got step {space.step}")


def _values(known: _Known, key: str, values: tuple[Any, ...], location: Location) -> Iterator[Problem]:
    """Problems of a key that has several values: one for an unknown key, one for each bad value."""
    if key not in known.parameters or key in known.from_data:
        yield from _value(known, key, values[0], location)
        return
    for index, value in enumerate(values):
        yield from _value(known, key, value, (*location, index))
    yield from repeated(values, location)


def _value(known: _Known, key: str, value: object, location: Location) -> Iterator[Problem]:
    parameter = known.parameters.get(key)
    if key in known.from_data:
        yield Problem(location, f"expected {key} in the data section, which all trials share")
    elif parameter is None:
        names = [name for name in known.parameters if name not in known.from_data]
        yield Problem(location, f"unknown hyperparameter of {known.family.name}{suggestion(key, names)}")
    elif problem := parameter.problem(value):
        yield Problem(location, problem)


def _points(grid: Grid) -> Iterator[Problem]:
    """Problems that only whole points show: repeated trials, and values that do not go together."""
    wrong = [
        Problem(location, sentence)
        for location, axes in axis_points(grid)
        for sentence in point_problems(grid.training, axes)
    ]
    yield from wrong
    if wrong:
        return
    try:
        trial_points(grid)
    except ConfigError as error:
        yield Problem(("search",), str(error))
    for location, point in located_points(grid):
        family = registry.family(point.family)
        try:
            complete = family.validate(point.hyperparameters)
            family.tensors(complete)
        except InputError as error:
            yield Problem(location, str(error))
            continue
        yield from _mixed_precisions(family, complete, point, location)


def _mixed_precisions(
    family: Family, hyperparameters: Mapping[str, Any], point: TrialPoint, location: Location
) -> Iterator[Problem]:
    """Mixed precisions that have not a letter for each group of the model's tensors."""
    varied = PRECISIONS_KEY in point.axes
    for index, name in enumerate(point.training.precisions):
        if name.startswith("mixed_"):
            try:
                precisions.precision(name, family.tensors(hyperparameters))
            except InputError as error:
                yield Problem(location if varied else ("training", "precisions", index), str(error))
