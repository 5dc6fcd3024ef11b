"""MLflow's faults: gone, moved, copied, away, and opened by several at once.

| fault | what happens |
|---|---|
| the store vanished since the sweep's first part | told; the new one gets what is done from the run folder |
| the project was copied | the copy's store is written to, the original and its files stay as they are |
| the project was moved | nothing appears at its old place |
| a run was taken out of its project | told; no store is made anywhere for an ensemble |
| several sweeps make one store at once | all have it, and one experiment |
| MLflow is away, or goes away, during `select build` | the graph is built, and why MLflow has it not is told |
| nobody wants MLflow | it is not even imported |
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from gapsack.models.graph import GraphInfo
from gapsack.models.tasks.dense import DenseTask
from gapsack.selection.errors import GapsackError, InputError
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.cli.choose import app
from gapsack.sweep.cli.runs import app as sweep_app
from gapsack.sweep.graphs import build_and_track as building
from gapsack.sweep.graphs.build_and_track import Writing, build_and_track
from gapsack.sweep.graphs.serve import Job
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.sources import Source
from gapsack.sweep.tracking.ensemble_runs import tracked_ensemble
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.stores.mlflow import MlflowStore
from gapsack.sweep.tracking.tracker import open_tracker

NAMES = ("K2-H8", "K4-H8")
ENSEMBLE = Ensemble.from_dict({"members": [{"name": "K2-H8", "weight": 1.0, "size_bytes": 9}], "budget_bytes": 99})


def make_run(project: Path, **tracking: str) -> tuple[RunFolder, Grid]:
    """A run with two trials that are done, by its files."""
    grid = Grid.model_validate(
        {
            "name": "sweep",
            "data": {"level": "video", "validate": ["v"]},
            "model": {"family": "gated_netvlad"},
            "search": {"grid": {"clusters": [2, 4], "hidden": [8]}},
            "training": {"steps": 2},
            "tracking": tracking,
        }
    )
    run = RunFolder(project / "runs" / "sweep")
    run.path.mkdir(parents=True)
    run.config_file.write_text(json.dumps(grid.to_dict()))
    for name in NAMES:
        trial = run.trial(name)
        trial.begin({"point": {"name": name, "hyperparameters": {"clusters": 2}}})
        trial.curve.write_text("step,loss,gap,learning_rate,videos_per_second,seconds\n1,0.5,,,,0.1\n")
        trial.finish(TrialResult(name=name, family="f", axes={}, hyperparameters={}, size_bytes={}, gap=0.5, steps=2))
    return run, grid


def record(run: RunFolder, grid: Grid, project: Path) -> list[str]:
    """Have the run recorded, as a sweep does that has nothing left to train; what a person was told."""
    told: list[str] = []
    tracker = open_tracker(run, grid, project, told.append)
    tracker.start_sweep()
    assert tracker.close("FINISHED") is None
    return told


def statuses(run: RunFolder) -> dict[str, str]:
    recorded = TrackingRecord.read(run)
    assert recorded is not None and recorded.parent is not None
    store = MlflowStore(recorded.uri, recorded.experiment, run.path, create=False)
    return {child.name: child.status for child in store.children(recorded.parent)}


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a recorded run, which tests copy: making a database takes seconds."""
    project = tmp_path_factory.mktemp("pristine") / "project"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert record(*make_run(project), project) == []
    return project


@pytest.fixture
def project(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(pristine, tmp_path / "original")
    # As if the copy had been made where it lies.
    run = RunFolder(tmp_path / "original" / "runs" / "sweep")
    record(run, the_grid(run), tmp_path / "original")
    return tmp_path / "original"


def the_grid(run: RunFolder) -> Grid:
    return Grid.model_validate(json.loads(run.config_file.read_text()))


@pytest.mark.slow
def test_a_store_that_vanished_is_told_and_made_again_from_the_run_folder(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = tmp_path / "project"
    shutil.copytree(pristine, project, ignore=lambda *_: ["mlflow.db", "mlruns"])
    run = RunFolder(project / "runs" / "sweep")
    told = record(run, the_grid(run), project)
    assert told == [
        "This sweep was recorded here before, and its records are gone; it is recorded in "
        f"sqlite:///{project}/mlflow.db (experiment 'gapsack') from now on, which gets what is done already from the "
        "run folder"
    ]
    assert statuses(run) == dict.fromkeys(NAMES, "FINISHED")
    assert record(run, the_grid(run), project) == []


def test_a_copied_project_writes_to_its_own_store(project: Path) -> None:
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    before = all_files(project)
    run = RunFolder(copy / "runs" / "sweep")
    shutil.rmtree(run.trial("K4-H8").path)
    assert record(run, the_grid(run), copy) == []
    assert tracked_ensemble(run, ENSEMBLE, None) is not None
    assert all_files(project) == before
    assert set(statuses(run)) == {*NAMES, "ensemble K2-H8"}
    kept = [path.name for path in (copy / "mlruns").rglob("*.json")]
    assert kept.count("ensemble.json") == 1


def test_a_moved_project_leaves_nothing_at_its_old_place(project: Path) -> None:
    moved = project.with_name("moved")
    project.rename(moved)
    run = RunFolder(moved / "runs" / "sweep")
    assert tracked_ensemble(run, ENSEMBLE, None) is not None
    assert record(run, the_grid(run), moved) == []
    assert not project.exists()
    assert statuses(run) == {**dict.fromkeys(NAMES, "FINISHED"), "ensemble K2-H8": "FINISHED"}


def test_a_run_without_its_project_makes_no_store_for_an_ensemble(project: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "runs" / "sweep"
    shutil.copytree(project / "runs" / "sweep", alone)
    with pytest.raises(GapsackError, match="in which the run is recorded; it is not there"):
        tracked_ensemble(RunFolder(alone), ENSEMBLE, None)
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["runs"]


def test_tracking_files_of_earlier_versions_are_read(project: Path) -> None:
    run = RunFolder(project / "runs" / "sweep")
    recorded = TrackingRecord.read(run)
    assert recorded is not None
    earlier = {"uri": recorded.uri, "experiment_id": recorded.experiment_id, "parent": recorded.parent, "trials": {}}
    run.tracking_file.write_text(json.dumps(earlier))
    assert record(run, the_grid(run), project) == []
    assert TrackingRecord.read(run) == recorded


@pytest.mark.parametrize("content", ["[]", "{}", '{"uri": "x", "experiment_id": "1", "parent": null, "trials": 3}'])
def test_a_damaged_tracking_file_is_named(project: Path, content: str) -> None:
    run = RunFolder(project / "runs" / "sweep")
    run.tracking_file.write_text(content)
    with pytest.raises(GapsackError, match=r"expected where a run is recorded in .*tracking\.json, got"):
        record(run, the_grid(run), project)


OPENING = """
import sys, time
from pathlib import Path
from typing import Any
from gapsack.sweep.tracking.stores import open_store
import mlflow
print("ready", flush=True)
sys.stdin.readline()
print(open_store(sys.argv[1], "gapsack", Path(sys.argv[2])).experiment_id)
"""


@pytest.mark.long
def test_sweeps_that_make_a_store_at_once_share_it(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-c", OPENING, uri, str(tmp_path)]
    openers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ended = [(*opener.communicate(timeout=200), opener.returncode) for opener in openers]
    assert [code for _, _, code in ended] == [0, 0, 0], ended
    assert len({out for out, _, _ in ended}) == 1


@pytest.mark.parametrize("uri", ["none", "jsonl:records"])
def test_without_mlflow_nothing_imports_it(tmp_path: Path, uri: str) -> None:
    run, _ = make_run(tmp_path, uri=uri)
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from gapsack.sweep.grid.schema import Grid\n"
        "from gapsack.sweep.runs.folder import RunFolder\n"
        "from gapsack.sweep.tracking.tracker import open_tracker\n"
        "run = RunFolder(sys.argv[1])\n"
        "grid = Grid.model_validate(json.loads(run.config_file.read_text()))\n"
        "tracker = open_tracker(run, grid, Path(sys.argv[2]), print)\n"
        "tracker.start_sweep()\n"
        "assert tracker.close('FINISHED') is None\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(run.path), str(tmp_path)], check=True, timeout=120)
    assert not (tmp_path / "mlflow.db").exists()
    written = sorted(path.name for path in tmp_path.glob("records/gapsack/*.jsonl"))
    assert len(written) == (0 if uri == "none" else 3)
    assert run.tracking_file.exists() == (uri != "none")
    if uri == "none":
        assert tracked_ensemble(run, ENSEMBLE, None) is None


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., building.Built]:
    """`select build` with a graph that is only pretended: MLflow is what matters here."""
    info = GraphInfo(tmp_path / "graph", {"saved_model.pb": 0})

    class Packed:
        ensemble = ENSEMBLE
        task = DenseTask((("x", (3,)),), classes=4)

    def write(*_values: object) -> GraphInfo:
        (tmp_path / "graph").mkdir()
        (tmp_path / "graph" / "saved_model.pb").write_bytes(b"")
        return info

    monkeypatch.setattr(building, "read_packing", lambda _path: Packed())
    monkeypatch.setattr(building, "load_tensorflow", lambda: None)
    monkeypatch.setattr(building, "write_graph", write)

    def build(run: RunFolder, writing: Writing | None = None, **options: Any) -> building.Built:
        settings = {"track": True, "advance": lambda _members: None, **options}
        return build_and_track(Source(run.ensemble_file, run), tmp_path / "graph", writing or Writing(), **settings)

    return build


def test_mlflow_is_away_during_build(build: Callable[..., building.Built], tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    TrackingRecord("http://127.0.0.1:9", "gapsack", "1", "abc").write(run, tmp_path)
    built = build(run)
    assert built.tracked is None
    assert built.untracked is not None
    assert built.untracked.startswith("expected MLflow at http://127.0.0.1:9 (tracking.uri), got: ")
    assert built.info.directory.is_dir()


def test_mlflow_goes_away_during_build(
    build: Callable[..., building.Built], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_away(*_values: object, **_named: object) -> None:
        raise ConnectionError("nobody answers\nand a second line")

    for method in ("graph", "end"):
        monkeypatch.setattr(MlflowStore, method, go_away)
    built = build(RunFolder(project / "runs" / "sweep"))
    assert built.tracked is None
    assert built.untracked is not None
    assert "to keep the ensemble, got: nobody answers (and its run " in built.untracked
    assert "stays open there: nobody answers)" in built.untracked


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"alias": "best"}, "expected a registered model's name with the alias 'best'"),
        ({"register": "packed", "track": False}, "got no recording"),
        ({"register": "packed", "writing": Writing("litert")}, "got the format litert"),
        ({"register": "packed"}, "expected an ensemble of a run that MLflow has"),
    ],
)
def test_what_cannot_be_registered_is_told_before_anything_is_built(
    build: Callable[..., building.Built], tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    run, _ = make_run(tmp_path)
    with pytest.raises(InputError, match=problem):
        build(run, **options)
    assert not (tmp_path / "graph").exists()


def test_plain_files_register_nothing(build: Callable[..., building.Built], tmp_path: Path) -> None:
    run, grid = make_run(tmp_path, uri="jsonl:records")
    record(run, grid, tmp_path)
    assert build(run).untracked is None
    shutil.rmtree(tmp_path / "graph")
    told = build(run, register="packed").untracked
    assert told is not None
    assert "expected MLflow, which has a register of models, for 'packed'" in told


def test_the_report_is_kept_and_a_store_that_is_away_does_not_undo_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_report(path: Path, _records: object) -> Path:
        path.write_text("<html>")
        return path

    monkeypatch.setattr("gapsack.dashboards.report.write_report", write_report)
    monkeypatch.setattr("gapsack.sweep.runs.report.sweep_records", lambda _run, _metric: SimpleNamespace(notices=()))
    monkeypatch.setattr("gapsack.sweep.cli.reports._searched", lambda records, _run: records)
    run, grid = make_run(tmp_path, uri="jsonl:records")
    record(run, grid, tmp_path)
    recorded = TrackingRecord.read(run)
    assert recorded is not None
    for options, count in ((["--no-track"], 0), (["--out", str(tmp_path / "other.html")], 0), ([], 1)):
        result = CliRunner().invoke(sweep_app, ["report", str(run.path), *options])
        assert (result.exit_code, result.stderr) == (0, "")
        assert len(list((tmp_path / "records" / "gapsack" / str(recorded.parent)).glob("report.html"))) == count

    (tmp_path / "records").rename(tmp_path / "gone")
    result = CliRunner().invoke(sweep_app, ["report", str(run.path)])
    assert result.exit_code == 0
    assert "MLflow did not take the report: expected the folder" in result.stderr


def test_an_evaluation_that_cannot_be_logged_says_why(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    shard = tmp_path / "v0.tfrecord"
    shard.write_bytes(b"")
    nothing: Any = None
    job = Job(run.graph, (str(shard),), nothing, 1, nothing, run=run)
    assert job.record({"gap": 0.5}) is None  # the run is recorded nowhere
    TrackingRecord("http://127.0.0.1:9", "gapsack", "1", "abc").write(run, tmp_path)
    assert str(job.record({"gap": 0.5})).startswith("expected MLflow at http://127.0.0.1:9")


def test_build_says_that_mlflow_did_not_take_it_and_ends_well(
    build: Callable[..., building.Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = make_run(tmp_path)
    run.ensemble_file.write_text("{}")
    TrackingRecord("http://127.0.0.1:9", "gapsack", "1", "abc").write(run, tmp_path)
    result = CliRunner().invoke(app, ["build", str(run.path), "--out", str(tmp_path / "graph"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert "The graph is built, but MLflow did not take it: expected MLflow at http://127.0.0.1:9" in result.stderr
    assert json.loads(result.stdout)["mlflow_run_id"] is None
