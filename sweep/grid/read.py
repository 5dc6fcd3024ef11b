"""Reading a grid file: every error at once, each with its place; the data folder settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.data_folder import resolve_folder
from gapsack.sweep.grid.described_data import described_data
from gapsack.sweep.grid.family import family_problems, located_options
from gapsack.sweep.grid.problems import Problem, schema_problems
from gapsack.sweep.grid.schema import Grid, Training
from gapsack.sweep.grid.section import KEEP_VARIABLES
from gapsack.sweep.grid.yaml12 import Document, Location, read_document
from gapsack.sweep.storage.remote import is_url


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
    content, problems = described_data(content, path, data_folder)
    grid = check_grid(content, document, keep_variables=keep_variables, problems=problems)
    data = grid.data.model_copy(update={"folder": resolve_folder(grid.data, path, data_folder)})
    return grid.model_copy(update={"data": data, "training": _located(grid.training, path)})


def _located(training: Training, grid_file: Path) -> Training:
    """The section with the places of a teacher's predictions, and of weights to begin with, made absolute, from the
    grid file's folder; URLs stay.
    """

    def place(path: str) -> str:
        if is_url(path):
            return path
        return str((Path(grid_file).parent / Path(path).expanduser()).absolute())

    teacher, start = training.teacher, training.start_from
    if teacher is not None:
        teacher = teacher.model_copy(update={"predictions": place(teacher.predictions)})
    if start is not None:
        start = start.located(place)
    return training.model_copy(update={"teacher": teacher, "start_from": start})


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


def check_grid(
    content: Any, document: Document, *, keep_variables: bool = False, problems: Sequence[Problem] = ()
) -> Grid:
    """The grid that `content`, which comes from `document`, describes; `problems` are those that are known already.

    Raises:
        ConfigError: with one line for each problem.
    """
    problems = list(problems)
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
