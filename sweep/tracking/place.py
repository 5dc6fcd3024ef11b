"""Where a sweep is recorded: the URI, and tracking.json, by which a run finds its records again wherever it lies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gapsack.selection.files import replace_json
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Tracking
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.storage.mirrored import is_mirrored

URI_VARIABLE = "MLFLOW_TRACKING_URI"

NOWHERE = "none"
"""The URI of those who want no records beside the run folder's own."""

LOCAL_PREFIXES = ("sqlite:///", "jsonl:")
"""URIs that are a prefix and a path on this machine."""


def tracking_uri(tracking: Tracking, folder: Path) -> str | None:
    """The grid's own URI, else $MLFLOW_TRACKING_URI, else a SQLite file in `folder`; None where nothing is to be kept.

    A path in it is taken from `folder`, and is absolute in the result.
    """
    uri = tracking.uri or os.environ.get(URI_VARIABLE) or "sqlite:///mlflow.db"
    return None if uri == NOWHERE else _absolute(uri, folder)


@dataclass
class TrackingRecord:
    """tracking.json: where a run is recorded, and as which runs there.

    In the file, a store on this machine that lies below the same working folder as the run is told by its way from the
    run folder, so that a project that is copied or moved keeps its records with it.

    Attributes:
        uri: Of the store, with absolute paths.
        experiment: Its name.
        experiment_id: By which the store knows it.
        parent: The sweep's own run; None as long as there is none.
        trials: The runs of its trials, by name.
    """

    uri: str
    experiment: str
    experiment_id: str
    parent: str | None = None
    trials: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, run: RunFolder) -> TrackingRecord | None:
        """What a run's file says; None where there is none.

        Raises:
            DamagedFileError: it is damaged; names it.
        """
        kept = run.tracking_ids()
        if kept is None:
            return None
        return cls(
            uri=_absolute(kept.uri, run.path),
            # Files of earlier versions have no name: it was, and is, that of the grid.
            experiment=kept.experiment if kept.experiment is not None else _grid_experiment(run),
            experiment_id=kept.experiment_id,
            parent=kept.parent,
            trials=dict(kept.trials),
        )

    def write(self, run: RunFolder, folder: Path) -> None:
        """Keep it with the run; `folder` is the working folder."""
        values: dict[str, Any] = {
            "uri": _from_run(self.uri, run, folder),
            "experiment": self.experiment,
            "experiment_id": self.experiment_id,
            "parent": self.parent,
            "trials": self.trials,
        }
        replace_json(run.tracking_file, values)


def local_path(uri: str) -> Path | None:
    """The path of a store on this machine, without what may be set behind it; None of any other."""
    for prefix in LOCAL_PREFIXES:
        if uri.startswith(prefix) and ":memory:" not in uri:
            return Path(uri.removeprefix(prefix).split("?", 1)[0])
    return None


def _absolute(uri: str, folder: Path) -> str:
    path = local_path(uri)
    return uri if path is None else _with_path(uri, os.path.normpath(folder.absolute() / path))


def _from_run(uri: str, run: RunFolder, folder: Path) -> str:
    path, working = local_path(uri), folder.absolute()
    if path is None or is_mirrored(run.path) or not (path.is_relative_to(working) and run.path.is_relative_to(working)):
        return uri
    return _with_path(uri, os.path.relpath(path, run.path))


def _with_path(uri: str, other: str) -> str:
    """The same URI with another path: the prefix and what may be set behind the path stay."""
    prefix = next(prefix for prefix in LOCAL_PREFIXES if uri.startswith(prefix))
    settings = uri.removeprefix(prefix).split("?", 1)[1:]
    return "?".join([prefix + other, *settings])


def _grid_experiment(run: RunFolder) -> str:
    return load_config(run.config_file).tracking.experiment
