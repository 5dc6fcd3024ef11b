"""What a data section of arrays leaves out, filled in from the files themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gapsack.sweep.data.describe import described
from gapsack.sweep.data.files import expand
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.data_folder import resolve_folder
from gapsack.sweep.grid.problems import Problem, schema_problems
from gapsack.sweep.grid.section import KEEP_VARIABLES

FILLED_IN = ("inputs", "classes", "labels")


def described_data(content: Any, grid_file: Path, data_folder: str | None) -> tuple[Any, list[Problem]]:
    """The content of a grid file with the shapes of inputs, the classes and the kind of labels, and what is wrong.

    A section that is itself wrong gets values that stand in for them, so that only what a person wrote is told of.
    """
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict) or data.get("format") != "arrays":
        return content, []
    given = {key: value for key, value in data.items() if value is not None or key not in FILLED_IN}
    missing = [key for key in FILLED_IN if key not in given]
    if not missing:
        return content, []
    stand_in = {**_stand_ins(given), **given}
    try:
        ArrayData.model_validate(stand_in, context={KEEP_VARIABLES: True})
    except ValidationError:
        return {**content, "data": stand_in}, []
    try:
        section = ArrayData.model_validate(stand_in)
        located = section.model_copy(update={"folder": resolve_folder(section, grid_file, data_folder)})
        files = expand([*located.train_patterns, *located.validate_patterns])
        known = {key: section.model_dump()[key] for key in FILLED_IN if key in given}
        return {**content, "data": {**given, **described(files, known)}}, []
    except ValidationError as error:
        reason = "; ".join(problem.sentence for problem in schema_problems(error))
    except DataError as error:
        reason = str(error)
    sentence = f"expected {', '.join(missing)} here, or files that say them, got none: {reason}"
    return {**content, "data": stand_in}, [Problem(("data", missing[0]), sentence)]


def _stand_ins(given: dict[str, Any]) -> dict[str, Any]:
    binary = given.get("labels") == "binary" or given.get("classes") == 1
    return {
        "inputs": {"x": [1]},
        "classes": 1 if binary else 2,
        "labels": "binary" if binary else "multi_class",
    }
