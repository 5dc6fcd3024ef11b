"""Every command that takes a place takes its URL; what it prints, writes and refuses names that, and no folder here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gapsack.models import sizes
from gapsack.models.checkpoints import write_weights
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.pool.origin import TrialOrigin
from gapsack.sweep import api
from gapsack.sweep.cli.runs import app
from gapsack.sweep.cluster import launch
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.runs.damage import digests
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage import mirrored as places
from gapsack.sweep.storage.objects import PATIENCE_VARIABLE, ObjectStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

GRID = """\
name: first
data: {level: video, folder: data, train: ["train*"], validate: ["validate*"], holdout: {count: 1}, classes: 24}
model: {family: gated_netvlad, options: {mixtures: 2}}
search: {grid: {clusters: [2, 4, 6, 8], hidden: [8, 16]}}
training: {steps: 10, batch_size: 8, learning_rate: RATE, sample_frames: 1}
budget: {mib: 10}
"""
TRIALS = {f"K{clusters}-H8": {"clusters": clusters, "hidden": 8} for clusters in (2, 4, 6, 8)}
ONE_SLASH = re.compile(r"\bs3:/(?!/)")


def write_run(folder: Path, name: str, rate: float) -> None:
    """A run of which four trials are done, with random weights, as `sweep run` leaves it."""
    text = GRID.replace("RATE", str(rate))
    (folder / f"{name}.yaml").write_text(text)
    grid = load_grid(folder / f"{name}.yaml", overrides={("name",): name})
    run = RunFolder(folder / "runs" / name)
    launch.prepare(run, grid, text, launch.find_files(grid))
    rng = np.random.default_rng(3)
    truth = rng.random((60, 24)) < 0.1
    ids = [f"v{row:03}" for row in range(len(truth))]
    found = []
    for place, (trial, axes) in enumerate(TRIALS.items()):
        files = run.trial(trial)
        hyperparameters = {"classes": 24, "rgb": 1024, "audio": 128, "mixtures": 2, **axes}
        tensors = sizes.tensors("gated_netvlad", hyperparameters)
        weights = {
            tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
            for tensor in tensors
        }
        write_weights(files.weights, weights)
        scores = 1 / (1 + np.exp(3 - 4 * truth - (1 + place / 4) * rng.normal(size=truth.shape)))
        size_bytes = {
            precision: sizes.size_bytes("gated_netvlad", hyperparameters, precision)
            for precision in ("float32", "float16")
        }
        origin = TrialOrigin(
            run=name,
            family="gated_netvlad",
            weights=f"../trials/{trial}/weights.npz",
            sample_frames=1,
            task=grid.data.task.to_dict(),
        )
        lists = Predictions.from_dense(ids, scores.astype(np.float32), 24)
        found.append(
            Candidate(trial, size_bytes, lists, hyperparameters=hyperparameters, origin=origin.to_dict(), metrics={})
        )
        files.begin({"point": {"axes": axes}})
    CandidatePool(Labels.from_dense(ids, truth), found).write(run.pool)
    for trial, axes in TRIALS.items():
        files = run.trial(trial)
        kept = [files.weights, run.pool / f"{trial}.npz"]
        files.finish(
            TrialResult(
                name=trial,
                family="gated_netvlad",
                axes=axes,
                hyperparameters={"classes": 24, "rgb": 1024, "audio": 128, "mixtures": 2, **axes},
                gap=0.5,
                size_bytes={"float32": 2000, "float16": 1000},
                run=name,
                files=digests(run.path, kept),
            )
        )


def upload(folder: Path, url: str) -> None:
    store = ObjectStore(url)
    for path in folder.rglob("*"):
        if path.is_file():
            store.write(path.relative_to(folder).as_posix(), path.read_bytes())


class Bucket:
    """Two runs, a pool, data and files in a bucket, a working folder, and what commands say there."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.cache = folder, url, folder / "cache"
        self.store = ObjectStore(url)

    def has(self, name: str) -> bool:
        return self.store.stat(name) is not None or bool(self.store.listed(name))

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints, which names no folder of the cache, and neither does what it leaves."""
        done = CliRunner().invoke(app, [word.replace("BUCKET", self.url) for word in words])
        assert done.exit_code == code, done.output
        said = done.output
        assert str(self.cache) not in said
        assert not ONE_SLASH.search(said), said
        assert "Traceback" not in said
        return said

    def json(self, *words: str) -> Any:
        """The values that it gives."""
        done = CliRunner().invoke(app, [word.replace("BUCKET", self.url) for word in (*words, "--json")])
        assert done.exit_code == 0, done.output
        assert str(self.cache) not in done.output
        assert not ONE_SLASH.search(done.output)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, s3: Any) -> Iterator[Bucket]:
    folder = tmp_path_factory.mktemp("urls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.delenv("GAPSACK_DATA", raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", "none")
        patch.setattr(places, "_mirrors", [])
        made = folder / "made"
        made.mkdir()
        write_synth(
            made / "data", level="video", train_files=2, validate_files=2, videos_per_file=20, classes=24, seed=0,
            min_frames=20, max_frames=60,
        )  # fmt: skip
        for name, rate in (("first", 0.001), ("second", 0.002)):
            write_run(made, name, rate)
        url = f"{s3.bucket}commands"
        upload(made / "runs", f"{url}/runs")
        upload(made / "runs" / "first" / "pool", f"{url}/pool")
        upload(made / "data", f"{url}/data")
        rng = np.random.default_rng(5)
        truth = rng.random((40, 24)) < 0.2
        ids = np.array([f"n{row}" for row in range(40)])
        (made / "files").mkdir()
        np.savez(made / "files" / "truth.npz", video_ids=ids, labels=truth)
        for name in ("a", *TRIALS):
            np.savez(
                made / "files" / f"{name}.npz",
                video_ids=ids,
                scores=np.clip(truth * 0.5 + rng.random(truth.shape) / 2, 0, 1),
            )
        (made / "files" / "items.csv").write_text("id,weight\n" + "".join(f"v{row:03},1\n" for row in range(60)))
        (made / "files" / "groups.csv").write_text(
            "id,group\n" + "".join(f"v{row:03},g{row % 7}\n" for row in range(60))
        )
        upload(made / "files", f"{url}/files")
        work = folder / "work"
        work.mkdir()
        patch.chdir(work)
        yield Bucket(folder, url)


def all_commands() -> set[str]:
    """Of both command lines, as they are typed."""

    def below(group: Any, words: tuple[str, ...]) -> Iterator[str]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from below(command, (*words, name))
            else:
                yield " ".join((*words, name))

    return set(below(typer.main.get_command(app), ()))


TAKEN = {
    "plan": "a grid file, which is refused; URLs in it are taken",
    "run": "the same; --storage is tried in tests/faults",
    "status": "BUCKET/runs/first",
    "list": "--storage BUCKET/runs",
    "report": "BUCKET/runs/first",
    "compare": "BUCKET/runs/first",
    "delete": "BUCKET/runs/gone",
    "next": "BUCKET/runs/first",
    "teach": "BUCKET/runs/first/ensemble.json",
    "synth": "BUCKET/synth",
    "select import": "BUCKET/imported",
    "select pool add": "BUCKET/added",
    "select pool add-models": "BUCKET/models",
    "select pool add-branches": "BUCKET/runs/first",
    "select pool join": "BUCKET/runs/first",
    "select pareto": "BUCKET/runs/first",
    "select ensemble": "BUCKET/runs/first",
    "select explain": "BUCKET/runs/first",
    "select blend": "BUCKET/runs/first",
    "select frontier": "BUCKET/runs/first",
    "select build": "BUCKET/runs/first",
    "select evaluate": "BUCKET/runs/first",
    "select predict": "BUCKET/runs/first/graph",
}
"""What of a URL each command takes: one that is new has to be put here, and tried below."""


def test_all_commands_are_here() -> None:
    assert all_commands() == set(TAKEN)


def test_runs_are_shown(bucket: Bucket) -> None:
    assert f"{bucket.url}/runs/first: incomplete, 4 of 8" in bucket.run("status", "BUCKET/runs/first")
    assert bucket.json("status", "first", "--storage", "BUCKET/runs")["path"] == f"{bucket.url}/runs/first"
    assert {each["path"] for each in bucket.json("list", "--storage", "BUCKET/runs")} == {
        f"{bucket.url}/runs/{name}" for name in ("first", "second")
    }
    assert f"No runs in {bucket.url}/nothing" in bucket.run("list", "--storage", "BUCKET/nothing")
    settings = bucket.json("compare", "BUCKET/runs/first", "BUCKET/runs/second")["differing_settings"]
    assert settings == {"training.learning_rate": [0.001, 0.002]}
    assert "training.learning_rate" in bucket.run("compare", "first", "second", "--storage", "BUCKET/runs")
    assert f"{bucket.url}/runs/first" in bucket.run("list", "--storage", "BUCKET/runs", "--csv")


def test_reports_of_one_run_of_several_and_of_a_pool(bucket: Bucket) -> None:
    assert f"Report: {bucket.url}/runs/first/report.html" in bucket.run("report", "BUCKET/runs/first")
    assert bucket.has("runs/first/report.html")
    both = bucket.json("report", "BUCKET/runs/first", "BUCKET/runs/second", "BUCKET/pool", "--out", "BUCKET/both.html")
    assert both["report"] == f"{bucket.url}/both.html"
    content = bucket.store.read("both.html") or b""
    assert b"second" in content
    bucket.run("report", "BUCKET/pool", "--out", "BUCKET/pool.html")
    bucket.run("report", "BUCKET/runs/first", "BUCKET/runs/second")
    for name in ("both.html", "pool.html", "runs/first/report.html"):
        assert str(bucket.cache).encode() not in (bucket.store.read(name) or b"")
    assert str(bucket.cache) not in Path("report.html").read_text(encoding="utf-8")


def test_pools_are_made_added_to_and_joined(bucket: Bucket) -> None:
    files = (
        "--labels",
        "BUCKET/files/truth.npz",
        "--predictions",
        "a=BUCKET/files/a.npz",
        "--size",
        "a=BUCKET/files/a.npz",
    )
    said = bucket.run("select", "pool", "add", "BUCKET/added", *files)
    assert f"{bucket.url}/added: 1 candidates" in said
    assert bucket.json("select", "import", "BUCKET/imported", *files)["pool"] == f"{bucket.url}/imported"
    assert bucket.has("added/a.json")
    assert bucket.has("imported/a.npz")
    again = bucket.run(
        "select", "pool", "add", "BUCKET/added", "--predictions", "b=BUCKET/files/K2-H8.npz", "--size", "b=1MiB"
    )
    assert "2 candidates" in again
    joined = ("select", "pool", "join", "BUCKET/runs/first", "BUCKET/runs/second")
    assert f"{bucket.url}/joined: 8 candidates" in bucket.run(*joined, "--out", "BUCKET/joined")
    record = json.loads(bucket.store.read("joined/first-K2-H8.json") or b"")
    assert record["origin"]["weights"] == "../runs/first/trials/K2-H8/weights.npz"
    bucket.run(*joined, "--out", "here")
    record = json.loads(Path("here/first-K2-H8.json").read_text())
    assert record["origin"]["weights"] == f"{bucket.url}/runs/first/trials/K2-H8/weights.npz"
    for place, out in (("here", "BUCKET/graph_of_here"), ("BUCKET/joined", "graph_of_joined")):
        bucket.run("select", "ensemble", place, "--budget-mb", "1", "--out", "of_joined.json")
        assert bucket.json("select", "build", "of_joined.json", "--out", out)["size_bytes"] > 0
    assert bucket.has("graph_of_here")
    assert json.loads(Path("of_joined.json").read_text())["pool"] == f"{bucket.url}/joined"


def test_ensembles_and_frontiers(bucket: Bucket) -> None:
    tables = ("--item-weights", "BUCKET/files/items.csv", "--groups", "BUCKET/files/groups.csv")
    assert "K2-H8" in bucket.run("select", "pareto", "BUCKET/runs/first", *tables[:2])
    said = bucket.run("select", "ensemble", "BUCKET/runs/first", "--budget-mb", "10", "--workers", "1")
    assert f"Ensemble: {bucket.url}/runs/first/ensemble.json" in said
    start = ("--start", "BUCKET/runs/first/ensemble.json")
    bucket.run(
        "select", "ensemble", "BUCKET/pool", "--budget-mb", "10", *tables, *start, "--out", "BUCKET/of_pool.json"
    )
    assert json.loads(bucket.store.read("of_pool.json") or b"")["pool"] == "pool"
    assert f"Ensemble: {bucket.url}/runs/first/ensemble.json" in bucket.run("select", "explain", "BUCKET/runs/first")
    said = bucket.run("select", "frontier", "BUCKET/runs/first", "--plot", "BUCKET/frontier.html", "--workers", "1")
    assert bucket.has("frontier.html")
    assert bucket.has("runs/first/frontier.json")
    given = [word for name in TRIALS for word in ("--predictions", f"{name}=BUCKET/files/{name}.npz")]
    blended = bucket.json("select", "blend", "BUCKET/runs/first", *given, "--out", "BUCKET/blended.csv")
    assert blended["out"] == f"{bucket.url}/blended.csv"
    assert (bucket.store.read("blended.csv") or b"").count(b"\n") == 41
    advice = bucket.run("next", "BUCKET/runs/first", "--what-if", "size=1MiB,gap=0.6")
    assert "The best ensemble under 10 MiB of 4 models" in advice
    assert len(bucket.json("next", "BUCKET/runs/first")["suggestions"]) == 4


def test_graphs_are_built_run_and_teach(bucket: Bucket) -> None:
    bucket.run("select", "ensemble", "BUCKET/runs/second", "--budget-mb", "10", "--workers", "1")
    assert f"Graph: {bucket.url}/runs/second/graph" in bucket.run("select", "build", "BUCKET/runs/second")
    assert bucket.json("select", "build", "BUCKET/runs/second/ensemble.json", "--format", "litert")["graph"] == (
        f"{bucket.url}/runs/second/litert"
    )
    files = ("BUCKET/data/validate*",)
    assert "GAP@20" in bucket.run("select", "evaluate", "BUCKET/runs/second", *files)
    assert bucket.json("select", "evaluate", "BUCKET/runs/second/graph", *files)["graph"] == (
        f"{bucket.url}/runs/second/graph"
    )
    by_url = api.evaluate(f"{bucket.url}/runs/second/graph", [f"{bucket.url}/data/validate*"])
    assert by_url.gap == bucket.json("select", "evaluate", "BUCKET/runs/second", *files)["gap"]
    predicted = bucket.json("select", "predict", "BUCKET/runs/second/graph", *files, "--out", "BUCKET/predicted.csv")
    assert predicted["out"] == f"{bucket.url}/predicted.csv"
    assert bucket.has("predicted.csv")
    taught = bucket.json("teach", "BUCKET/runs/second", "BUCKET/data/*", "--out", "BUCKET/teacher", "--top-k", "5")
    assert (taught["out"], taught["examples"]) == (f"{bucket.url}/teacher", 80)
    assert set(ObjectStore(f"{bucket.url}/teacher").names()) == {
        "teacher.json", "ids.npy", "classes.npy", "scores.npy", "rest.npy",
    }  # fmt: skip
    refused = bucket.run("teach", "BUCKET/runs/second", "x", "--address", "auto", code=2)
    assert "expected folders that all nodes of the cluster see with --address, got the URL s3://" in refused
    grid = (
        GRID.replace("RATE", "0.1")
        .replace(", 16]", "]")
        .replace("sample_frames: 1}", "sample_frames: 1, START, TEACHER}")
    )
    grid = grid.replace("START", f"start_from: {{run: '{bucket.url}/runs/second'}}")
    grid = grid.replace("TEACHER", f"teacher: {{predictions: '{bucket.url}/teacher'}}")
    grid = grid.replace("folder: data", f"folder: '{bucket.folder}/made/data'")
    Path("grid.yaml").write_text(grid)
    said = bucket.run("plan", "grid.yaml")
    assert "The teacher has seen all training files." in said
    assert "The weights to begin with are there, and fit." in said


@pytest.mark.long
def test_several_workers_teach_what_one_does(bucket: Bucket) -> None:
    bucket.run("select", "ensemble", "BUCKET/runs/second", "--budget-mb", "10", "--workers", "1")
    bucket.run("select", "build", "BUCKET/runs/second")
    words = ("teach", "BUCKET/runs/second", "BUCKET/data/*", "--top-k", "5")
    one = bucket.json(*words, "--out", "BUCKET/by_one", "--threads", "1")
    two = bucket.json(*words, "--out", "BUCKET/by_two", "--threads", "1", "--workers", "2")
    assert two["out"] == f"{bucket.url}/by_two"
    assert {**two, "out": None} == {**one, "out": None}
    assert {name.split("/")[1] for name in bucket.store.listed("by_two")} == {
        name.split("/")[1] for name in bucket.store.listed("by_one")
    }


def test_models_are_added_by_their_urls(bucket: Bucket) -> None:
    model = ("--savedmodel", "whole=BUCKET/whole", "--data", "BUCKET/data/validate*", "--level", "video")
    bucket.run(
        "select", "ensemble", "BUCKET/runs/second", "--budget-mb", "10", "--out", "BUCKET/runs/second/other.json"
    )
    bucket.run("select", "build", "BUCKET/runs/second/other.json", "--out", "BUCKET/whole")
    said = bucket.run("select", "pool", "add-models", "BUCKET/models", *model, "--classes", "24")
    assert f"whole: the SavedModel {bucket.url}/whole" in said
    record = json.loads(bucket.store.read("models/whole.json") or b"")
    assert record["origin"]["saved_models"] == {"float32": "../whole"}
    bucket.run("select", "ensemble", "BUCKET/models", "--budget-mb", "10", "--out", "BUCKET/of_models.json")
    assert bucket.json("select", "build", "BUCKET/of_models.json", "--out", "BUCKET/again")["size_bytes"] > 0
    branches = ("select", "pool", "add-branches", "BUCKET/runs/second")
    assert f"expected a candidate that is made of others in {bucket.url}/runs/second/pool" in bucket.run(
        *branches, code=2
    )


def test_a_pool_teaches_by_its_lists(bucket: Bucket) -> None:
    Path("students.yaml").write_text(GRID.replace("RATE", "0.1"))
    for words in (("BUCKET/pool", "--candidate", "K2-H8"), ("BUCKET/runs/first", "--candidate", "K2-H8")):
        said = bucket.run(
            "teach", *words, "BUCKET/data/train*", "--out", "BUCKET/by_lists", "--grid", "students.yaml", code=2
        )
        assert "expected a pool with predictions of every example in the files, got none of" in said


def test_data_are_made_there(bucket: Bucket) -> None:
    made = bucket.json("synth", "BUCKET/synth", "--train-files", "1", "--validate-files", "1", "--videos", "3")
    assert made["files"][0] == f"{bucket.url}/synth/train0000.tfrecord"
    assert bucket.store.stat("synth/train0000.tfrecord") is not None
    assert not Path("s3:").exists(), "no folder of that name here"


def test_what_is_deleted_is_gone_there(bucket: Bucket) -> None:
    upload(bucket.folder / "made" / "runs" / "first", f"{bucket.url}/runs/gone")
    assert f"Deleted {bucket.url}/runs/gone" in bucket.run("delete", "BUCKET/runs/gone", "--yes")
    assert not bucket.has("runs/gone")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("plan BUCKET/grid.yaml", "expected a grid file on this machine, got the URL s3://bucket/commands/grid.yaml"),
        ("run BUCKET/grid.yaml", "expected a grid file on this machine, got the URL s3://bucket/commands/grid.yaml"),
        (
            "status BUCKET/nothing",
            "expected a run folder (one with a config.json, as sweep run makes it), got BUCKET/nothing",
        ),
        ("status nothing --storage BUCKET/runs", "got BUCKET/runs/nothing"),
        ("report BUCKET/nothing", "got BUCKET/nothing"),
        ("compare BUCKET/runs/first BUCKET/nothing", "got BUCKET/nothing"),
        ("delete BUCKET/nothing --yes", "got BUCKET/nothing"),
        ("next BUCKET/nothing", "got BUCKET/nothing"),
        ("teach BUCKET/nothing x", "BUCKET/nothing"),
        ("select pareto BUCKET/nothing", "expected a candidate pool"),
        ("select ensemble BUCKET/nothing --budget-mb 1", "in BUCKET/nothing, got none"),
        ("select frontier BUCKET/nothing", "in BUCKET/nothing, got none"),
        ("select explain BUCKET/nothing", "in BUCKET/nothing, got none"),
        ("select blend BUCKET/nothing --predictions a=b", "in BUCKET/nothing, got none"),
        ("select build BUCKET/nothing", "in BUCKET/nothing, got none"),
        ("select evaluate BUCKET/nothing", "in BUCKET/nothing, got none"),
        ("select predict BUCKET/nothing x", "in BUCKET/nothing, got none"),
        ("select pool join BUCKET/nothing BUCKET/pool --out x", "in BUCKET/nothing, got none"),
        ("select pool add-branches BUCKET/nothing", "in BUCKET/nothing, got none"),
        ("select pool add BUCKET/new --labels BUCKET/no.npz --predictions a=b --size a=1", "BUCKET/no.npz"),
        (
            "select pool add BUCKET/new --labels BUCKET/files/truth.npz --predictions a=BUCKET/no.npz --size a=1",
            "BUCKET/no.npz",
        ),
        (
            "select pool add BUCKET/pool --predictions a=BUCKET/files/a.npz --size a=BUCKET/no",
            "got 's3://bucket/commands/no'",
        ),
        ("select pool add-models BUCKET/new --savedmodel a=BUCKET/no --data BUCKET/data/validate*", "BUCKET/no"),
        ("select pool add-models BUCKET/new --checkpoint a=BUCKET/no --data BUCKET/data/validate*", "BUCKET/no"),
        ("select ensemble BUCKET/pool --budget-mb 1 --start BUCKET/no.json", "BUCKET/no.json"),
        ("select ensemble BUCKET/pool --budget-mb 1 --groups BUCKET/no.csv", "BUCKET/no.csv"),
        ("select pareto BUCKET/pool --metric BUCKET/m.py:f", "got 's3://bucket/commands/m.py:f'"),
        ("list --storage s3://no-such-bucket/runs", "expected a bucket that is there for s3://no-such-bucket/runs"),
        ("select ensemble s3://no-such-bucket/pool --budget-mb 1", "for s3://no-such-bucket/pool, got none"),
        ("select pareto xyz://a/b", "expected a path, s3://… or gs://…, got xyz://a/b"),
    ],
)
def test_what_is_not_there_is_one_sentence_with_the_url(bucket: Bucket, words: str, told: str) -> None:
    assert told.replace("BUCKET", bucket.url) in bucket.run(*words.split(), code=2)


def test_what_is_damaged_is_told_by_its_url(bucket: Bucket) -> None:
    upload(bucket.folder / "made" / "runs" / "first", f"{bucket.url}/runs/spoilt")
    store = ObjectStore(f"{bucket.url}/runs/spoilt")
    store.write("trials/K2-H8/record.json", b"{")
    store.write("pool/K4-H8.json", b"{")
    assert f"{store.address}/trials/K2-H8/record.json" in bucket.run("status", "BUCKET/runs/spoilt")
    assert f"{store.address}/pool/K4-H8.json" in bucket.run("select", "pareto", "BUCKET/runs/spoilt")
    bucket.run("report", "BUCKET/runs/spoilt")
    assert str(bucket.cache).encode() not in (store.read("report.html") or b"")
    store.write("config.json", b"{")
    assert f"{store.address}/config.json" in bucket.run("status", "BUCKET/runs/spoilt", code=2)


def test_a_bucket_that_does_not_answer_is_told_in_a_sentence(
    bucket: Bucket, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PATIENCE_VARIABLE, "0")
    s3.away = True
    try:
        said = bucket.run("status", "BUCKET/runs/first", code=1)
    finally:
        s3.away = False
    assert said.startswith(f"Failed: expected {bucket.url}/runs/first to answer, got none for ")


def test_nothing_that_lies_there_names_a_folder_of_this_machine(bucket: Bucket) -> None:
    """After all tests above."""
    for name in bucket.store.listed():
        assert str(bucket.cache).encode() not in (bucket.store.read(name) or b""), name
