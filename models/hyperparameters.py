"""Hyperparameters of a family: numbers, choices, flags, texts, and the description of the task."""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.models.tasks.registry import task_from_dict
from gapsack.selection.errors import InputError


class Hyperparameter(ABC):
    """One value that a family is built from.

    Attributes:
        name: Keyword of `registry.build`.
        description: One line for people.
        default: Value when none is given; None makes the hyperparameter required.
    """

    name: str
    description: str
    default: Any

    @abstractmethod
    def problem(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""

    def stored(self, value: Any) -> Any:
        """A valid value as it is kept in pools."""
        return value

    @property
    def integer(self) -> bool:
        """Whether only whole numbers are valid."""
        return False

    @property
    def varies(self) -> bool:
        """Whether trials of one sweep may differ in it."""
        return True


@dataclass(frozen=True)
class Number(Hyperparameter):
    """A number with its range.

    Attributes:
        minimum: Smallest valid value.
        below: Values must be smaller than this; None sets no limit.
        whole: Whether only integers are valid.
    """

    name: str
    description: str
    minimum: float = 1
    below: float | None = None
    default: float | None = None
    whole: bool = True

    def problem(self, value: Any) -> str | None:
        """See the base."""
        if self._is_number(value) and self.minimum <= value and (self.below is None or value < self.below):
            return None
        least = "" if self.minimum == -math.inf else f" of at least {self.minimum}"
        limit = "" if self.below is None else f" and below {self.below}"
        wanted = "an integer" if self.whole else "a number"
        return f"{self.name} must be {wanted}{least}{limit}, got {value!r}"

    def stored(self, value: Any) -> Any:
        """A plain int or float."""
        return int(value) if self.whole else float(value)

    @property
    def integer(self) -> bool:
        """See the base."""
        return self.whole

    def _is_number(self, value: Any) -> bool:
        kind = numbers.Integral if self.whole else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)


@dataclass(frozen=True)
class Choice(Hyperparameter):
    """One of a few words.

    Attributes:
        choices: All of them.
    """

    name: str
    description: str
    choices: tuple[str, ...]
    default: str | None = None

    def problem(self, value: Any) -> str | None:
        """See the base."""
        if isinstance(value, str) and value in self.choices:
            return None
        return f"{self.name} must be one of {', '.join(self.choices)}, got {value!r}"


@dataclass(frozen=True)
class Flag(Hyperparameter):
    """True or false."""

    name: str
    description: str
    default: bool | None = None

    def problem(self, value: Any) -> str | None:
        """See the base."""
        return None if isinstance(value, bool) else f"{self.name} must be true or false, got {value!r}"


@dataclass(frozen=True)
class Text(Hyperparameter):
    """A word or a name."""

    name: str
    description: str
    default: str | None = None

    def problem(self, value: Any) -> str | None:
        """See the base."""
        return None if isinstance(value, str) and value else f"{self.name} must be a text, got {value!r}"


@dataclass(frozen=True)
class TaskDescription(Hyperparameter):
    """The task itself, as `Task.to_dict` says it, for families that serve several or need to know more of it."""

    name: str = "task"
    description: str = "the task, which the data decide"
    default: None = None

    def problem(self, value: Any) -> str | None:
        """See the base."""
        if not isinstance(value, Mapping):
            return f"{self.name} must be the description of a task, got {value!r}"
        try:
            task_from_dict(value)
        except InputError as error:
            return f"{self.name}: {error}"
        return None

    def stored(self, value: Any) -> Any:
        """A plain dictionary."""
        return task_from_dict(value).to_dict()
