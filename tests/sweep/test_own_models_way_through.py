"""The documented model of one's own, through the command lines, from a grid to a graph that is built elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "own_models.md"
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


@pytest.mark.slow
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
