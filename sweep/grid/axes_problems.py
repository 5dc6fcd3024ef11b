"""What is wrong with settings of training that a search varies: unknown keys, and each value that is out of range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gapsack.models import precisions
from gapsack.selection.errors import InputError
from gapsack.sweep.grid.problems import Problem
from gapsack.sweep.grid.schema import AUTO, Training
from gapsack.sweep.grid.searching import Distribution, Search
from gapsack.sweep.grid.training_axes import JOIN, PREFIX, is_training, key_problem, value_problem
from gapsack.sweep.grid.yaml12 import Location

PRECISIONS_KEY = f"{PREFIX}precisions"


def axes_problems(search: Search, training: Training) -> Iterator[Problem]:
    """Problems of each setting of training that varies, in its place; that values do not go together, points show."""
    for number, product in enumerate(search.products):
        place: Location = ("search", "grid", number) if isinstance(search.grid, tuple) else ("search", "grid")
        for key, values in product.items():
            if is_training(key):
                yield from _values(training, key, values, (*place, key))
    for index, point in enumerate(search.points):
        for key, value in point.items():
            if is_training(key):
                yield from _values(training, key, (value,), ("search", "points", index, key), itself=True)
    for key, space in ({} if search.sampler is None else search.sampler.space).items():
        if is_training(key):
            yield from _space(training, key, space, ("search", "sampler", "space", key))


def precision_problem(name: str) -> str | None:
    """Why a name in `training.precisions` is that of no precision; None where it is."""
    try:
        if name != AUTO:
            precisions.check_name(name)
    except InputError as error:
        return f"{error}; or {AUTO}"
    return None


def repeated(values: Sequence[object], location: Location) -> Iterator[Problem]:
    """Problems of values that are listed again."""
    seen: set[object] = set()
    for index, value in enumerate(values):
        told_apart = (isinstance(value, bool), value)
        if told_apart in seen:
            yield Problem((*location, index), f"expected each value once, got {value} again")
        seen.add(told_apart)


def _values(
    training: Training, key: str, values: Sequence[object], location: Location, *, itself: bool = False
) -> Iterator[Problem]:
    """Problems of a key's values, which stand below `location`, or are what stands there."""
    if unusable := key_problem(key):
        yield Problem(location, unusable)
        return
    for index, value in enumerate(values):
        problem = value_problem(training, key, value) or _precisions(key, value)
        if problem is not None:
            yield Problem(location if itself else (*location, index), problem)
    if not itself:
        yield from repeated(values, location)


def _precisions(key: str, value: object) -> str | None:
    if key != PRECISIONS_KEY or not isinstance(value, str):
        return None
    return next((problem for name in value.split(JOIN) if (problem := precision_problem(name))), None)


def _space(training: Training, key: str, space: Distribution, location: Location) -> Iterator[Problem]:
    if space.choices is not None:
        yield from _values(training, key, space.choices, (*location, "choices"))
        return
    assert space.low is not None and space.high is not None
    found = list(_values(training, key, (space.low,), location, itself=True))
    yield from found or _values(training, key, (space.high,), (*location, "high"), itself=True)
    between = math.nextafter(float(space.low), space.high)
    if not found and not space.is_integer and value_problem(training, key, between) is not None:
        yield Problem(location, f"expected whole numbers for {key}, got step {space.step}")
