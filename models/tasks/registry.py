"""Tasks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.plugins import found, found_names
from gapsack.models.tasks.task import Task
from gapsack.selection.errors import InputError

PACKAGE, GROUP, ATTRIBUTE = "gapsack.models.tasks", "gapsack.tasks", "TASK"


def names() -> tuple[str, ...]:
    """Names of all tasks, sorted."""
    return found_names(PACKAGE, GROUP)


def task(name: str) -> type[Task]:
    """The class of the task of that name; InputError names the known ones when there is none."""
    kind = found(name, PACKAGE, GROUP, ATTRIBUTE)
    if kind is None:
        raise InputError(f"expected one of the tasks {', '.join(names())}, got {name!r}")
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise InputError(f"expected a class of gapsack.models.tasks.Task for the task {name}, got {kind!r}")
    return kind


def task_from_dict(values: Mapping[str, Any]) -> Task:
    """The task of `Task.to_dict`.

    Raises:
        InputError: The name is missing or unknown, or the values are not the task's.
    """
    rest = dict(values)
    kind = task(str(rest.pop("name", "")))
    try:
        return kind.from_dict(rest)
    except TypeError as error:
        raise InputError(f"expected the values of the task {kind.name}, got {rest}: {error}") from error
