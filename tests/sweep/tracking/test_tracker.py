import copy
import math
import time

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.grid.schema import Grid, Tracking
from gapsack.sweep.runs.folder import RunFolder, StoppedEarly
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage import mirrored
from gapsack.sweep.tracking.place import TrackingRecord, tracking_uri
from gapsack.sweep.tracking.store import MetricPoint, TrainedModel
from gapsack.sweep.tracking.stores import open_store
from gapsack.sweep.tracking.stores.mlflow import MlflowStore
from gapsack.sweep.tracking.tracker import StoreTracker, open_tracker

GRID = Grid.model_validate(
    {
        "name": "sweep",
        "data": {"level": "video", "validate": ["v"]},
        "model": {"family": "gated_netvlad"},
        "search": {"grid": {"clusters": [8, 16], "hidden": [32]}},
        "training": {"steps": 100},
    }
)
RECORD = TrialResult(
    name="K8-H32",
    family="gated_netvlad",
    axes={"clusters": 8, "hidden": 32},
    hyperparameters={"clusters": 8, "hidden": 32},
    steps=20,
    gap=0.81,
    gap_single=0.8,
    gap_averaged=0.81,
    parameters=1000,
    size_bytes={"float32": 4 * 2**20, "float16": 2 * 2**20},
    gap_by_precision={"float16": 0.8099},
    videos_per_second=12.5,
    environment={"device": "a processor"},
    data={"train": {"files": 3, "list_crc32c": "00ff"}},
)


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "sweep")
    folder.path.mkdir()
    folder.grid_file.write_text("name: sweep\n")
    folder.config_file.write_text("{}")
    return folder


@pytest.fixture
def runs_of(store, run):
    """The MLflow runs of the sweep by name."""
    from mlflow import MlflowClient

    client = MlflowClient(store.uri)

    def find():
        found = client.search_runs([store.experiment_id], f"tags.`gapsack.run_folder` = '{run.path}'")
        parents = {parent.info.run_name: parent for parent in found}
        children = []
        for parent in found:
            children += client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert len({child.info.run_name for child in children}) == len(children), "a trial has one run"
        return parents, {child.info.run_name: child for child in children}

    return find


def test_a_trial_that_is_stopped_early_is_told_when_it_stops(store, run, runs_of):
    tracker = StoreTracker(store, run, GRID)
    tracker.start_sweep()
    trial = run.trial("K8-H32")
    trial.begin({"config": 1})
    tracker.trial_started("K8-H32", {"clusters": 8})
    trial.stop_early(StoppedEarly(step=10, steps=100, rung=0, gap=0.1, reason="at step 10, 2 of 3 were better"))
    tracker.trial_stopped_early("K8-H32")
    deadline = time.monotonic() + 60
    while (stopped := runs_of()[1].get("K8-H32")) is None or stopped.info.status == "RUNNING":
        assert time.monotonic() < deadline, "it is told at the end alone"
        time.sleep(0.05)
    assert stopped.info.status == "KILLED"
    assert stopped.data.tags["gapsack.stopped_early"] == "at step 10, 2 of 3 were better"
    assert tracker.close("FINISHED") is None
    assert runs_of()[1]["K8-H32"].info.status == "KILLED"


def test_a_sweep_is_a_parent_run_and_each_trial_a_child(store, run, runs_of):
    from mlflow import MlflowClient

    tracker = StoreTracker(store, run, GRID)
    tracker.start_sweep()
    trial = run.trial("K8-H32")
    trial.begin({"config": 1})
    trial.curve.write_text("step,loss\n")
    tracker.trial_started("K8-H32", {"clusters": 8})
    tracker.trial_metrics("K8-H32", 10, {"loss": 5.0})
    tracker.trial_metrics("K8-H32", 20, {"loss": 4.0, "gap": 0.5, "videos_per_second": math.nan})
    tracker.trial_started("K16-H32", {"clusters": 16})
    tracker.trial_finished("K8-H32", RECORD, [trial.config_file, trial.curve, trial.record])
    tracker.trial_failed("K16-H32", "the loss is not finite")
    assert tracker.close("FAILED") is None

    parents, children = runs_of()
    assert parents["sweep"].info.status == "FAILED"
    assert parents["sweep"].data.params["training.steps"] == "100"
    assert "env.tensorflow" in parents["sweep"].data.tags
    done, failed = children["K8-H32"], children["K16-H32"]
    assert (done.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert done.data.params["clusters"] == "8"
    assert done.data.metrics == {
        "loss": 4.0,
        "gap": 0.81,
        "gap_single": 0.8,
        "gap_averaged": 0.81,
        "gap_float16": 0.8099,
        "parameters": 1000.0,
        "videos_per_second": 12.5,
        "size_mib_float32": 4.0,
        "size_mib_float16": 2.0,
    }
    assert done.data.tags["env.device"] == "a processor"
    assert done.data.tags["data.train.list_crc32c"] == "00ff"
    assert failed.data.tags["gapsack.reason"] == "the loss is not finite"
    client = MlflowClient(store.uri)
    assert [(point.step, point.value) for point in client.get_metric_history(done.info.run_id, "loss")] == [
        (10, 5.0),
        (20, 4.0),
    ]
    assert {file.path for file in client.list_artifacts(done.info.run_id)} == {"config.json", "curve.csv"}
    assert {file.path for file in client.list_artifacts(parents["sweep"].info.run_id)} == {"config.json", "grid.yaml"}


def test_what_a_dead_driver_left_running_is_closed_on_the_next_start(store, run, runs_of):
    dead = StoreTracker(store, run, GRID)
    dead.start_sweep()
    for name in ("K8-H32", "K16-H32"):
        dead.trial_started(name, {})
    # A dead driver never closes; here its writes are waited for, to know what it left.
    dead._backlog.close(30)
    assert {child.info.status for child in runs_of()[1].values()} == {"RUNNING"}

    following = StoreTracker(store, run, GRID)
    following.start_sweep()
    following._backlog.close(30)
    assert {child.info.status for child in runs_of()[1].values()} == {"KILLED"}


def test_runs_deleted_in_mlflow_are_made_anew(store, run, runs_of):
    from mlflow import MlflowClient

    first = StoreTracker(store, run, GRID)
    first.start_sweep()
    first.trial_started("K8-H32", {})
    first.close("KILLED")
    parents, children = runs_of()
    old = {parents["sweep"].info.run_id, children["K8-H32"].info.run_id}
    for run_id in old:
        MlflowClient(store.uri).delete_run(run_id)

    second = StoreTracker(store, run, GRID)
    second.start_sweep()
    second.trial_started("K8-H32", {})
    second.close("FINISHED")
    parents, children = runs_of()
    assert not old & {parents["sweep"].info.run_id, children["K8-H32"].info.run_id}


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db", "nonsense://x"])
def test_no_mlflow_at_the_uri_is_an_input_error(uri, tmp_path):
    with pytest.raises(InputError, match="expected MLflow at"):
        MlflowStore(uri, "gapsack", tmp_path)


def test_the_link_opens_the_experiments_runs(store, tmp_path):
    page = f"/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    assert store.view == f"mlflow ui --backend-store-uri {store.uri}  # then open http://127.0.0.1:5000{page}"
    store = copy.copy(store)
    store.uri = "https://tracking.example/"
    assert store.view == f"open https://tracking.example{page}"


def test_models_of_any_trial_name_are_taken(store):
    from mlflow import MlflowClient

    run_id = store.create_run("a run", {})
    for _ in range(2):
        store.log(run_id, model=TrainedModel("L0.5-A/B:C", "dbof", {"x": 1}, {}, (MetricPoint("gap", 0.5, 3, 1),)))
    (output,) = MlflowClient(store.uri).get_run(run_id).outputs.model_outputs
    assert MlflowClient(store.uri).get_logged_model(output.model_id).name == "L0_5-A_B_C"
    assert len(MlflowClient(store.uri).get_metric_history(run_id, "gap")) == 1


def test_the_tracking_uri_is_the_grids_then_the_environments_then_sqlite_here(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Tracking(), tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri(Tracking(), tmp_path) == "http://server:5000"
    assert (
        tracking_uri(Tracking(uri="sqlite:///other.db?timeout=9"), tmp_path)
        == f"sqlite:///{tmp_path}/other.db?timeout=9"
    )
    assert tracking_uri(Tracking(uri="sqlite:////there/other.db"), tmp_path) == "sqlite:////there/other.db"
    assert tracking_uri(Tracking(uri="none"), tmp_path) is None


def test_ids_of_runs_are_kept_in_a_file_that_grows_as_the_trials_do(run, tmp_path, monkeypatch):
    """Each time all are written: a time a trial would be quadratic. At the end the file has them all."""
    written = []
    write = TrackingRecord.write
    monkeypatch.setattr(
        TrackingRecord, "write", lambda kept, *where: (written.append(len(kept.trials)), write(kept, *where))[1]
    )
    tracker = StoreTracker(open_store(f"jsonl:{tmp_path / 'records'}", "sweeps", tmp_path), run, GRID)
    tracker.start_sweep()
    names = [f"K{number}-H32" for number in range(300)]
    for number, name in enumerate(names):
        tracker.trial_started(name, {"clusters": number, "hidden": 32})
    tracker.close("FAILED")
    assert sum(written) < 12 * len(names)
    assert set(TrackingRecord.read(run).trials) == set(names)


def test_records_of_a_run_at_a_url_name_that(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirrored, "_mirrors", [])
    run = RunFolder(mirrored.driven("memory://bucket/runs/sweep"))
    run.path.mkdir(parents=True)
    run.grid_file.write_text("name: sweep\n")
    grid = GRID.model_copy(update={"tracking": Tracking(uri="jsonl:records")})
    tracker = open_tracker(run, grid, tmp_path, pytest.fail)
    tracker.start_sweep()
    trial = run.trial("K8-H32")
    trial.begin({"config": 1})
    trial.fail(f"expected numbers in {trial.curve}, got none")
    tracker.trial_started("K8-H32", {"clusters": 8})
    tracker.trial_failed("K8-H32", f"expected numbers in {trial.curve}, got none")
    assert tracker.close("FAILED") is None
    told = "".join(path.read_text() for path in (tmp_path / "records").rglob("*.jsonl"))
    assert '"memory://bucket/runs/sweep"' in told
    assert "expected numbers in memory://bucket/runs/sweep/trials/K8-H32/curve.csv, got none" in told
    assert str(tmp_path / "cache") not in told
