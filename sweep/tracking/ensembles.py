"""An ensemble as an MLflow run of its own, with its graph as a logged model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from gapsack.selection.errors import GapsackError
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.units import mib
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.provenance import run_environment
from gapsack.sweep.tracking.mlflow import MlflowStore, first_line

MODEL_NAME = "graph"
MODEL_CODE = Path(__file__).with_name("graph_model.py")


@dataclass(frozen=True)
class EnsembleRun:
    """Where MLflow has an ensemble; `model_uri` is what `mlflow.pyfunc.load_model` takes."""

    run_id: str
    model_uri: str | None


def ensemble_run(
    store: MlflowStore,
    ensemble: Ensemble,
    *,
    graph: Path | None = None,
    metrics: Mapping[str, float] | None = None,
    report: Path | None = None,
    run: RunFolder | None = None,
) -> EnsembleRun:
    """Log an ensemble as a new run.

    Args:
        store: the experiment.
        ensemble: as ensemble.json has it.
        graph: folder of the built graph (a SavedModel), which becomes a logged model.
        metrics: what was measured on the graph, beside the ensemble's own figures.
        report: the HTML report.
        run: the sweep that the members come from.

    Raises:
        GapsackError: MLflow could not take it; its run is then FAILED.
    """
    name = "ensemble " + " + ".join(member.name for member in ensemble.members)
    run_id = store.create_run(name, {"gapsack.kind": "ensemble", **_origin(store, run)})
    try:
        store.log(run_id, params=_params(ensemble), metrics={**_metrics(ensemble), **(metrics or {})})
        store.log(run_id, tags=run_environment(Path.cwd() if run is None else run.path))
        store.dictionary(run_id, ensemble.to_dict(), "ensemble.json")
        if report is not None:
            store.artifact(run_id, report)
        model_uri = None if graph is None else _log_graph(store, run_id, graph)
    except BaseException as error:
        store.end(run_id, "FAILED")
        if isinstance(error, Exception):
            raise GapsackError(
                f"expected MLflow at {store.uri} to keep the ensemble, got: {first_line(error)}"
            ) from error
        raise
    store.end(run_id, "FINISHED")
    return EnsembleRun(run_id, model_uri)


def _origin(store: MlflowStore, run: RunFolder | None) -> dict[str, str]:
    """Tags that lead to the sweep that trained the members."""
    if run is None:
        return {}
    tags = {"gapsack.run": run.name, "gapsack.run_folder": str(run.path)}
    kept = run.tracking_ids()
    if kept is not None and kept.uri == store.uri:
        tags["gapsack.sweep_run_id"] = str(kept.parent)
    return tags


def _params(ensemble: Ensemble) -> dict[str, Any]:
    """Members with precision and weight, and the budget."""
    members = {
        f"member.{place}": f"{member.name} {member.precision} x {member.weight:.6g}"
        for place, member in enumerate(ensemble.members, 1)
    }
    settings = {"blend": ensemble.blend, "metric": ensemble.metric, "budget_bytes": ensemble.budget_bytes}
    return {**settings, **members}


def _metrics(ensemble: Ensemble) -> dict[str, float]:
    """The ensemble's figures: size in MiB, GAP, and GAP on the videos that did not tune it."""
    found = {"size_mib": mib(ensemble.total_bytes), "members": float(len(ensemble.members))}
    held_out, best = ensemble.held_out or {}, ensemble.best_single or {}
    figures = {
        "gap": ensemble.gap,
        "gap_tuning": ensemble.tuning_gap,
        "gap_held_out": held_out.get("gap"),
        "gap_best_single": best.get("gap"),
    }
    return {**found, **{key: float(value) for key, value in figures.items() if isinstance(value, Real)}}


def _log_graph(store: MlflowStore, run_id: str, graph: Path) -> str:
    """The graph as a logged model of the run; its URI."""
    import mlflow.pyfunc

    # Given, because MLflow would else find them out by loading the model in a process of its own.
    requirements = [f"{name}=={version(name)}" for name in ("tensorflow", "mlflow", "numpy")]
    with _active_run(store, run_id), warnings.catch_warnings(record=True):
        # Advice about input examples and type hints, which the signature makes needless. Recorded and dropped, because
        # MLflow sets a filter of its own that shows it.
        info = mlflow.pyfunc.log_model(
            name=MODEL_NAME,
            python_model=str(MODEL_CODE),
            artifacts={"graph": str(graph)},
            signature=_signature(graph),
            pip_requirements=requirements,
        )
    return str(info.model_uri)


def _signature(graph: Path) -> Any:
    """The graph's own signature, as MLflow writes signatures."""
    import tensorflow as tf
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((graph / "saved_model.pb").read_bytes())
    serving = saved.meta_graphs[0].signature_def["serving_default"]

    def schema(tensors: Mapping[str, Any]) -> Any:
        return Schema(
            [
                TensorSpec(
                    np.dtype(tf.dtypes.as_dtype(tensor.dtype).as_numpy_dtype),
                    tuple(dimension.size for dimension in tensor.tensor_shape.dim),
                    name,
                )
                for name, tensor in sorted(tensors.items())
            ]
        )

    return ModelSignature(inputs=schema(serving.inputs), outputs=schema(serving.outputs))


@contextmanager
def _active_run(store: MlflowStore, run_id: str) -> Iterator[None]:
    """MLflow's global state set to a run for the time of the block: models can be logged in no other way."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.uri)
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        mlflow.set_tracking_uri(before)
