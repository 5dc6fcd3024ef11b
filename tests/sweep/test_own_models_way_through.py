"""Models of one's own through the command lines: the example's on arrays of one's own, the documented one on videos."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cli.runs import app

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_model"
DOCS = ROOT / "docs" / "own_models.md"
BUDGET_BYTES = 200_000
TRIALS = 12

GRID = """\
name: own
data:
  {level: frame, folder: ../data, train: ["train*"], validate: ["validate*"], holdout: {count: 1}, classes: 12}
model:
  family: keras_model
  options: {builder: "my_models:build", frames: all}
search:
  grid: {hidden: [16, 48]}
training:
  steps: 20
  batch_size: 32
  sample_frames: 12
  learning_rate: 3e-3
  checkpoint_steps: 10
  precisions: [float16, int8]
  averaging: {enabled: false}
resources: {cpus: 1, concurrent: 1}
"""


def _sweep(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    command = [sys.executable, "-c", "from gapsack.sweep.cli import main; main()", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _here(folder: Path, *arguments: str) -> Any:
    """What a command that needs neither Ray nor a process of its own says, as JSON."""
    with chdir(folder):
        result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_example_comes_to_one_graph_within_its_budget(tmp_path: Path) -> None:
    example = tmp_path / "example"
    shutil.copytree(EXAMPLE, example)
    subprocess.run([sys.executable, "make_data.py"], cwd=example, check=True)

    assert len(_here(tmp_path, "plan", "example/grid.yaml")) == TRIALS
    done = json.loads(_sweep(tmp_path, "run", "example/grid.yaml", "--json"))
    assert len(done["done"]) == TRIALS
    ensemble = _here(tmp_path, "select", "ensemble", "digits", "--budget-mb", f"{BUDGET_BYTES / 2**20}")
    assert ensemble["gap"] > 0.99
    _scores_are_those_of_the_digits(tmp_path / "runs" / "digits")

    built = {each: _here(tmp_path, "select", "build", "digits", "--format", each) for each in ("savedmodel", "litert")}
    for each in built.values():
        on_disk = sum(path.stat().st_size for path in Path(each["graph"]).rglob("*") if path.is_file())
        assert on_disk == each["size_bytes"] <= BUDGET_BYTES
        measured = _here(tmp_path, "select", "evaluate", each["graph"])
        assert measured["videos"] == measured["labels"] == 359  # a fifth of 1,797
        assert measured["gap"] == pytest.approx(ensemble["gap"], abs=2e-3 if each["format"] == "litert" else 1e-5)

    data = str(example / "digits.npz")
    _here(tmp_path, "select", "predict", built["savedmodel"]["graph"], data, "--out", "all.csv")
    _predictions_are_those_of_the_graph(tmp_path / "all.csv", Path(built["savedmodel"]["graph"]))
    report = Path(_here(tmp_path, "report", "digits")["report"]).read_text()
    assert all(member["name"] in report for member in ensemble["members"])
    assert "arrays image [8, 8]; multi-class labels" in report


def _scores_are_those_of_the_digits(run: Path) -> None:
    """The pool has the digits' own labels, every class of every item, and the GAP that a dense array gives."""
    digits = load_digits()
    pool = CandidatePool.read(run / "pool")
    rows = np.array([int(name.removeprefix("digits-")) for name in pool.labels.video_ids])
    assert len(set(rows.tolist())) == 359
    truth = digits.target[rows][:, np.newaxis] == np.arange(10)
    for candidate in pool.candidates:
        lists = candidate.predictions
        assert lists.top_indices.shape == (359, 10)
        scores = np.zeros((359, 10), np.float32)
        np.put_along_axis(scores, lists.top_indices.astype(np.int64), lists.top_scores, axis=1)
        record = json.loads((run / "trials" / candidate.name / "record.json").read_text())
        assert record["gap"] == pytest.approx(gap_at_k(scores, truth), abs=1e-9)
        assert record["data"]["format"] == "arrays"
        assert record["faults"]["train"]["good"] == 1797 - 359


def _predictions_are_those_of_the_graph(table: Path, graph: Path) -> None:
    """The CSV's classes in their order, as plain TensorFlow has them."""
    import tensorflow as tf

    rows = pd.read_csv(table)
    assert rows["VideoId"].tolist() == [f"digits-{row}" for row in range(1797)]
    signature = tf.saved_model.load(str(graph)).signatures["serving_default"]
    images = (load_digits().images / 16).astype(np.float32)
    expected = signature(image=tf.constant(images))["predictions"].numpy()
    found = np.array([pairs.split()[0::2] for pairs in rows["LabelConfidencePairs"]], int)
    scores = np.array([pairs.split()[1::2] for pairs in rows["LabelConfidencePairs"]], float)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, found, axis=1), atol=1e-5)
    assert (np.sort(found, axis=1) == np.arange(10)).all()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_model_of_ones_own_is_swept_chosen_built_and_evaluated(tmp_path: Path) -> None:
    grids, elsewhere = tmp_path / "grids", tmp_path / "elsewhere"
    grids.mkdir()
    elsewhere.mkdir()
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    (grids / "my_models.py").write_text(code[1])
    (grids / "own.yaml").write_text(GRID)
    sizes = ("--train-files", "1", "--validate-files", "1", "--videos", "80", "--classes", "12")
    _sweep(tmp_path, "synth", "data", *sizes)

    _sweep(tmp_path, "run", "grids/own.yaml")
    _sweep(tmp_path, "select", "ensemble", "runs/own", "--budget-mb", "4", "--must-have", "hidden16")
    _sweep(elsewhere, "select", "build", str(tmp_path / "runs" / "own"), "--out", "graph")
    files = str(tmp_path / "data" / "validate*.tfrecord")
    measured: dict[str, Any] = json.loads(_sweep(elsewhere, "select", "evaluate", "graph", files, "--json"))

    ensemble = json.loads((tmp_path / "runs" / "own" / "ensemble.json").read_text())
    assert "hidden16" in [member["name"] for member in ensemble["members"]]
    assert measured["gap"] == pytest.approx(ensemble["gap"], abs=1e-5)
