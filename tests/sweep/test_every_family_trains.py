"""One `sweep run` trains every family on generated frame-level data, and a mixed team of them becomes one graph."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models import registry
from gapsack.sweep.data.synth.write import write_synth

POINTS: dict[str, dict[str, Any]] = {
    "gated_netvlad": {"clusters": 4, "hidden": 8, "mixtures": 2},
    "willow_netvlad": {"clusters": 4, "hidden": 8},
    "netrvlad": {"clusters": 4, "hidden": 8},
    "netfv": {"clusters": 4, "hidden": 8},
    "soft_dbof": {"clusters": 16, "hidden": 8},
    "gated_dbof": {"clusters": 16, "hidden": 8},
    "dbof": {"clusters": 16, "hidden": 8},
    "nextvlad": {"clusters": 4, "hidden": 8, "groups": 2, "reduction": 2},
    "mix_nextvlad": {"clusters": 4, "hidden": 8, "groups": 2, "reduction": 2, "branches": 2},
    "lstm": {"cells": 6},
    "lstm_willow": {"cells": 6},
    "gru": {"cells": 6},
    "lstm_bidirect": {"cells": 6},
    "gru_bidirect": {"cells": 6},
    "frame_level_logistic": {},
    "logistic": {},
    "moe": {},
}
STEPS = 3
TEAM = ("nextvlad", "gru", "netfv", "dbof")
"""Families that the ensemble must have."""


def program(folder: Path, *words: str) -> Any:
    """What a command prints as JSON, given as a person gives it."""
    command = [sys.executable, "-m", "gapsack", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_no_family_is_left_out() -> None:
    """But for models of one's own, which have a way of their own (`test_own_models_way_through.py`)."""
    assert set(POINTS) == set(registry.families()) - {"keras_model"}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_one_run_trains_all_of_them_and_a_mixed_team_is_one_graph(tmp_path: Path) -> None:
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 24, "min_frames": 3, "max_frames": 9}
    write_synth(tmp_path / "data", level="frame", classes=24, seed=0, **sizes)
    grid = {
        "name": "all",
        "data": {
            "level": "frame",
            "folder": "data",
            "train": ["train*.tfrecord"],
            "validate": ["validate*.tfrecord"],
            "holdout": {"count": 1},
            "classes": 24,
        },
        "model": {"families": {name: {} for name in POINTS}},
        "search": {"points": [{"family": name, **point} for name, point in POINTS.items()]},
        "training": {
            "steps": STEPS,
            "batch_size": 8,
            "sample_frames": 8,
            "checkpoint_steps": 3,
            "averaging": {"last": 1, "max_evaluations": 1},
        },
        "resources": {"cpus": 1, "concurrent": 1},
        "tracking": {"uri": "none"},
    }
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))  # JSON is YAML
    ran = program(tmp_path, "run", "grid.yaml")
    assert (len(ran["done"]), ran["failed"], ran["unfinished"]) == (len(POINTS), {}, [])
    trials = {}
    for name in ran["done"]:
        folder = tmp_path / "runs" / "all" / "trials" / name
        record = json.loads((folder / "record.json").read_text())
        trials[record["family"]] = name
        assert record["steps"] == STEPS
        with np.load(folder / "weights.npz") as weights:
            assert all(np.isfinite(weights[tensor]).all() for tensor in weights.files), name
    assert set(trials) == set(POINTS)
    must = [word for family in TEAM for word in ("--must-have", trials[family])]
    chosen = program(tmp_path, "select", "ensemble", "--budget-mb", "200", "--workers", "1", *must)
    assert {trials[family] for family in TEAM} <= {member["name"] for member in chosen["members"]}
    built = program(tmp_path, "select", "build")
    assert built["size_bytes"] <= chosen["budget_bytes"]
    measured = program(tmp_path, "select", "evaluate")
    low, high = chosen["gap_interval"]
    assert low - 1e-4 <= measured["gap"] <= high + 1e-4
