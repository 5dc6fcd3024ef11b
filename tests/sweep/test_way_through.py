"""The whole way as a person types it: generated data, two trials, an ensemble, one graph, predictions, the report."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gapsack.sweep.cli.runs import app
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import evaluation_batches, raw_batches

GRID = """
name: way
data:
  {level: frame, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], holdout: {count: 1}, classes: 24}
model: {family: gated_netvlad, options: {mixtures: 2}}
search: {grid: {clusters: [2, 4], hidden: [8]}}
training:
  {steps: 30, batch_size: 16, sample_frames: 6, learning_rate: 3e-3, batch_norm_decay: 0.9, checkpoint_steps: 10,
   averaging: {last: 3, max_evaluations: 5}}
resources: {cpus: 1, concurrent: 1}
"""


PROGRAMS = {"synth", "run"}
"""Commands that are started as a person starts them; the others run here, since each would import TensorFlow again."""


def sweep(folder: Path, *arguments: str) -> str:
    """Give a command in `folder`; what it prints on standard output."""
    if arguments[0] in PROGRAMS:
        command = [sys.executable, "-c", "from gapsack.sweep.cli import main; main()", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    with chdir(folder):
        result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def values(folder: Path, *arguments: str) -> Any:
    return json.loads(sweep(folder, *arguments, "--json"))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_from_a_grid_to_predictions(tmp_path: Path) -> None:
    sweep(
        tmp_path, "synth", "data", "--classes", "24", "--train-files", "2", "--validate-files", "2", "--videos", "40",
        "--min-frames", "5", "--max-frames", "12",
    )  # fmt: skip
    (tmp_path / "grid.yaml").write_text(GRID)
    assert sorted(values(tmp_path, "run", "grid.yaml", "--data", "data")["done"]) == ["K2-H8", "K4-H8"]
    record = values(tmp_path, "select", "ensemble", "--budget-mb", "2", "--workers", "1")
    built = values(tmp_path, "select", "build")
    on_disk = sum(file.stat().st_size for file in Path(built["graph"]).rglob("*") if file.is_file())
    assert on_disk == built["size_bytes"] <= record["budget_bytes"]
    assert record["total_bytes"] < on_disk <= record["total_bytes"] + record["reserve_bytes"]
    evaluation = values(tmp_path, "select", "evaluate")
    low, high = record["gap_interval"]
    assert low - 1e-4 <= evaluation["gap"] <= high + 1e-4
    sweep(tmp_path, "select", "predict", "runs/way", "data/validate*.tfrecord", "--out", "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert len(table) == 80
    assert all(len(pairs.split()) == 40 for pairs in table["LabelConfidencePairs"])
    report = Path(values(tmp_path, "report")["report"]).read_text()
    assert all(name in report for name in ("K2-H8", "K4-H8", record["members"][0]["name"]))
    # A finished run has nothing left to train.
    assert values(tmp_path, "run", "grid.yaml", "--data", "data")["unfinished"] == []


def test_the_real_frame_level_video_goes_through_reader_and_model(yt8m_frame: Path) -> None:
    from gapsack.models.registry import build

    files, features = [str(path) for path in yt8m_frame.glob("*.tfrecord")], Features("frame", 3862)
    with raw_batches(files, features, batch_size=4, faults=Faults(0.0)) as stream:
        [raw] = list(stream)
    assert raw.frames.shape == (1, 170, 1152)
    assert raw.labels.sum() > 0
    with evaluation_batches(files, features, batch_size=4, sample_frames=30, faults=Faults(0.0)) as stream:
        [batch] = list(stream)
    np.testing.assert_array_equal(batch.frames[0, 0], raw.frames[0, 170 // 60])
    model = build("gated_netvlad", clusters=4, hidden=8, classes=3862, mixtures=2)
    probabilities = np.asarray(model({"frames": batch.frames}, training=False))
    assert probabilities.shape == (1, 3862)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
