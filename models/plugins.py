"""What is found by name: a package of ours below some package, or an entry point of another project."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gapsack.selection.errors import InputError


def found_names(package: str, group: str) -> tuple[str, ...]:
    """Names of the packages directly below `package`, and of the entry points of `group`, sorted.

    Raises:
        InputError: An entry point has the name of one of ours, which would otherwise hide it, or be hidden.
    """
    ours = {module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__) if module.ispkg}
    theirs = {point.name for point in entry_points(group=group)}
    if both := sorted(ours & theirs):
        raise InputError(
            f"expected new names for the entry points of {group}, got {', '.join(both)}, which gapsack itself has"
        )
    return tuple(sorted(ours | theirs))


def found(name: str, package: str, group: str, attribute: str) -> Any:
    """`attribute` of the package `name` below `package`, or what the entry point `name` of `group` names; None where
    there is neither.

    Raises:
        InputError: The entry point cannot be loaded; two of them have this name.
    """
    if name.isidentifier() and importlib.util.find_spec(f"{package}.{name}") is not None:
        return getattr(importlib.import_module(f"{package}.{name}"), attribute, None)
    points = tuple(entry_points(group=group, name=name))
    if not points:
        return None
    if len(points) > 1:
        values = ", ".join(point.value for point in points)
        raise InputError(f"expected one entry point {name} of {group}, got several: {values}")
    return _load(points[0])


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"expected {point.value} to be there for the entry point {point.name} of {point.group}, got {error}"
        ) from error
