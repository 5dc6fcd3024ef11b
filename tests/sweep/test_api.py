"""The stages as a notebook calls them: typed results, nothing printed, the working directory of no concern."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep import api
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.pools.predictions import import_candidates

GRID = """
name: notebook
data: {level: video, folder: data, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"],
       holdout: {count: 1}, classes: 12}
model: {family: gated_netvlad, options: {mixtures: 2}}
search: {grid: {clusters: [2, 3], hidden: [8]}}
training:
  {steps: 20, batch_size: 16, learning_rate: 3e-3, checkpoint_steps: 10, averaging: {last: 2, max_evaluations: 3}}
resources: {cpus: 1, concurrent: 1}
"""

SCRIPT = """
import json, sys
from pathlib import Path
from gapsack import build, ensemble, evaluate, frontier, predict, run, status
from gapsack.sweep.cluster.events import SweepEvents

class Names(SweepEvents):
    def __init__(self):
        self.told = []
    def checking_data(self):
        self.told.append("checking data")
    def sweep_started(self, *, total, done):
        self.told.append(f"{done} of {total}")
    def trial_finished(self, name, record):
        self.told.append(name)
    def sweep_ended(self):
        self.told.append("ended")

here, videos, events = Path(sys.argv[1]), [], Names()
launched = run(here / "grid.yaml", events=events)
folder = launched.run.path
chosen = ensemble(folder, budget_mib=2, workers=1)
points = frontier(folder, workers=1)
built = build(folder)
by_held_out = evaluate(folder)
by_graph = evaluate(built.info.directory, [here / "data" / "validate*.tfrecord"], advance=videos.append)
count = predict(built.info.directory, [here / "data" / "*.tfrecord"], here / "out.csv")
(here / "results.json").write_text(json.dumps({
    "told": events.told,
    "done": launched.result.done,
    "status": [status(folder).status, status(folder).best.plan.name],
    "run": str(folder),
    "members": [member.name for member in chosen.members],
    "gap_interval": chosen.gap_interval,
    "total_bytes": chosen.total_bytes,
    "points": len(points.points),
    "graph_bytes": built.info.size_bytes,
    "mlflow": [built.tracked is not None, built.untracked],
    "gap": [by_held_out.gap, by_graph.gap],
    "videos": [by_held_out.videos, by_graph.videos, sum(videos), count],
}))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid file and its data."""
    here = tmp_path_factory.mktemp("api")
    (here / "grid.yaml").write_text(GRID)
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 40, "min_frames": 1, "max_frames": 1}
    write_synth(here / "data", level="video", classes=12, seed=0, **sizes)
    return here


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_way_prints_nothing_and_leaves_the_working_directory_alone(here: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(here)]
    # MLflow puts the store that a test of this process used into the environment.
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []

    found: dict[str, Any] = json.loads((here / "results.json").read_text())
    names = ["K2-H8", "K3-H8"]
    assert found["told"] == ["checking data", "0 of 2", *names, "ended"]
    assert found["done"] == names
    run = here / "runs" / "notebook"
    assert (found["run"], found["status"][0]) == (str(run), "done")
    assert found["status"][1] in names
    # The results have their places in the run, where the commands find them.
    record = json.loads((run / "ensemble.json").read_text())
    assert [member["name"] for member in record["members"]] == found["members"]
    assert record["total_bytes"] == found["total_bytes"]
    assert (run / record["pool"]).resolve() == run / "pool"
    assert len(json.loads((run / "frontier.json").read_text())["points"]) == found["points"] > 0
    assert sum(file.stat().st_size for file in (run / "graph").rglob("*") if file.is_file()) == found["graph_bytes"]
    assert (here / "mlflow.db").exists()
    assert found["mlflow"] == [True, None]
    low, high = found["gap_interval"]
    assert low - 1e-4 <= found["gap"][0] <= high + 1e-4
    assert found["videos"] == [40, 80, 80, 160]
    assert len(pd.read_csv(here / "out.csv")) == 160


def test_errors_are_exceptions_and_say_nothing_on_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID)
    (tmp_path / "runs" / "named").mkdir(parents=True)
    with pytest.raises(InputError, match=r"data/train\*\.tfrecord"):
        api.run("grid.yaml")
    with pytest.raises(InputError, match="expected a run folder"):
        api.status("named")  # a run's name is a convenience of the commands, which know ./runs
    with pytest.raises(InputError, match="expected a candidate pool"):
        api.ensemble("named", budget_mib=10)
    with pytest.raises(InputError, match="expected a budget above 0"):
        api.ensemble("named", budget_mib=0)
    with pytest.raises(InputError, match="expected an ensemble"):
        api.build("named")
    with pytest.raises(InputError, match="expected a built graph"):
        api.evaluate("named")
    assert capfd.readouterr() == ("", "")


def test_a_pool_of_no_run_is_searched_and_nothing_is_written_unless_asked_for(tmp_path: Path) -> None:
    pool = _pool(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    chosen = api.ensemble(pool, budget_mib=3, workers=1)
    points = api.frontier(pool, workers=1)
    assert sorted(tmp_path.rglob("*")) == before
    assert chosen.total_bytes <= 3 * 2**20
    assert points.points[0].budget_bytes == 2**20
    written = api.ensemble(pool, budget_mib=3, workers=1, out=tmp_path / "other" / "ensemble.json")
    record = json.loads((tmp_path / "other" / "ensemble.json").read_text())
    assert (record["pool"], record["total_bytes"]) == ("../pool", chosen.total_bytes)
    assert written.to_dict() == record
    with pytest.raises(InputError, match="expected a folder for the graph"):
        api.build(tmp_path / "other" / "ensemble.json")


def test_control_surrounds_the_search_alone_and_gives_it_options(tmp_path: Path) -> None:
    pool, told = _pool(tmp_path), list[str]()

    @contextmanager
    def control() -> Iterator[dict[str, Any]]:
        told.append("entered")
        yield {"should_stop": lambda: True, "progress": lambda _: None}
        told.append("left")

    chosen = api.ensemble(pool, budget_mib=3, workers=1, control=control())
    assert told == ["entered", "left"]
    assert "Stopped" in chosen.search["stop_reason"]
    points = api.frontier(pool, workers=1, control=control())
    assert "Stopped" in points.search["stop_reason"]
    with pytest.raises(InputError, match="expected a candidate pool"):
        api.ensemble(tmp_path / "nowhere", budget_mib=3, control=control())
    assert told == ["entered", "left"] * 2, "nothing is searched without a pool"


def _pool(folder: Path) -> Path:
    """A pool of two candidates that only predict."""
    rng = np.random.default_rng(0)
    truth = rng.random((60, 25)) < 0.1
    ids = np.array([f"v{number:02d}" for number in range(60)])
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth)
    for name in ("a", "b"):
        np.savez(
            folder / f"{name}.npz", video_ids=ids, scores=1 / (1 + np.exp(2 - 2 * truth - rng.normal(size=(60, 25))))
        )
    import_candidates(
        folder / "pool",
        labels_file=folder / "truth.npz",
        predictions=[f"{name}={folder}/{name}.npz" for name in ("a", "b")],
        sizes=["a=1MiB", "b=2MiB"],
        class_count=None,
        top_k=20,
        default_precision="float32",
    )
    return folder / "pool"
