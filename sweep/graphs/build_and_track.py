"""`select build`: the one graph on disk, and in MLflow beside the sweep that its members come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gapsack.models.graph import GraphInfo, build_graph
from gapsack.models.graph.formats import DEFAULT_FORMAT
from gapsack.models.graph.names import SAVED_MODEL_FILE
from gapsack.models.graph.writing import WritingProgress
from gapsack.models.quiet_start import load_tensorflow
from gapsack.selection.errors import GapsackError, InputError
from gapsack.sweep.graphs.packing import Packing, extra_files, read_packing
from gapsack.sweep.runs.sources import Source
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import bring
from gapsack.sweep.tracking.ensemble_runs import EnsembleRun, tracked_ensemble
from gapsack.sweep.tracking.store import GraphModel


@dataclass(frozen=True)
class Writing:
    """How a graph is written.

    Attributes:
        format: Name of the format.
        settings: Those of the format's own that are not to be its defaults.
        saturate: Clip weights beyond their precision's range and count them, rather than refuse them.
    """

    format: str = DEFAULT_FORMAT
    settings: Mapping[str, str] = field(default_factory=dict)
    saturate: bool = False


@dataclass(frozen=True)
class Built:
    """A graph on disk, beside what the search had promised of it."""

    format: str
    info: GraphInfo
    searched_bytes: int
    reserve_bytes: int
    budget_bytes: int
    tracked: EnsembleRun | None
    untracked: str | None = None
    """Why MLflow, which was to have the ensemble, does not."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "graph": address_of(self.info.directory.absolute()),
            "format": self.format,
            "size_bytes": self.info.size_bytes,
            "files": self.info.files,
            "searched_bytes": self.searched_bytes,
            "reserve_bytes": self.reserve_bytes,
            "budget_bytes": self.budget_bytes,
            "saturated": self.info.saturated,
            "largest_difference": self.info.largest_difference,
            "mlflow_run_id": None if self.tracked is None else self.tracked.run_id,
            "mlflow_model_uri": None if self.tracked is None else self.tracked.model_uri,
        }


def build_and_track(
    source: Source,
    directory: Path,
    writing: Writing,
    *,
    track: bool,
    advance: Callable[[int], object],
    register: str | None = None,
    alias: str | None = None,
) -> Built:
    """Build the ensemble of `source` in `directory`; `advance` is called for each member written.

    With `track`, an ensemble that belongs to a run becomes an MLflow run where the sweep's own runs are, with the graph
    as its model if that is a SavedModel. MLflow being away is said in the result and does not undo the graph. With
    `register` the model becomes a version of that name in MLflow's registry, and `alias` points to it.

    Raises:
        InputError: there is to be such a version, but no SavedModel, or no run that is recorded; or an alias alone.
        InputError: see `sweep.graphs.packing.read_packing`.
        GraphError: the graph would not fit the budget, or the format cannot hold it.
    """
    _check_registering(source, writing, track, register, alias)
    packing = read_packing(source.path)
    bring(directory)  # so that what the new graph has no more goes away there too
    load_tensorflow()

    def progress(written: int, _members: int, _next: str) -> None:
        if written:
            advance(1)

    info = write_graph(packing, directory, writing, progress)
    example = packing.task.example_inputs(np.random.default_rng(0), 1)
    facts = {"blend": packing.ensemble.blend, "task": packing.task.name}
    is_savedmodel = (directory / SAVED_MODEL_FILE).is_file()
    model = GraphModel(directory, example, facts, register, alias) if is_savedmodel else None
    tracked, untracked = None, None
    if track and source.run is not None:
        try:
            tracked = tracked_ensemble(source.run, packing.ensemble, model)
        except GapsackError as error:
            untracked = str(error)
    return Built(
        format=writing.format,
        info=info,
        searched_bytes=packing.ensemble.total_bytes,
        reserve_bytes=packing.ensemble.reserve_bytes,
        budget_bytes=packing.ensemble.budget_bytes,
        tracked=tracked,
        untracked=untracked,
    )


def _check_registering(source: Source, writing: Writing, track: bool, register: str | None, alias: str | None) -> None:
    """Told before anything is built: what is to be registered must become a model in MLflow."""
    if register is None:
        if alias is not None:
            raise InputError(f"expected a registered model's name with the alias {alias!r} (--register), got none")
        return
    if not track or writing.format != DEFAULT_FORMAT:
        raise InputError(
            f"expected a SavedModel that is recorded, for the registered model {register!r}, got "
            + ("no recording" if not track else f"the format {writing.format}")
        )
    if source.run is None or not source.run.tracking_file.exists():
        raise InputError(
            f"expected an ensemble of a run that MLflow has, for the registered model {register!r}, got {source.path}"
        )


def write_graph(
    packing: Packing, directory: Path, writing: Writing | None = None, progress: WritingProgress | None = None
) -> GraphInfo:
    """Write the one graph, as a SavedModel unless told otherwise; within the ensemble's budget on disk or not at all.

    Raises:
        InputError: Members that do not fit together, weights that are missing or out of range, an unknown format.
        GraphError: The graph is larger than the budget, or the format cannot hold it.
    """
    writing = writing or Writing()
    return build_graph(
        packing.members,
        directory,
        task=packing.task,
        format=writing.format,
        blend=packing.ensemble.blend,
        budget_bytes=packing.ensemble.budget_bytes,
        saturate=writing.saturate,
        extra_files=extra_files(packing),
        progress=progress,
        settings=writing.settings,
    )


def default_folder(source: Source, format_name: str) -> Path:
    """Where a graph goes by default: `graph` in its run (or here); other formats beside it, under their own name."""
    folder = source.beside("graph", "graph")
    return folder if format_name == DEFAULT_FORMAT else folder.with_name(format_name)
