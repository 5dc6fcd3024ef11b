"""`family: keras_model` in grid files: the builder is found, and its parameters are hyperparameters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.read import load_config, load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec

DOCS = Path(__file__).parents[3] / "docs" / "own_models.md"
GRID = """\
name: own
data: {level: frame, validate: ["v*"], classes: 6, rgb: 8, audio: 4}
"""


_VARIED = 'frames: all}\nsearch:\n  grid: {builder: ["my_models.py:build"], '
"""The builder among what the trials vary."""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    """The documented builder beside a grid of the documented sections."""
    (code,), (sections, _arrays) = _blocks("python"), _blocks("yaml")
    (tmp_path / "my_models.py").write_text(code)
    file = tmp_path / "grid.yaml"
    file.write_text(GRID + sections)
    return file


def test_the_documented_example_is_planned_from_anywhere(
    grid_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = load_grid(grid_file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "config.json").write_text(grid.model_dump_json(by_alias=True))

    trials = plan(load_config(elsewhere / "config.json"))

    assert [(trial.name, trial.parameters) for trial in trials] == [
        (f"hidden{hidden}", hidden * (12 + 1) + (hidden + 1) * 6) for hidden in (128, 256, 512)
    ]
    assert trials[0].hyperparameters["rate"] == 0.2
    assert grid.model.options["builder"] == f"{tmp_path}/my_models.py:build"


def test_the_plan_is_all_that_a_person_sees(grid_file: Path) -> None:
    """Sizes of these models need TensorFlow, whose notices of its start are none of the person's business."""
    levels = ("TF_CPP_MIN_LOG_LEVEL", "TF_CPP_MAX_VLOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in levels}
    command = [sys.executable, "-m", "gapsack", "plan", str(grid_file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0
    assert re.fullmatch(r"The data were not checked: nothing matches \S+\n", done.stderr)
    assert "hidden512" in done.stdout


def test_a_module_is_found_beside_the_grid_and_then_in_the_working_folder(
    grid_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid_file.write_text(grid_file.read_text().replace("my_models.py:build", "my_models:build"))
    assert load_grid(grid_file).model.options["builder"] == f"{tmp_path}/my_models.py:build"

    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(tmp_path)
    moved = grid_file.rename(below / grid_file.name)
    assert load_grid(moved).model.options["builder"] == f"{tmp_path}/my_models.py:build"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("my_models.py:build", "my_models.py:none"), "model.options .*: expected a function none in .*my_models.py"),
        (("my_models.py:build", "other.py:build"), "model.options .*: expected a file .*other.py"),
        (("rate: 0.2", "rte: 0.2"), "model.options.rte .*: unknown hyperparameter of keras_model.*rate"),
        (("[128, 256, 512]", "[128, x]"), r"search.grid.hidden\[1\] .*: hidden must be an integer, got 'x'"),
        (('builder: "my_models.py:build", ', ""), "expected a value for builder"),
        (("hidden: [128", 'builder_sha256: ["a"], hidden: [128'), "expected builder_sha256 either here or in"),
        (
            ('builder: "my_models.py:build", frames: all, rate: 0.2}\nsearch:\n  grid: {', _VARIED),
            r"search.grid.builder .*: expected builder in model.options, since all trials share it",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(grid_file: Path, change: tuple[str, str], expected: str) -> None:
    grid_file.write_text(grid_file.read_text().replace(*change))

    with pytest.raises(ConfigError, match=expected):
        load_grid(grid_file)


def test_a_changed_builder_is_another_trial_to_resume(grid_file: Path, tmp_path: Path) -> None:
    def fingerprint() -> str:
        grid: Grid = load_grid(grid_file)
        return SweepSpec(str(tmp_path / "run"), grid, (), ()).trial({"hidden": 128}).fingerprint()

    first = fingerprint()
    assert fingerprint() == first

    builder = tmp_path / "my_models.py"
    builder.write_text(builder.read_text() + "# changed\n")
    assert fingerprint() != first
