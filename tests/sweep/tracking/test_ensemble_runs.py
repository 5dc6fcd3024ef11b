import logging
import os

import numpy as np
import pytest

from gapsack.selection.errors import GapsackError
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.tracking.ensemble_runs import ensemble_run
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.store import GraphModel

CONTENT = {
    "format": "gapsack.ensemble/1",
    "members": [
        {"name": "K8-H16", "precision": "float16", "weight": 0.4, "size_bytes": 2**20},
        {"name": "K4-H8", "precision": "int8", "weight": 0.6, "size_bytes": 2**20},
    ],
    "blend": "probability",
    "total_bytes": 2 * 2**20,
    "budget_bytes": 3 * 2**20,
    "gap": 0.8,
    "held_out": {"gap": 0.79},
    "best_single": {"gap": 0.78},
}
EXAMPLE = {"frames": np.ones((1, 2, 3), np.uint8), "num_frames": np.array([2], np.int32)}
ENSEMBLE = Ensemble.from_dict(CONTENT)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A SavedModel with a signature of the graph's shape: mean over frames, times two."""
    import tensorflow as tf

    class Doubling(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(2.0)

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, None, 3), tf.uint8, name="frames"),
                tf.TensorSpec((None,), tf.int32, name="num_frames"),
            ]
        )
        def serve(self, frames, num_frames):
            total = tf.reduce_sum(tf.cast(frames, tf.float32), axis=1)
            return {"predictions": self.factor * total / tf.cast(num_frames, tf.float32)[:, None]}

    module, folder = Doubling(), tmp_path_factory.mktemp("graph")
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def test_an_ensemble_is_a_run_of_its_own(store, tmp_path):
    from mlflow import MlflowClient

    run = RunFolder(tmp_path / "sweep")
    run.path.mkdir()
    parent = store.create_run("sweep", {})
    TrackingRecord(store.uri, "gapsack", store.experiment_id, parent).write(run, tmp_path)
    report = tmp_path / "report.html"
    report.write_text("<html>")
    logged = ensemble_run(store, ENSEMBLE, metrics={"graph_gap": 0.81}, report=report, run=run)

    client = MlflowClient(store.uri)
    found = client.get_run(logged.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params["member.2"] == "K4-H8 int8 x 0.6"
    assert found.data.params["held_out"] == "held out"
    assert found.data.metrics == {
        "size_mib": 2.0,
        "members": 2.0,
        "gap": 0.8,
        "gap_held_out": 0.79,
        "gap_best_single": 0.78,
        "graph_gap": 0.81,
    }
    assert found.data.tags["gapsack.sweep_run_id"] == parent
    assert {file.path for file in client.list_artifacts(logged.run_id)} == {"ensemble.json", "report.html"}
    assert logged.model_uri is None


@pytest.mark.slow
def test_the_graph_is_a_logged_model_that_mlflow_loads_and_runs(store, graph, capfd):
    import mlflow

    def global_uri():
        return mlflow.is_tracking_uri_set(), mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")

    logging.getLogger("mlflow").setLevel(logging.INFO)  # as where MLflow was imported by something else
    before = global_uri()
    logged = ensemble_run(store, ENSEMBLE, graph=GraphModel(graph, EXAMPLE, {"blend": "probability"}, "packed", "best"))
    assert global_uri() == before
    assert capfd.readouterr() == ("", "")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store.uri)
    model = mlflow.pyfunc.load_model(logged.model_uri)
    frames = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    outputs = model.predict({"frames": frames, "num_frames": np.array([4, 4], np.int32)})
    np.testing.assert_allclose(outputs["predictions"], 2 * frames.mean(axis=1), rtol=1e-6)
    assert model.metadata.metadata["gapsack"]["format"] == "savedmodel"
    assert model.metadata.metadata["gapsack"]["blend"] == "probability"
    example = model.metadata.load_input_example()
    np.testing.assert_array_equal(example["frames"], EXAMPLE["frames"])
    version = mlflow.MlflowClient(store.uri).get_model_version_by_alias("packed", "best")
    assert (version.name, version.run_id, int(version.version)) == ("packed", logged.run_id, 1)
    assert mlflow.pyfunc.load_model("models:/packed@best").metadata.model_uuid == model.metadata.model_uuid
    ensemble_run(store, ENSEMBLE, graph=GraphModel(graph, register="packed"))
    assert len(mlflow.MlflowClient(store.uri).search_model_versions("name = 'packed'")) == 2
    assert [spec.name for spec in model.metadata.signature.inputs.inputs] == ["frames", "num_frames"]
    run = mlflow.MlflowClient(store.uri).get_run(logged.run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [logged.model_uri.removeprefix("models:/")]


def test_a_graph_that_is_not_there_fails_the_run_with_a_sentence(store, tmp_path):
    from mlflow import MlflowClient

    with pytest.raises(GapsackError, match="to keep the ensemble"):
        ensemble_run(store, ENSEMBLE, graph=GraphModel(tmp_path / "nothing"))
    failed = MlflowClient(store.uri).search_runs(
        [store.experiment_id], "tags.`gapsack.kind` = 'ensemble' and attributes.status = 'FAILED'"
    )
    assert len(failed) == 1
