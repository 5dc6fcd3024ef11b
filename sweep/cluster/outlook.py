"""What a sweep will want of files, looked at before it is begun: as far as they are there, and as it is cheap.

A plan is made on any machine. Where the data are not there they are not checked, and it is said; where they are, what
fails here would end `sweep run` as well. What reads them is imported where there is something to read.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gapsack.sweep.cluster.away import run_of
from gapsack.sweep.data.files import Split
from gapsack.sweep.data.parts import files_of
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import SAMPLER_PACKAGES, Sampler
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import bring_books

UNCHECKED = "The data were not checked"


def outlook(grid: Grid, file: Path, data_folder: str | None = None) -> list[str]:
    """Sentences on the data, the teacher and the weights to begin with: whether they were checked.

    Args:
        grid: Of `load_grid`, with its variables kept.
        file: The grid file.
        data_folder: As for `load_grid`.

    Raises:
        InputError: Some files are there, and what is there cannot be trained on.
    """
    if "${" in file.read_text(encoding="utf-8"):
        try:
            grid = load_grid(file, data_folder=data_folder)
        except ConfigError as unset:
            return [f"{UNCHECKED}: {'; '.join(line.strip() for line in str(unset).splitlines()[1:])}."]
    sentences, split = _data(grid)
    sentences += _packages(grid.search.sampler)
    sentences += _teacher(grid, split)
    sentences += _start(grid)
    return sentences


def _data(grid: Grid) -> tuple[list[str], Split | None]:
    patterns = list(dict.fromkeys([*grid.data.train_patterns, *grid.data.validate_patterns]))
    if not all(storage.is_local(pattern) for pattern in patterns):
        return [f"{UNCHECKED}: they are not on this machine."], None
    if not any(storage.match(pattern) for pattern in patterns):
        return [f"{UNCHECKED}: nothing matches {', '.join(patterns)}."], None
    split = grid.data.files()
    train, holdout = files_of(split.train), files_of(split.holdout)
    for path in dict.fromkeys([train[0], holdout[0]]):
        _check_beginning(grid, path)
    return [
        f"The data were checked: of {len(train):,} training and {len(holdout):,} held-out files, all there, the first "
        "begin as this grid has it."
    ], split


def _packages(sampler: Sampler | None) -> list[str]:
    """That this machine lacks what a sampler needs; a plan can be made without it."""
    package = None if sampler is None else SAMPLER_PACKAGES.get(sampler.kind)
    if sampler is None or package is None or importlib.util.find_spec(package) is not None:
        return []
    return [f"The sampler {sampler.kind} needs the package {package}, which is not installed here."]


def _check_beginning(grid: Grid, path: str) -> None:
    """Raise DataError where a file does not begin with what the grid says."""
    from gapsack.sweep.data.beginnings import Inspectable
    from gapsack.sweep.data.faults import Faults
    from gapsack.sweep.data.table import Columns, check_headers

    if isinstance(grid.data, ArrayData):
        check_headers(path, Columns.of_task(grid.data.task.to_dict()))
        return
    dataset = grid.data.dataset
    if not isinstance(dataset, Inspectable):
        return
    if storage.file_bytes(path) == 0:
        raise DataError(f"expected records in {path}, got an empty file")
    faults = Faults(grid.data.max_bad_share)
    dataset.inspect([path], faults)
    faults.check(complete=True)


def _teacher(grid: Grid, split: Split | None) -> list[str]:
    teacher = grid.training.teacher
    if teacher is None:
        return []
    from gapsack.sweep.teaching.teacher_folder import folder_at

    if not folder_at(teacher.predictions).path.exists():
        return [f"The teacher was not checked: there is no {teacher.predictions}."]
    from gapsack.sweep.teaching.tutor import Tutor, with_digest

    Tutor(teacher, grid.data.classes)
    if split is None:
        return ["The teacher was not held against the training files."]
    with_digest(grid, files_of(split.train))
    return ["The teacher has seen all training files."]


def _start(grid: Grid) -> list[str]:
    start = grid.training.start_from
    if start is None:
        return []
    from gapsack.sweep.runs.starting_weights import run_path, weights_file, with_sources

    run, _url = run_of(grid, Path.cwd())
    place = None if start.run is None else run_path(start.run, run.path.parent)
    if place is not None:
        bring_books(place)
    if not (place or weights_file(start, run.path.parent, "")).exists():
        where = start.weights if place is None else address_of(place)
        return [f"The weights to begin with were not checked: there is no {where}."]
    with_sources(grid, run)
    return ["The weights to begin with are there, and fit."]
