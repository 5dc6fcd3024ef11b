"""A run's frontier and what searches for one budget found: each is offered to the other's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json
from gapsack.selection.frontier import Frontier
from gapsack.selection.report.ensemble import Ensemble

Notice = Callable[[str], object]
"""Gets a sentence on a file that is damaged, and is left as it is: it stops nothing."""


def offer_to_frontier(found: Ensemble, path: Path, notice: Notice) -> None:
    """Take an ensemble into `frontier.json` where that is there, comparable and behind."""
    if not path.exists():
        return
    try:
        before = _read(path)
    except InputError as error:
        notice(f"The ensemble is not offered to the frontier: {error}")
        return
    after = before.with_ensemble(found)
    if after != before:
        replace_json(path, after.to_dict())


def with_ensemble_of(found: Frontier, path: Path, notice: Notice) -> Frontier:
    """A frontier with the ensemble of `ensemble.json`, where that is there, comparable and ahead."""
    if not path.exists():
        return found
    try:
        return found.with_ensemble(Ensemble.read(path))
    except InputError as error:
        notice(f"The frontier is without the run's ensemble: {error}")
        return found


def _read(path: Path) -> Frontier:
    try:
        return Frontier.from_dict(read_json(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
