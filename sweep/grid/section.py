"""What every section of a grid file stands on: its values, its paths, and the variables in them."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from gapsack.sweep.storage.remote import is_url

KEEP_VARIABLES = "keep_variables"
"""Key of the validation context that leaves `${VAR}` as it is."""


def expand_environment(value: object, info: ValidationInfo) -> object:
    """Replace `${VAR}` in a string by the environment's value; other values pass as they are.

    Raises:
        ValueError: a variable is not set.
    """
    if not isinstance(value, str) or (info.context or {}).get(KEEP_VARIABLES):
        return value

    def lookup(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ValueError(f"expected the environment variable {name} to be set")
        return os.environ[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", lookup, value)


def check_scalar(value: object) -> object:
    """Pass a number, a string or a boolean.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("expected a finite number, a string, true or false")
    return value


Scalar = Annotated[bool | int | float | str, PlainValidator(check_scalar)]
"""A hyperparameter's value, as YAML writes it."""


def check_axis_value(value: object) -> object:
    """Pass null, or what `check_scalar` passes.

    Raises:
        ValueError: anything else.
    """
    return None if value is None else check_scalar(value)


AxisValue = Annotated[bool | int | float | str | None, PlainValidator(check_axis_value)]
"""A value of what a search varies; null, where a setting of training may be null."""

DataPath = Annotated[str, Field(min_length=1), BeforeValidator(expand_environment)]
Patterns = Annotated[tuple[DataPath, ...], Field(strict=False)]


class Section(BaseModel):
    """A section of the grid file: no unknown keys, no silent conversion (`"80"` is not 80)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataFiles(Section):
    """What data sections of every format have: where their files are, and how many faulty records are tolerated."""

    folder: DataPath | None = None
    train: Patterns = ()
    validation: Annotated[Patterns, Field(alias="validate")] = ()
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.001

    def located(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns joined to `folder`; absolute ones and URLs (`gs://…`) stay as they are."""
        return tuple(join_path(self.folder, pattern) for pattern in patterns)

    @property
    def train_patterns(self) -> tuple[str, ...]:
        """Where the training files are."""
        return self.located(self.train)

    @property
    def validate_patterns(self) -> tuple[str, ...]:
        """Where the validation files are."""
        return self.located(self.validation)


def join_path(folder: str | None, path: str) -> str:
    """`path` under `folder`, unless it is absolute or remote already; folders may be remote."""
    if folder is None or is_url(path) or Path(path).is_absolute():
        return path
    return f"{folder.rstrip('/')}/{path}" if is_url(folder) else str(PurePosixPath(folder) / path)
