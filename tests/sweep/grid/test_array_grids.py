"""`format: arrays` in grid files: what is said there, what is read off the files, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models.tasks import View
from gapsack.models.tasks.dense import DenseTask
from gapsack.sweep.cluster.launch import changes
from gapsack.sweep.data.parts import part_of
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.read import load_config, load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.video_data import Data
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec

MODELS = """
import keras

def build(inputs, classes, hidden=4):
    layer = keras.layers.Dense(hidden)(keras.layers.Flatten()(inputs["x"]))
    return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(layer))
"""
REST = """
model: {family: keras_model, options: {builder: "models.py:build"}}
search: {grid: {hidden: [4, 8]}}
"""
SAID = "{format: arrays, train: [a.npz], inputs: {x: [5, 3]}, classes: 10, labels: multi-class}"


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAPSACK_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two data files, of 12 and 8 items, and the builder."""
    (tmp_path / "models.py").write_text(MODELS)
    rng = np.random.default_rng(0)
    for name, count in (("a", 12), ("b", 8)):
        np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=(count, 5, 3)), labels=np.arange(count) % 6)
    return tmp_path


def load(folder: Path, data: str, **options: Any) -> Grid:
    path = folder / "grid.yaml"
    path.write_text(f"name: own\ndata: {data}\n{REST}")
    return load_grid(path, **options)


def arrays(folder: Path, data: str, **options: Any) -> ArrayData:
    section = load(folder, data, **options).data
    assert isinstance(section, ArrayData)
    return section


def problems(folder: Path, data: str, **options: Any) -> dict[str, str]:
    """The lines of the error, by their place."""
    with pytest.raises(ConfigError) as caught:
        load(folder, data, **options)
    return dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])


def test_a_grid_that_says_all_is_planned_without_files(folder: Path) -> None:
    (folder / "a.npz").unlink()
    grid = load(folder, SAID)
    assert grid.data.task == DenseTask((("x", (5, 3)),), 10, "multi_class")
    assert [trial.parameters for trial in plan(grid)] == [16 * hidden + (hidden + 1) * 10 for hidden in (4, 8)]


def test_what_a_grid_leaves_out_is_read_off_the_files_and_recorded(folder: Path) -> None:
    grid = load(folder, '{format: arrays, train: ["*.npz"]}')
    assert grid.data.task == DenseTask((("x", (5, 3)),), 6, "multi_class")
    config = grid.to_dict()
    assert config["data"]["inputs"] == {"x": [5, 3]}
    assert (config["data"]["classes"], config["data"]["labels"]) == (6, "multi_class")
    assert config["data"]["holdout"] == {"share": 0.2, "count": None, "seed": 0}
    for path in folder.glob("*.npz"):
        path.unlink()
    (folder / "config.json").write_text(json.dumps(config))
    assert load_config(folder / "config.json") == grid


def test_what_a_grid_says_stands_beside_what_the_files_say(folder: Path) -> None:
    section = arrays(folder, "{format: arrays, train: [a.npz], classes: 40}")
    assert (section.classes, section.labels, section.inputs) == (40, "multi_class", {"x": (5, 3)})


def test_files_are_read_from_where_the_data_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    np.savez(elsewhere / "a.npz", x=np.zeros((4, 7)), labels=np.zeros(4, bool))
    np.savez(elsewhere / "b.npz", x=np.zeros((4, 7)), labels=np.zeros(4, bool))
    data = "{format: arrays, train: [a.npz], validate: [b.npz]}"
    here = arrays(folder, data.replace("{", "{folder: elsewhere, "))
    assert (here.inputs, here.classes, here.labels) == ({"x": (7,)}, 1, "binary")
    assert arrays(folder, data, data_folder=str(elsewhere)) == here
    monkeypatch.setenv("GAPSACK_DATA", str(elsewhere))
    assert arrays(folder, data) == here


def test_files_hold_out_files(folder: Path) -> None:
    split = arrays(folder, "{format: arrays, train: [a.npz], validate: [b.npz]}").files()
    assert (split.train, split.holdout) == ((f"{folder}/a.npz",), (f"{folder}/b.npz",))


@pytest.mark.parametrize(
    ("holdout", "held_out"), [("{share: 0.5}", 10), ("{count: 3, seed: 7}", 3), ("{}", 4), ("{share: 1e-9}", 1)]
)
def test_training_items_are_held_out_by_seed(folder: Path, holdout: str, held_out: int) -> None:
    section = arrays(folder, f'{{format: arrays, train: ["*.npz"], holdout: {holdout}}}')
    split = section.files()
    counts = {f"{folder}/a.npz": 12, f"{folder}/b.npz": 8}
    chosen = [(part.file, row) for part in map(part_of, split.holdout) for row in part.rows(counts[part.file]).tolist()]
    left = [(part.file, row) for part in map(part_of, split.train) for row in part.rows(counts[part.file]).tolist()]
    assert len(chosen) == held_out
    assert sorted([*chosen, *left]) == [(file, row) for file, count in counts.items() for row in range(count)]
    assert split == section.files()


def test_there_are_no_frames_whatever_the_training_says(folder: Path) -> None:
    grid = load(folder, SAID)
    assert grid.training.sample_frames == 300
    sweep = SweepSpec("/runs/own", grid, ("/data/a.npz#rest=2,seed=0",), ("/data/a.npz#held_out=2,seed=0",))
    assert sweep.trial({"hidden": 4}).view == View(1)


def test_other_arrays_or_another_part_are_another_fingerprint(folder: Path) -> None:
    grid = load(folder, SAID)
    files = ("/data/a.npz#rest=2,seed=0",), ("/data/a.npz#held_out=2,seed=0",)
    spec = SweepSpec("/runs/own", grid, *files).trial({"hidden": 4})
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    moved = SweepSpec("/runs/own", grid, *(tuple(f.replace("/data", "/mnt") for f in each) for each in files))
    assert moved.trial({"hidden": 4}).fingerprint() == spec.fingerprint()
    other = SweepSpec("/runs/own", grid, ("/data/a.npz#rest=2,seed=1",), files[1])
    assert other.trial({"hidden": 4}).fingerprint() != spec.fingerprint()
    wider = load(folder, SAID.replace("10", "11"))
    assert SweepSpec("/runs/own", wider, *files).trial({"hidden": 4}).fingerprint() != spec.fingerprint()
    assert changes(grid, wider) == ["data.classes was 10 and is 11"]


def test_a_run_of_videos_knows_no_format(folder: Path) -> None:
    data = {"level": "video", "validate": ["v"]}
    for given in (data, {**data, "format": "youtube8m"}):
        section = Grid.model_validate(
            {"name": "x", "data": given, "model": {"family": "dbof"}, "search": {"grid": {"clusters": [8]}}}
        )
        assert isinstance(section.data, Data)
        assert "format" not in section.to_dict()["data"]


@pytest.mark.parametrize(
    ("data", "place", "sentence"),
    [
        (
            "{format: csv, train: [a.npz]}",
            "data.format (line 2)",
            "one of the formats 'youtube8m', 'arrays', got \"csv\"",
        ),
        ("{format: 3}", "data.format (line 2)", "expected one of the formats 'youtube8m', 'arrays', got \"3\""),
        ("7", "data (line 2)", "expected a mapping (key: value), got 7"),
        ("{format: arrays}", "data.train (line 2)", "expected a value, got none"),
        ("{format: arrays, train: []}", "data.train (line 2)", "expected at least 1 of them, got []"),
        (SAID.replace("train", "tain"), "data.tain (line 2)", "unknown key; did you mean train?"),
        (
            SAID.replace("}, c", "}, level: frame, c"),
            "data.level (line 2)",
            "unknown key; expected one of folder, train, validate",
        ),
        (SAID.replace("[5, 3]", "[5, 0]"), "data.inputs.x[1] (line 2)", "expected a value greater than 0, got 0"),
        (SAID.replace("[5, 3]", "5"), "data.inputs.x (line 2)", "expected a list, got 5"),
        (SAID.replace("{x: [5, 3]}", "{}"), "data.inputs (line 2)", "expected at least 1 of them, got {}"),
        (SAID.replace("{x:", "{ids:"), "data (line 2)", "expected inputs of other names than labels and ids, got ids"),
        (SAID.replace("{x:", "{1x:"), "data (line 2)", "inputs of different names that are identifiers, got ['1x']"),
        (SAID.replace("10", "1"), "data (line 2)", "expected 1 class for binary labels and more for others, got 1"),
        (
            SAID.replace("multi-class", "many"),
            "data.labels (line 2)",
            "expected 'multi_label', 'multi_class' or 'binary'",
        ),
        (
            SAID.replace("}, c", "}, holdout: {share: 1.0}, c"),
            "data.holdout.share (line 2)",
            "expected a value less than 1, got 1.0",
        ),
        (
            SAID.replace("}, c", "}, holdout: {share: 0.5, count: 3}, c"),
            "data.holdout (line 2)",
            "expected either share or count, got both",
        ),
        (
            SAID.replace("}, c", "}, holdout: {files: [a.npz]}, c"),
            "data.holdout.files (line 2)",
            "unknown key; expected one of share, count, seed",
        ),
        (
            SAID.replace("}, c", "}, validate: [b.npz], holdout: {share: 0.5}, c"),
            "data (line 2)",
            "expected either validate, or a holdout of the training items, got both",
        ),
        ("{format: arrays, train: [c.npz]}", "data.inputs (line 2)", "expected inputs, classes, labels here, or"),
        ("{format: arrays, train: ['${NOWHERE}/a.npz']}", "data.inputs (line 2)", "NOWHERE to be set"),
        (
            "{format: arrays, train: [models.py]}",
            "data.inputs (line 2)",
            "expected an npz file (numpy.savez), got a file",
        ),
    ],
)
def test_what_is_wrong_has_its_place(folder: Path, data: str, place: str, sentence: str) -> None:
    found = problems(folder, data)
    assert sentence in found[place], found
    follow = {"data.train (line 2)"} if "tain:" in data else {"data.train[0] (line 2)"} if "NOWHERE" in data else set()
    assert set(found) == {place} | follow


def test_a_plan_of_files_that_only_a_cluster_has_asks_for_what_they_say(folder: Path) -> None:
    data = "{format: arrays, train: ['${NOWHERE}/a.npz'], classes: 10}"
    found = problems(folder, data, keep_variables=True)
    assert "expected inputs, labels here, or files that say them, got none" in found["data.inputs (line 2)"]
    said = data.replace("10", "10, labels: multi_class, inputs: {x: [5, 3]}")
    assert load(folder, said, keep_variables=True).data.task.classes == 10


def test_a_family_of_videos_is_told_that_these_are_none(folder: Path) -> None:
    path = folder / "grid.yaml"
    path.write_text(
        f"name: own\ndata: {SAID}\nmodel: {{family: gated_netvlad}}\nsearch: {{grid: {{clusters: [4], hidden: [4]}}}}\n"
    )
    with pytest.raises(
        ConfigError, match="expected a family for data of dense, got gated_netvlad, which is for youtube8m"
    ):
        load_grid(path)


def test_a_file_does_not_both_train_and_be_held_out(folder: Path) -> None:
    section = arrays(folder, "{format: arrays, train: [a.npz], validate: ['*.npz']}")
    with pytest.raises(DataError, match=r"data\.train has .*a\.npz"):
        section.files()
