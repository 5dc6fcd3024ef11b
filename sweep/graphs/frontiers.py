"""A run's frontier and what searches for one budget found: each is offered to the other's file."""

from __future__ import annotations

from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json
from gapsack.selection.frontier import Frontier
from gapsack.selection.report.ensemble import Ensemble


def offer_to_frontier(found: Ensemble, path: Path) -> None:
    """Take an ensemble into `frontier.json` where that is there, comparable and behind.

    Raises:
        InputError: the file is no frontier.
    """
    if not path.exists():
        return
    before = _read(path)
    after = before.with_ensemble(found)
    if after != before:
        replace_json(path, after.to_dict())


def with_ensemble_of(found: Frontier, path: Path) -> Frontier:
    """A frontier with the ensemble of `ensemble.json`, where that is there, comparable and ahead."""
    return found.with_ensemble(Ensemble.read(path)) if path.exists() else found


def _read(path: Path) -> Frontier:
    try:
        return Frontier.from_dict(read_json(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
