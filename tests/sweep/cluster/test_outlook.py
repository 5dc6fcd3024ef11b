"""`sweep plan` and the data: not there, there and whole, there and wrong; the plan is printed in every case."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.models.checkpoints import write_weights
from gapsack.sweep.cli.runs import app
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.data.table import Columns, check_headers, read_table
from gapsack.sweep.errors import DataError
from gapsack.sweep.teaching.taught_lists import lists_of
from gapsack.sweep.teaching.teacher_folder import TeacherFolder

GRID = """
name: planned
data: {level: video, folder: data, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], holdout: {count: 1},
       classes: 12, rgb: 1024, audio: 128}
model: {family: gated_netvlad}
search: {grid: {clusters: [2, 4], hidden: [8]}}
"""
ARRAYS = """
name: planned
data: {format: arrays, train: [items.npz], inputs: {x: [4]}, classes: 3, labels: multi_class}
model: {family: keras_model, options: {builder: "models.py:build"}}
search: {grid: {hidden: [4]}}
"""
MODELS = """
import keras

def build(inputs, classes, hidden=4):
    layer = keras.layers.Dense(hidden)(inputs["x"])
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(layer))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPSACK_DATA", raising=False)
    return tmp_path


def videos(folder: Path) -> None:
    """Two training files and two others, of which one is held out."""
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 3, "min_frames": 1, "max_frames": 1}
    write_synth(folder, level="video", classes=12, seed=0, **sizes)


def planned(grid: str, *words: str, code: int = 0) -> str:
    """What `sweep plan` says beside the plan, which it prints in any case."""
    Path("grid.yaml").write_text(grid)
    done = CliRunner().invoke(app, ["plan", "grid.yaml", *words])
    assert done.exit_code == code, done.output
    assert "1 trials to train" in done.stdout or "K2-H8" in done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_without_the_data_it_is_a_plan_and_says_what_it_did_not_check(folder: Path) -> None:
    wanted = f"{folder}/data/train*.tfrecord, {folder}/data/validate*.tfrecord"
    assert planned(GRID) == f"The data were not checked: nothing matches {wanted}."
    elsewhere = GRID.replace("folder: data", "folder: 'gs://bucket/data'")
    assert planned(elsewhere) == "The data were not checked: they are not on this machine."
    unset = GRID.replace("folder: data", "folder: '${NOT_SET_HERE}'")
    told = planned(unset)
    assert told.startswith("The data were not checked: ")
    assert 'expected the environment variable NOT_SET_HERE to be set, got "${NOT_SET_HERE}".' in told


def test_a_plan_in_json_stays_alone_on_standard_output(folder: Path) -> None:
    Path("grid.yaml").write_text(GRID)
    done = CliRunner().invoke(app, ["plan", "grid.yaml", "--json"])
    assert [trial["name"] for trial in json.loads(done.stdout)] == ["K2-H8", "K4-H8"]
    assert "not checked" in done.stderr


@pytest.mark.parametrize("words", [[], ["--data", "other"]])
def test_data_that_are_there_are_looked_at(folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    videos(folder / (words[1] if words else "data"))
    expected = (
        "The data were checked: of 3 training and 1 held-out files, all there, the first begin as this grid has it."
    )
    assert planned(GRID, *words) == expected
    monkeypatch.setenv("HERE", str(folder / (words[1] if words else "data")))
    assert planned(GRID.replace("folder: data", "folder: '${HERE}'")) == expected


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def other_bytes(path: Path) -> None:
    path.write_bytes(b"VideoId,LabelConfidencePairs\n" * 100)


WRONG: dict[str, tuple[str, Callable[[Path], None], str]] = {
    # What is done to the first training file, or what the grid says of it.
    "an empty file": (GRID, emptied, "got an empty file"),
    "another kind of file": (GRID, other_bytes, "expected TFRecords, got text"),
    "features of another width": (GRID.replace("rgb: 1024", "rgb: 512"), lambda _path: None, "mean_rgb"),
    "another level": (
        GRID.replace("level: video", "level: frame"),
        lambda _path: None,
        "expected rgb, got none",
    ),
    "other keys": (
        GRID.replace("rgb: 1024", "keys: {rgb: picture}, rgb: 1024"),
        lambda _path: None,
        "picture",
    ),
    "some files only": (GRID.replace('["train*', '["more*.tfrecord", "train*'), lambda _path: None, "nothing matches"),
    "too large a hold-out": (GRID.replace("count: 1", "count: 3"), lambda _path: None, "between 1 and the 2"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_would_end_the_sweep_is_told_before(folder: Path, what: str) -> None:
    grid, damage, told = WRONG[what]
    videos(folder / "data")
    damage(sorted((folder / "data").glob("train*"))[0])
    said = planned(grid, code=2)
    assert told in said
    assert said.count("\n") == 0


def arrays(**changed: Any) -> None:
    """A file of items, and a builder of models."""
    Path("models.py").write_text(MODELS)
    found = {"x": np.zeros((9, 4), np.float32), "labels": np.zeros(9, np.int64), **changed}
    np.savez("items.npz", **{name: array for name, array in found.items() if array is not None})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"x": np.zeros((9, 5), np.float32)}, "the shape [items, 4]"),
        ({"x": np.zeros((9, 4), "U3")}, "floats, or integers"),
        ({"x": None}, "got no x among labels"),
        ({"labels": None}, "got no labels among x"),
        ({"labels": np.zeros((9, 3), bool)}, "multi_class labels of 3"),
        ({"labels": np.zeros(8, np.int64)}, "as many items in every array, got 9 in x, 8 in labels"),
        ({"ids": np.zeros((9, 2))}, "texts or whole numbers"),
    ],
)
def test_headers_of_arrays_are_held_against_the_grid(folder: Path, changed: dict[str, Any], told: str) -> None:
    """In the words of those who read the file."""
    arrays(**changed)
    columns = Columns((("x", (4,)),), 3, "multi_class")
    with pytest.raises(DataError, match=re.escape(told)) as looked:
        check_headers("items.npz", columns)
    with pytest.raises(DataError) as read:
        read_table("items.npz", columns, labelled=True)
    assert str(read.value).startswith(str(looked.value))


@pytest.mark.slow
def test_of_arrays_the_headers_are_looked_at(folder: Path) -> None:
    (folder / "models.py").write_text(MODELS)
    assert "nothing matches" in planned(ARRAYS)
    arrays(x=np.zeros((9, 5), np.float32))
    assert "the shape [items, 4]" in planned(ARRAYS, code=2)
    arrays()
    assert planned(ARRAYS).startswith("The data were checked: of 1 training and 1 held-out files")


def test_a_teacher_is_looked_at_where_it_is_there(folder: Path) -> None:
    taught = GRID + "training: {steps: 10, teacher: {predictions: teacher}}\n"
    assert f"The teacher was not checked: there is no {folder}/teacher." in planned(taught)
    videos(folder / "data")
    files = [(path.name, path.stat().st_size) for path in sorted((folder / "data").glob("*.tfrecord"))]
    teacher = TeacherFolder(folder / "teacher")
    for name, size_bytes in files:
        teacher.write_part(name, lists_of(np.array([name]), np.full((1, 12), 0.1, np.float32), 5), size_bytes)
    teacher.finish("digest", 12, 5, files)
    assert planned(taught).endswith("The teacher has seen all training files.")
    assert "expected a teacher of 13 classes, got one of 12" in planned(
        taught.replace("classes: 12", "classes: 13"), code=2
    )
    path = folder / "data" / files[0][0]
    path.write_bytes(path.read_bytes() * 2)
    assert "which lacks 1, such as" in planned(taught, code=2)


def test_weights_to_begin_with_are_looked_at_where_they_are_there(folder: Path) -> None:
    started = GRID + "training: {steps: 10, start_from: first/K2-H8}\n"
    assert f"not checked: there is no {folder}/runs/first." in planned(started)
    started = GRID + "training: {steps: 10, start_from: weights.npz}\n"
    assert "The weights to begin with were not checked: there is no " in planned(started)
    write_weights(folder / "weights.npz", {"x": np.zeros(3, np.float32)})
    assert "expected in " in planned(started, code=2)
