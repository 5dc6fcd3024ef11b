"""The data that imported models are run on: as given, or that of the run which the pool belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.sweep.data.features import Level
from gapsack.sweep.data.files import expand
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.video_data import Data
from gapsack.sweep.runs.folder import RunFolder


@dataclass(frozen=True)
class ImportSource:
    """Labelled files, their level, and how many frames of a video are used at most."""

    files: tuple[str, ...]
    level: Level
    max_frames: int


def import_source(pool: Path, patterns: Sequence[str], level: Level | None, max_frames: int | None) -> ImportSource:
    """Files that the patterns match; whatever is not given is that of the pool's run, if it has one.

    Raises:
        InputError: no files are given and the pool belongs to no run, or a pattern matches nothing.
    """
    run = RunFolder(pool.absolute().parent)
    data = load_config(run.config_file).data if run.config_file.exists() and run.pool == pool.absolute() else None
    if not isinstance(data, Data | None):
        raise InputError(
            f"expected a pool for {YouTube8M.name}, which alone takes models from elsewhere, got {pool}, whose models "
            f"are for {data.task.name}"
        )
    files = run.data_files() if not patterns and data is not None else None
    if not patterns and files is None:
        raise InputError(
            f"expected labelled data files (--data) to run the models on, got none: the pool {pool} belongs to no run"
        )
    return ImportSource(
        files=tuple(expand(patterns if files is None else files.holdout)),
        level=level or ("frame" if data is None else data.level),
        max_frames=max_frames or (300 if data is None else data.max_frames),
    )
