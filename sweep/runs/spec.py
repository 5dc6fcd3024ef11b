"""All that a sweep and its trials are made of, as plain values that travel to workers and into config.json files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gapsack.models import registry
from gapsack.models.tasks import View
from gapsack.selection.pool.origin import StartedFrom
from gapsack.sweep.grid.points import TrialPoint, trial_point
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder, TrialFolder
from gapsack.sweep.storage.addresses import address_of

WITHOUT_EFFECT = ("name", "search", "budget", "resources", "tracking", "storage")
"""Sections of a grid that change which trials run, where and how recorded, but no trial's result."""


CAME_LATER = {"kernels": "auto", "teacher": None, "start_from": None}
"""Keys of the training section that earlier versions did not have, with the value that leaves things as they were: a
trial that one of them began goes on."""

DATA_CAME_LATER: dict[str, Any] = {"keys": {}}
"""The same of the data section."""


@dataclass(frozen=True)
class SweepSpec:
    """What all trials of a sweep share: the run's folder, the resolved grid, and the data files (absolute or URLs).

    `witness`: what this start's driver wrote into the folder (`sweep.runs.witness`); None where nobody looks.
    `url`: where the run lies, of whose objects the folder is a mirror; None of a run in a folder.
    """

    run_folder: str
    grid: Grid
    train_files: tuple[str, ...]
    holdout_files: tuple[str, ...]
    witness: str | None = None
    url: str | None = None

    @property
    def run(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.run_folder)

    def trial(self, axes: Mapping[str, Any]) -> TrialSpec:
        """The trial at a point of the search."""
        point = trial_point(self.grid, axes)
        grid = self.grid.of_trial(point.name, point.axes, point.training)
        point = replace(point, training=grid.training)
        return TrialSpec(self.run_folder, point, grid, self.train_files, self.holdout_files)


@dataclass(frozen=True)
class TrialSpec:
    """One trial: its point, and a sweep's values as this trial has them: `grid.training` are its own settings."""

    run_folder: str
    point: TrialPoint
    grid: Grid
    train_files: tuple[str, ...]
    holdout_files: tuple[str, ...]

    @property
    def name(self) -> str:
        """The trial's name."""
        return self.point.name

    @cached_property
    def view(self) -> View:
        """How the trial's model sees its inputs."""
        family = registry.family(self.point.family)
        complete = family.validate(self.point.hyperparameters)
        return self.grid.data.view(family, complete, self.grid.training.sample_frames)

    @property
    def started_from(self) -> StartedFrom | None:
        """Whose weights the trial begins with; None where it begins with random ones."""
        start = self.grid.training.start_from
        return None if start is None else start.source(self.name)

    @property
    def run(self) -> RunFolder:
        """The run that the trial belongs to."""
        return RunFolder(self.run_folder)

    @property
    def folder(self) -> TrialFolder:
        """The trial's own folder."""
        return self.run.trial(self.name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "run_folder": address_of(Path(self.run_folder)),
            "point": self.point.to_dict(),
            "grid": self.grid.to_dict(),
            "train_files": list(self.train_files),
            "holdout_files": list(self.holdout_files),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialSpec:
        """The inverse of `to_dict`."""
        grid = Grid.model_validate(values["grid"])
        return cls(
            run_folder=values["run_folder"],
            point=TrialPoint(**values["point"], training=grid.training),
            grid=grid,
            train_files=tuple(values["train_files"]),
            holdout_files=tuple(values["holdout_files"]),
        )

    def fingerprint(self) -> str:
        """A digest of what the trial's result follows from; a resume state of another one must not be continued."""
        relevant = self.to_dict()
        del relevant["run_folder"]
        for section in WITHOUT_EFFECT:
            del relevant["grid"][section]
        for key, default in CAME_LATER.items():
            if relevant["grid"]["training"][key] == default:
                del relevant["grid"]["training"][key]
        if self.grid.model.families:  # others may come and go
            relevant["grid"]["model"] = self.grid.model.options_of(self.point.family)
        if "teacher" in relevant["grid"]["training"]:  # the digest says what it is, wherever it lies
            del relevant["grid"]["training"]["teacher"]["predictions"]
        if "start_from" in relevant["grid"]["training"]:  # so does that of the weights to begin with
            source = self.started_from
            relevant["grid"]["training"]["start_from"] = None if source is None else source.sha256
        for key, default in DATA_CAME_LATER.items():
            if relevant["grid"]["data"].get(key) == default:
                del relevant["grid"]["data"][key]
        # That a file may be damaged does not change what is in it.
        (relevant["grid"]["data"]["holdout"] or {}).pop("allow_damaged", None)
        # Where the files lie says nothing about them, and a run may move to a machine that mounts them elsewhere.
        del relevant["grid"]["data"]["folder"]
        for key in ("train_files", "holdout_files"):
            relevant[key] = [path.rsplit("/", 1)[-1] for path in relevant[key]]
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
