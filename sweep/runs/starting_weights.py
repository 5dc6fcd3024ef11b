"""The published weights that trials begin with (`training.start_from`): where they are, and whether they fit.

What makes them what they are is the digest of their file: a run notes it when it begins, each trial holds the file
against it, and it belongs to the trial's fingerprint. Where the file lies, and what its run is called, do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models import sizes
from gapsack.models.checkpoints import read_weights
from gapsack.selection.errors import InputError
from gapsack.selection.npz import open_npz
from gapsack.selection.pool.origin import StartedFrom
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.plan import corners, planned
from gapsack.sweep.grid.points import TrialPoint, trial_points
from gapsack.sweep.grid.schema import EVERY_TRIAL, Grid, StartFrom
from gapsack.sweep.runs.damage import checked_result, digest_of_file
from gapsack.sweep.runs.folder import RunFolder, TrialFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.storage.mirrored import bring, bring_books, shared_place, url_in

KEY = "training.start_from"
MOST_TOLD = 3
"""Trials or tensors that an error names before it counts the others."""


def with_sources(grid: Grid, run: RunFolder) -> Grid:
    """The grid with a note of what each of its trials begins with; unchanged where they begin with random weights.

    A trial that is done needs no weights to begin with any more: where they are gone, its record tells.

    Args:
        grid: the resolved grid.
        run: its run, made or not; runs that are told by their names lie beside it.

    Raises:
        InputError: there is no such run or file, trials are missing there or not done, weights do not fit a trial, or
            they are others than the grid notes already.
    """
    start = grid.training.start_from
    if start is None:
        return grid
    sources: dict[str, StartedFrom] = {}
    files: list[tuple[TrialPoint, Path]] = []
    for point in _points(grid):
        file = weights_file(start, run.path.parent, point.name)
        done = None if file.exists() else checked_result(run.trial(point.name))[0]
        if done is not None and done.started_from is not None:
            sources[_key(start, point)] = done.started_from
        else:
            files.append((point, file))
    if start.run is not None and files:
        _refuse_missing(_other_run(start.run, run.path.parent), [file for _, file in files])
    for point, file in files:
        sources[_key(start, point)] = source = _source(file)
        noted = start.source(point.name)
        if noted is not None and noted.sha256 != source.sha256:
            raise ConfigError(
                f"{KEY}: expected in {file} the weights of the SHA-256 {noted.sha256}, got others, {source.sha256}"
            )
        refuse_misfit(file, point)
    return grid.with_start(start.model_copy(update={"sources": sources}))


def starting_weights(spec: TrialSpec) -> Mapping[str, NDArray[Any]]:
    """The weights that a trial with a `training.start_from` begins with, float32 by tensor name.

    Raises:
        InputError: the file is not there, holds others than when the run began, does not fit the model, or has what is
            no number.
    """
    start, source = spec.grid.training.start_from, spec.started_from
    if start is None or source is None:
        raise InputError(f"expected in the grid of {spec.name} what sweep run notes of {KEY}, got nothing")
    file = weights_file(start, spec.run.path.parent, spec.name)
    found = _digest(file)
    if found != source.sha256:
        raise ConfigError(f"{KEY}: expected in {file} the weights that this run began with, got others")
    refuse_misfit(file, spec.point)
    weights = read_weights(file)
    if wrong := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise ConfigError(f"{KEY}: expected in {file} numbers alone, got NaN or infinity in {_told(wrong)}")
    return weights


def weights_file(start: StartFrom, storage: Path, trial: str) -> Path:
    """The file of weights that the trial of that name begins with."""
    if start.run is not None:
        source = RunFolder(run_path(start.run, storage)).trial(start.trial or trial)
        _bring_weights(source.path)
        return source.weights
    path = shared_place(start.weights or "").absolute()
    _bring_weights(path)
    return TrialFolder(path).weights if path.is_dir() else path


def run_path(run: str, storage: Path) -> Path:
    """Where the run that trials begin with lies: one of the storage, or one told by its path or URL."""
    return (storage / run).absolute() if url_in(run) is None else shared_place(run)  # an absolute path stays what it is


def refuse_misfit(file: Path, point: TrialPoint) -> None:
    """Raise ConfigError, in one sentence, where a file's weights are not those of such a model."""
    expected = {tensor.name: tensor.shape for tensor in sizes.tensors(point.family, point.hyperparameters)}
    problem = _difference(_shapes(file), expected)
    record = _record(file)
    if record is not None and record.family != point.family:
        problem = f"those of a {record.family}"
    elif problem is not None:
        problem = f"weights in which {problem}"
        if record is not None:
            problem += _other_hyperparameters(record.hyperparameters, point.hyperparameters)
    if problem is not None:
        raise ConfigError(
            f"{KEY}: expected in {file} the weights of a model such as trial {point.name}, a {point.family}, "
            f"got {problem}"
        )


def _bring_weights(path: Path) -> None:
    """Of a trial's folder what is needed of it, or a file of weights."""
    trial = TrialFolder(path)
    bring(path, lambda name: name in ("", trial.weights.name, trial.record.name))


def _points(grid: Grid) -> list[TrialPoint]:
    """The trials that are to be trained; of a sampler, those at the corners of its space, which must fit as well."""
    points = trial_points(grid) if grid.search.sampler is None else corners(grid)
    return [point for point in points if planned(grid, point).status != "skipped"]


def _key(start: StartFrom, point: TrialPoint) -> str:
    return EVERY_TRIAL if start.is_one else point.name


def _other_run(name: str, storage: Path) -> RunFolder:
    """The run that trials begin with; ConfigError where there is none."""
    run = RunFolder(run_path(name, storage))
    bring_books(run.path)
    if not run.config_file.exists():
        raise ConfigError(f"{KEY}: expected the folder of a run at {run.address}, got none")
    return run


def _refuse_missing(run: RunFolder, files: Sequence[Path]) -> None:
    """Raise ConfigError where a run lacks trials that are done, or their weights."""
    alive = run.is_alive()
    wanted = list(dict.fromkeys(TrialFolder(file.parent).name for file in files))
    missing = []
    for name in wanted:
        trial = run.trial(name)
        record, damage = checked_result(trial)
        if damage is not None:
            missing.append(f"{name} (damaged: {damage})")
        elif record is None:
            status = trial.status_without_record(run_alive=alive)
            missing.append(name if status == "pending" else f"{name} ({status})")
        elif not trial.weights.is_file():
            missing.append(f"{name} (without its weights)")
    if missing:
        what = f"the trial {wanted[0]}" if len(wanted) == 1 else f"these {len(wanted)} trials"
        raise ConfigError(f"{KEY}: expected {what} done in {run.path}, with weights; lacking {_told(missing)}")


def _source(file: Path) -> StartedFrom:
    """What is noted of a file of weights; a trial's must be as its record vouches for."""
    sha256, record = _digest(file), _record(file)
    if record is None:
        return StartedFrom(sha256=sha256, file=file.name)
    trial = TrialFolder(file.parent)
    kept = record.files.get(file.relative_to(trial.run).as_posix())
    if kept is not None and kept.sha256 != sha256:
        raise ConfigError(f"{KEY}: expected {file} as it was written when its trial was done, got other contents")
    return StartedFrom(sha256=sha256, run=record.run or trial.run.name, trial=record.name)


def _record(file: Path) -> TrialResult | None:
    """The record of the trial whose weights these are; None for a file that is no trial's.

    Raises:
        InputError: it is damaged, or one of another version of gapsack.
    """
    trial = TrialFolder(file.parent)
    return trial.result() if trial.weights == file else None


def _digest(file: Path) -> str:
    try:
        status = file.stat()
        return _digest_of(file, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ConfigError(f"{KEY}: expected a file of weights at {file}, got none ({error.strerror})") from error


@lru_cache(maxsize=4)
def _digest_of(file: Path, _size_bytes: int, _changed: int) -> str:
    """Read once where all trials begin with the same file."""
    return digest_of_file(file).sha256


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    with open_npz(file, error=ConfigError) as archive:
        return {name: archive.shape(name) for name in archive.names}


def _difference(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> str | None:
    """How tensors differ from those that a model has; None where they do not."""
    told = [
        f"{name} has the shape {found[name]} in place of {shape}" if name in found else f"{name} is missing"
        for name, shape in expected.items()
        if found.get(name) != shape
    ]
    told += [f"{name} is unknown to the model" for name in found if name not in expected]
    return _told(told) if told else None


def _other_hyperparameters(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    keys = [key for key in expected if key in found and found[key] != expected[key]]
    told = ", ".join(f"{key} is {found[key]} in place of {expected[key]}" for key in keys)
    return f": {told}" if told else ""


def _told(each: list[str]) -> str:
    """A few of them, and how many others there are."""
    others = len(each) - MOST_TOLD
    return ", ".join(each[:MOST_TOLD]) + (f" and {others} others" if others > 0 else "")
