"""Settings of training as axes of a search: `training.learning_rate`, `training.pruning.sparsity`, …

An axis takes the place of the value in the training section, for its trial alone. This is the one place where a trial's
own settings are made of the grid's and of its axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.problems import Problem, schema_problems, section_in, suggestion
from gapsack.sweep.grid.schema import Training
from gapsack.sweep.grid.section import KEEP_VARIABLES
from gapsack.sweep.grid.yaml12 import dotted

SECTION = "training"
PREFIX = f"{SECTION}."
"""With which the key of such an axis begins."""

SEED = f"{PREFIX}seed"

SHARED = {
    "start_from": "all trials begin with what it says",
    "teacher.predictions": "a run has one teacher",
    "teacher.digest": "a run has one teacher",
    "predictions_top_k": "the candidates of one pool keep as many classes",
}
"""Keys that all trials share, and why. Sections stand for all that is in them."""

SHORT = {
    "learning_rate": "lr",
    "batch_size": "bs",
    "weight_decay": "wd",
    "pruning.sparsity": "sparsity",
    "teacher.weight": "teacher",
    "teacher.temperature": "temperature",
    "seed": "s",
}
"""What some keys are called in names of trials; the others are called what they are."""

JOIN = "+"
"""Between the items of a list that is an axis's value: `training.precisions: [float16, float16+int8]`."""


def is_training(key: str) -> bool:
    """Whether an axis is a setting of training, rather than a hyperparameter or the family."""
    return key.startswith(PREFIX)


def training_axes(axes: Mapping[str, Any]) -> dict[str, Any]:
    """Those axes that are settings of training, in the order of the section, the seed last."""
    order = {key: place for place, key in enumerate(axis_keys())}
    own = [key for key in axes if is_training(key)]
    own.sort(key=lambda key: (key == SEED, order.get(key, len(order)), key))
    return {key: axes[key] for key in own}


def training_at(training: Training, axes: Mapping[str, Any]) -> Training:
    """The training section as the trial at `axes` has it; axes that are no settings of training are left aside.

    Raises:
        ConfigError: naming each key and what is wrong with it, or which do not go together.
    """
    own = training_axes(axes)
    if not own:
        return training
    found, problems = _validated(training, own)
    if found is None:
        raise ConfigError("; ".join(f"{dotted(place)}: {sentence}" for place, sentence in problems))
    return found


def key_problem(key: str) -> str | None:
    """Why a key that begins as one of training's cannot be an axis; None where it can."""
    path = key.removeprefix(PREFIX)
    for shared, why in SHARED.items():
        if path == shared or path.startswith(f"{shared}."):
            return f"expected {key} in the training section, since {why}"
    if key in axis_keys():
        return None
    below = [each for each in axis_keys() if each.startswith(f"{key}.")]
    if below:
        return f"expected a key in this section, such as {below[0]}"
    return f"unknown key of training{suggestion(key, list(axis_keys()))}"


def value_problem(training: Training, key: str, value: object) -> str | None:
    """What is wrong with a value of a known key by itself; None where it may be right."""
    _, problems = _validated(training, {key: value})
    place = tuple(key.split("."))
    return next((sentence for where, sentence in problems if where[: len(place)] == place), None)


def point_problems(training: Training, axes: Mapping[str, Any]) -> list[str]:
    """What is wrong with a trial's settings together, in sentences."""
    own = training_axes(axes)
    if not own:
        return []
    _, problems = _validated(training, own)
    given = ", ".join(f"{key} {value}" for key, value in own.items())
    return [f"{dotted(place)}: {sentence} (with {given})" for place, sentence in problems]


@cache
def axis_keys() -> tuple[str, ...]:
    """All settings of training that may be axes, in the order of the section."""
    return tuple(f"{PREFIX}{path}" for path in _paths(Training) if not _is_shared(path))


def _is_shared(path: str) -> bool:
    return any(path == shared or path.startswith(f"{shared}.") for shared in SHARED)


def _paths(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        below = section_in(field.annotation)
        if below is None:
            yield name
        else:
            yield from (f"{name}.{path}" for path in _paths(below))


def _annotation(path: tuple[str, ...]) -> Any:
    """The type of the value at `path`, which is one of the section's."""
    section: type[BaseModel] = Training
    for name in path[:-1]:
        section = section_in(section.model_fields[name].annotation) or section
    return section.model_fields[path[-1]].annotation


def _may_be_null(path: tuple[str, ...]) -> bool:
    return type(None) in get_args(_annotation(path))


def _validated(training: Training, own: Mapping[str, Any]) -> tuple[Training | None, list[Problem]]:
    """The section with some values replaced, or what is wrong with it."""
    values = training.model_dump(mode="python", by_alias=True)
    off: dict[tuple[str, ...], str] = {}
    for key, value in own.items():
        path = tuple(key.removeprefix(PREFIX).split("."))
        section = path[:-1]
        if value is None and section and _may_be_null(section) and not _may_be_null(path):
            off[section] = key  # null for what a section cannot be without: there is none
        else:
            _set(values, path, _item(path, value))
    problems = []
    for section, key in off.items():
        _set(values, section, None)
        below = f"{PREFIX}{'.'.join(section)}."
        problems += [
            Problem(tuple(other.split(".")), f"expected null where {key} is null, got {value}")
            for other, value in own.items()
            if other != key and other.startswith(below) and value is not None
        ]
    try:
        found = Training.model_validate(values, context={KEEP_VARIABLES: True})
    except ValidationError as error:
        return None, problems + [
            Problem((SECTION, *problem.location), problem.sentence) for problem in schema_problems(error, Training)
        ]
    return (None if problems else found), problems


def _item(path: tuple[str, ...], value: object) -> object:
    """A value of an axis as the section has it: a text that stands for a list becomes one."""
    if isinstance(value, str) and get_origin(_annotation(path)) is tuple:
        return tuple(value.split(JOIN))
    return value


def _set(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set a value in nested sections; those on the way that are null become sections."""
    for name in path[:-1]:
        if values.get(name) is None:
            values[name] = {}
        values = values[name]
    values[path[-1]] = value
