"""Reading a grid file: every error at once, each with its place; the data folder settled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.family import family_problems, located_options
from gapsack.sweep.grid.problems import Problem, schema_problems
from gapsack.sweep.grid.schema import KEEP_VARIABLES, Data, Grid, Training, is_remote
from gapsack.sweep.grid.yaml12 import Document, Location, read_document

DATA_VARIABLE = "GAPSACK_DATA"
"""The environment variable that names the data folder."""


def load_grid(
    path: Path,
    *,
    data_folder: str | None = None,
    overrides: Mapping[Location, Any] | None = None,
    keep_variables: bool = False,
) -> Grid:
    """Read and check a grid file.

    In the result `data.folder` is absolute or a URL: `data_folder`, else $GAPSACK_DATA, else the file's
    `data.folder`, else the file's own folder.

    Args:
        path: the grid file.
        data_folder: stands in for `data.folder`.
        overrides: {place: value} that stand in for the file's values, where a value is not None.
        keep_variables: leave `${VAR}` in data paths as it is, for those who do not look at data.

    Raises:
        ConfigError: the file cannot be read, or a key is wrong; the message has one line for each problem.
    """
    document = read_document(path)
    content = document.content
    for location, value in (overrides or {}).items():
        if value is not None:
            content = _replaced(content, location, value)
    content = located_options(content, Path(path).parent.absolute())
    grid = check_grid(content, document, keep_variables=keep_variables)
    data = grid.data.model_copy(update={"folder": resolve_folder(grid.data, path, data_folder)})
    return grid.model_copy(update={"data": data, "training": _with_located_teacher(grid.training, path)})


def _with_located_teacher(training: Training, grid_file: Path) -> Training:
    """The section with the place of a teacher's predictions made absolute, from the grid file's folder."""
    teacher = training.teacher
    if teacher is None:
        return training
    place = (Path(grid_file).parent / Path(teacher.predictions).expanduser()).absolute()
    located = teacher.model_copy(update={"predictions": str(place)})
    return training.model_copy(update={"teacher": located})


def _replaced(content: Any, location: Location, value: object) -> Any:
    """A copy of nested mappings with one value set; what is no mapping is left for the schema to refuse."""
    if not location:
        return value
    if not isinstance(content, dict | None):
        return content
    head, *rest = location
    return {**(content or {}), head: _replaced((content or {}).get(head), tuple(rest), value)}


def load_config(path: Path) -> Grid:
    """The resolved grid that a run folder holds (`RunFolder.config_file`).

    Raises:
        ConfigError: the file does not hold one, for example because another version of gapsack wrote it.
    """
    try:
        return Grid.model_validate(read_json(path))
    except (InputError, ValueError) as error:
        raise ConfigError(
            f"expected the resolved grid of a run in {path}, got: {' '.join(str(error).split())}"
        ) from error


def check_grid(content: Any, document: Document, *, keep_variables: bool = False) -> Grid:
    """The grid that `content`, which comes from `document`, describes.

    Raises:
        ConfigError: with one line for each problem.
    """
    problems: list[Problem] = []
    grid = None
    try:
        grid = Grid.model_validate(content, context={KEEP_VARIABLES: keep_variables})
    except ValidationError as error:
        problems += schema_problems(error)
    # The family judges its hyperparameters even when other sections are wrong: a file should need mending once.
    problems += family_problems(content)
    problems.sort(key=lambda problem: document.line(problem.location))
    if grid is None or problems:
        lines = [f"  {document.describe(problem.location)}: {problem.sentence}" for problem in dict.fromkeys(problems)]
        noun = "error" if len(lines) == 1 else "errors"
        raise ConfigError("\n".join([f"{document.path} has {len(lines)} {noun}:", *lines]))
    return grid


def resolve_folder(data: Data, grid_file: Path, data_folder: str | None) -> str:
    """The folder that data patterns are relative to, absolute or a URL.

    A folder given by option or environment is relative to the working directory, as the shell would have it; one
    in the file is relative to the file.
    """
    given = data_folder or os.environ.get(DATA_VARIABLE)
    if given:
        return given if is_remote(given) else str(Path(given).expanduser().absolute())
    if data.folder is None:
        return str(Path(grid_file).parent.absolute())
    if is_remote(data.folder):
        return data.folder
    return str((Path(grid_file).parent / Path(data.folder).expanduser()).absolute())
