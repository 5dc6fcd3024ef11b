"""An ensemble as a run of its own below its sweep, with its graph as a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from gapsack.selection.errors import GapsackError
from gapsack.selection.report.ensemble import Ensemble, reported_on
from gapsack.selection.units import mib
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.provenance import run_environment
from gapsack.sweep.storage.mirrored import is_mirrored, way_to
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.results import source_tags, track_results
from gapsack.sweep.tracking.store import KIND_TAG, GraphModel, TrackerStore, UsedData, first_line, metric_points
from gapsack.sweep.tracking.stores import open_store


@dataclass(frozen=True)
class EnsembleRun:
    """Where MLflow has an ensemble; `model_uri` is what `mlflow.pyfunc.load_model` takes."""

    run_id: str
    model_uri: str | None


GRAPH_TAG = "gapsack.graph"
"""Of an ensemble: the way from the run's folder to its graph."""


def tracked_ensemble(run: RunFolder, ensemble: Ensemble, graph: GraphModel | None) -> EnsembleRun | None:
    """Record an ensemble where the run of its members is recorded; None where that is recorded nowhere.

    The sweep's own run there gets the ensemble's figures too.

    Raises:
        GapsackError: what the run is recorded in is not there, or does not take the ensemble; none is made elsewhere.
    """
    recorded = TrackingRecord.read(run)
    if recorded is None:
        return None
    store = open_store(recorded.uri, recorded.experiment, run.path, create=False)
    logged = ensemble_run(store, ensemble, graph=graph, run=run)
    track_results(run)
    return logged


def tracked_evaluation(run: RunFolder, graph: Path, figures: Mapping[str, float], data: UsedData) -> str | None:
    """Log what was measured on a graph with the ensemble that it was built of, as `evaluated_…`; that one's run id.

    None where the run, or an ensemble with this graph, is recorded nowhere.

    Raises:
        GapsackError: what the run is recorded in is not there, or does not take it.
    """
    recorded = TrackingRecord.read(run)
    if recorded is None or recorded.parent is None:
        return None
    store = open_store(recorded.uri, recorded.experiment, run.path, create=False)
    try:
        place = _from_run(run, graph)
        ensembles = [child for child in store.children(recorded.parent) if child.tags.get(GRAPH_TAG) == place]
        if not ensembles:
            return None
        run_id = max(ensembles, key=lambda child: child.started_milliseconds).run_id
        store.log(run_id, points=metric_points({f"evaluated_{key}": value for key, value in figures.items()}))
        store.data(run_id, [data])
    except Exception as error:
        raise GapsackError(f"expected {store.uri} to keep the evaluation, got: {first_line(error)}") from error
    return run_id


def _from_run(run: RunFolder, path: Path) -> str:
    return way_to(path.absolute(), run.path)


def ensemble_run(
    store: TrackerStore,
    ensemble: Ensemble,
    *,
    graph: GraphModel | None = None,
    metrics: Mapping[str, float] | None = None,
    report: Path | None = None,
    run: RunFolder | None = None,
) -> EnsembleRun:
    """Log an ensemble as a new run.

    Args:
        store: the experiment.
        ensemble: as ensemble.json has it.
        graph: the built graph, which becomes a model of the run.
        metrics: what was measured on the graph, beside the ensemble's own figures.
        report: the HTML report.
        run: the sweep that the members come from; if the store has it, the new run lies below it.

    Raises:
        GapsackError: the store could not take it; its run is then FAILED, unless the store is away.
    """
    name = "ensemble " + " + ".join(member.name for member in ensemble.members)
    run_id = None
    try:
        parent = _sweep_run(store, run)
        place = {} if graph is None or run is None else {GRAPH_TAG: _from_run(run, graph.folder)}
        run_id = store.create_run(name, {KIND_TAG: "ensemble", **_origin(run, parent), **place}, parent=parent)
        points = metric_points({**_metrics(ensemble), **(metrics or {})})
        tags = {**source_tags(), **run_environment(Path.cwd() if run is None or is_mirrored(run.path) else run.path)}
        store.log(run_id, points=points, params=_params(ensemble), tags=tags)
        store.dictionary(run_id, ensemble.to_dict(), "ensemble.json")
        if report is not None:
            store.artifact(run_id, report)
        model_uri = None if graph is None else store.graph(run_id, graph)
        store.end(run_id, "FINISHED")
    except BaseException as error:
        problem = first_line(error) + ("" if run_id is None else _failed(store, run_id))
        if isinstance(error, Exception):
            raise GapsackError(f"expected {store.uri} to keep the ensemble, got: {problem}") from error
        raise
    return EnsembleRun(run_id, model_uri)


def _failed(store: TrackerStore, run_id: str) -> str:
    """End a run as FAILED; what to say if not even that can be written."""
    try:
        store.end(run_id, "FAILED")
    except Exception as error:
        return f" (and its run {run_id} stays open there: {first_line(error)})"
    return ""


def _sweep_run(store: TrackerStore, run: RunFolder | None) -> str | None:
    """The sweep's own run in this store, if it is there."""
    recorded = None if run is None else TrackingRecord.read(run)
    if recorded is None or recorded.parent is None or recorded.uri != store.uri:
        return None
    return recorded.parent if store.content(recorded.parent) is not None else None


def _origin(run: RunFolder | None, parent: str | None) -> dict[str, str]:
    """Tags that lead to the sweep that trained the members."""
    folder = {} if run is None else {"gapsack.run": run.name, "gapsack.run_folder": run.address}
    return folder if parent is None else {**folder, "gapsack.sweep_run_id": parent}


def _params(ensemble: Ensemble) -> dict[str, Any]:
    """Members with precision and weight, the budget, and how the figure on new videos came about."""
    members = {
        f"member.{place}": f"{member.name} {member.precision} x {member.weight:.6g}"
        for place, member in enumerate(ensemble.members, 1)
    }
    settings = {"blend": ensemble.blend, "metric": ensemble.metric, "budget_bytes": ensemble.budget_bytes}
    if ensemble.held_out is not None:
        settings["held_out"] = reported_on(ensemble.held_out)
    return {**settings, **members}


def _metrics(ensemble: Ensemble) -> dict[str, float]:
    """The ensemble's figures: size in MiB, GAP, and GAP of items by what was not chosen on them."""
    found = {"size_mib": mib(ensemble.total_bytes), "members": float(len(ensemble.members))}
    held_out, best = ensemble.held_out or {}, ensemble.best_single or {}
    figures = {
        "gap": ensemble.gap,
        "gap_tuning": ensemble.tuning_gap,
        "gap_held_out": held_out.get("gap"),
        "gap_best_single": best.get("gap"),
    }
    return {**found, **{key: float(value) for key, value in figures.items() if isinstance(value, Real)}}
