"""Built graphs as models of MLflow."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.sweep.tracking.store import GraphModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_NAME = "graph"
MODEL_CODE = Path(__file__).with_name("graph_model.py")


def log_graph(client: MlflowClient, uri: str, run_id: str, graph: GraphModel) -> str:
    """The graph as a logged model of the run, and as a version of a registered one if it is to be; its URI."""
    import mlflow.pyfunc

    # Given, because MLflow would else find them out by loading the model in a process of its own.
    requirements = [f"{name}=={version(name)}" for name in ("tensorflow", "mlflow", "numpy")]
    with _active_run(uri, run_id), _without_progress(), warnings.catch_warnings(record=True):
        # Advice about input examples and type hints, which the signature makes needless. Recorded and dropped, because
        # MLflow sets a filter of its own that shows it.
        info = mlflow.pyfunc.log_model(
            name=MODEL_NAME,
            python_model=str(MODEL_CODE),
            artifacts={"graph": str(graph.folder)},
            signature=_signature(graph.folder),
            input_example=None if graph.example is None else dict(graph.example),
            metadata={"gapsack": {"format": "savedmodel", "tensorflow": version("tensorflow"), **graph.facts}},
            pip_requirements=requirements,
        )
        if graph.register is not None:
            # Here, since a database's registry looks for the model at the global tracking URI.
            _register(client, graph.register, graph.alias, run_id, info)
    return str(info.model_uri)


def _register(client: MlflowClient, name: str, alias: str | None, run_id: str, info: Any) -> None:
    """A new version of the registered model; by the client, since MLflow's own function for it prints."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in ("ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"):
            raise
    made = client.create_model_version(name, info.model_uri, run_id, model_id=info.model_id)
    if alias is not None:
        client.set_registered_model_alias(name, alias, made.version)


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
def _without_progress() -> Iterator[None]:
    """MLflow's messages below warnings left out: it has its level from the environment, but only as it is imported."""
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _active_run(uri: str, run_id: str) -> Iterator[None]:
    """MLflow's global state set to a run for the time of the block: models can be logged in no other way.

    MLflow writes its global URI into the environment as well, where the next sweep would take it for the user's.
    """
    import mlflow

    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        mlflow.set_tracking_uri(before)  # None unsets it
