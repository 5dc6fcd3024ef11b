"""From a grid's search to named trial points."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from gapsack.models import registry
from gapsack.models.family import Family
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.schema import FAMILY, Grid, Training
from gapsack.sweep.grid.searching import Search
from gapsack.sweep.grid.training_axes import PREFIX, SHORT, is_training, training_at, training_axes
from gapsack.sweep.grid.yaml12 import Location, dotted

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")

LONGEST_NAME = 100
"""Characters of a trial's name, which becomes a file name with more behind it."""


@dataclass(frozen=True)
class TrialPoint:
    """One trial of a sweep: a name that serves as file name, and all that its model is built from and trained with.

    Attributes:
        name: Of the trial.
        family: Of its model.
        axes: What the search varies: hyperparameters, the family, and settings of training by dotted key.
        hyperparameters: All of the model: those among the axes, the grid's fixed options, and the data's shape.
        training: All settings of training: the grid's section, with the axes in their places.
    """

    name: str
    family: str
    axes: dict[str, Any]
    hyperparameters: dict[str, Any]
    training: Training

    @property
    def settings(self) -> dict[str, Any]:
        """The hyperparameters, and the settings of training that the search varies, by dotted key."""
        return {**self.hyperparameters, **training_axes(self.axes)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the settings of training, which the trial's own grid holds."""
        return {
            "name": self.name,
            "family": self.family,
            "axes": dict(self.axes),
            "hyperparameters": dict(self.hyperparameters),
        }


def axis_points(grid: Grid) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Each point of the search as (place in the file, axes): the product of the grid's axes, or one product after the
    other, then the listed points.
    """
    for number, axes in enumerate(grid.search.products):
        place: Location = ("search", "grid", number) if isinstance(grid.search.grid, tuple) else ("search", "grid")
        for values in itertools.product(*axes.values()):
            yield place, dict(zip(axes, values, strict=True))
    for index, point in enumerate(grid.search.points):
        yield ("search", "points", index), dict(point)


def trial_point(grid: Grid, axes: Mapping[str, Any]) -> TrialPoint:
    """The trial at `axes`; also for what a sampler proposes.

    Raises:
        ConfigError: its settings of training are out of range, or do not go together.
    """
    return _Points(grid).at(axes)


def located_points(grid: Grid) -> Iterator[tuple[Location, TrialPoint]]:
    """All trials of a grid, in the order written, each with its place in the file; none where a sampler proposes."""
    points = _Points(grid)
    return ((location, points.at(axes)) for location, axes in axis_points(grid))


def trial_points(grid: Grid) -> list[TrialPoint]:
    """All trials of a grid, in the order written; none where a sampler proposes them as the run goes.

    Raises:
        ConfigError: two points are the same trial, or come to the same name.
    """
    seen: dict[str, Location] = {}
    points = []
    for location, point in located_points(grid):
        if point.name in seen:
            where = f"{dotted(location)}, first in {dotted(seen[point.name])}"
            raise ConfigError(f"expected each trial once, got {point.name} again ({where})")
        seen[point.name] = location
        points.append(point)
    return points


def trial_name(
    family: Family,
    axes: Mapping[str, Any],
    hyperparameters: Mapping[str, Any],
    spelling: Callable[[str, object], str] | None = None,
) -> str:
    """A file name from the varied hyperparameters, such as `K16-H512` or `K16-H512-mixtures2`.

    Those with a letter in the family are named whether they vary or not, since they make the size; settings of training
    come last, such as `lr3e-4-s1`. A trial in which nothing varies and nothing has a letter is called by its family.
    What would be too long ends in a digest of it all.

    Args:
        family: of the model.
        axes: what varies.
        hyperparameters: all of them.
        spelling: a value of a hyperparameter as part of the name; six digits and safe characters if omitted.
    """
    text = spelling or _text
    letters = family.short_names
    parts = [f"{letter}{text(key, hyperparameters[key])}" for key, letter in letters.items() if key in hyperparameters]
    parts += [f"{key}{text(key, value)}" for key, value in axes.items() if key not in letters and not is_training(key)]
    parts += [f"{_short(key, hyperparameters)}{text(key, value)}" for key, value in training_axes(axes).items()]
    name = "-".join(parts) or family.name
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(repr(sorted(axes.items())).encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - len(digest) - 1]}-{digest}"


class _Points:
    """Makes a grid's points: what they share is looked up once for each family."""

    def __init__(self, grid: Grid) -> None:
        self._model = grid.model
        self._training = grid.training
        self._of = {name: _Shared(registry.family(name), grid.shared(name)) for name in grid.model.names}
        self._spelling = _spelling(_Same(grid.search))

    def at(self, axes: Mapping[str, Any]) -> TrialPoint:
        """The trial at `axes`."""
        chosen = self._model.family_of(axes)
        family, shared = self._of[chosen]
        own = {key: value for key, value in axes.items() if not self._model.families or key != FAMILY}
        varied = {key: value for key, value in own.items() if not is_training(key)}
        # In the order in which they are told: options, axes, what follows from the data.
        hyperparameters = {**self._model.options_of(chosen), **varied, **shared, **varied}
        name = trial_name(family, own, hyperparameters, self._spelling.text)
        if self._model.families and name != chosen:
            name = f"{chosen}-{name}"
        return TrialPoint(name, chosen, dict(axes), hyperparameters, training_at(self._training, axes))


class _Shared(NamedTuple):
    """A family, and the hyperparameters that all its trials share."""

    family: Family
    hyperparameters: dict[str, Any]


class _Spelling:
    """The values that a search lists, as parts of names, which tell them apart.

    Printed with six digits and safe characters, two values may look alike: 0.1 and 0.10000000001, `a b` and `a_b`. The
    one that is listed first keeps that name; another one gets all its digits, or a digest. So no trial that was ever
    trained is called otherwise, and values may be added behind those that there are.
    """

    def __init__(self, search: Search) -> None:
        self._other: dict[tuple[str, str, object], str] = {}
        for key, values in _listed(search).items():
            taken: set[str] = set()
            for kind, value in dict.fromkeys((_kind(value), value) for value in values):
                text = next(each for each in _texts(key, value) if each not in taken)
                taken.add(text)
                if text != _text(key, value):
                    self._other[key, kind, value] = text

    def text(self, key: str, value: object) -> str:
        """A value of a hyperparameter as part of a name."""
        return (self._other.get((key, _kind(value), value)) if self._other else None) or _text(key, value)


def _listed(search: Search) -> dict[str, list[object]]:
    """Each varied hyperparameter's values, in the order written."""
    found: dict[str, list[object]] = {}
    for product in search.products:
        for key, values in product.items():
            found.setdefault(key, []).extend(values)
    for point in search.points:
        for key, value in point.items():
            found.setdefault(key, []).append(value)
    for key, space in ({} if search.sampler is None else search.sampler.space).items():
        found[key] = list(space.choices or ())
    return found


def _kind(value: object) -> str:
    """What keeps true from 1 and "1" from 1; a whole number is the same with a decimal point."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _texts(key: str, value: object) -> Iterator[str]:
    """A value as part of a name, from the shortest way to one that no other value has."""
    yield _text(key, value)
    if isinstance(value, float):
        yield _safe(repr(value))
    digest = hashlib.sha256(f"{_kind(value)} {value!r}".encode()).hexdigest()
    yield from (f"{_text(key, value)}_{digest[:length]}" for length in range(6, len(digest) + 1))


class _Same:
    """A search as the key of a cache: the same object, since what is in it cannot be hashed."""

    def __init__(self, search: Search) -> None:
        self.search = search

    def __hash__(self) -> int:
        return id(self.search)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.search is self.search


@lru_cache(maxsize=8)
def _spelling(same: _Same) -> _Spelling:
    return _Spelling(same.search)


def _text(key: str, value: object) -> str:
    """A value as part of a file name."""
    if is_training(key):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _safe(f"_{'null' if value is None else value}")
        return _safe(_short_number(value))
    return _safe(format(value, "g") if isinstance(value, float) else str(value))


def _short_number(value: float) -> str:
    """A number in as few characters as say it, fractions in three digits: `3e-4`, `0.05`, `80`."""
    if isinstance(value, int) or value.is_integer():
        return format(value, "d") if isinstance(value, int) else format(value, "g")
    plain = format(value, ".3g")
    mantissa, exponent = format(value, ".2e").split("e")
    scientific = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return scientific if "e" in plain or len(scientific) < len(plain) else plain


def _short(key: str, hyperparameters: Mapping[str, Any]) -> str:
    """What a setting of training is called in names, unless a hyperparameter is called so."""
    path = key.removeprefix(PREFIX)
    short = SHORT.get(path, path)
    return key if short in hyperparameters else short


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)
