"""`select build`, `evaluate` and `predict` in every format, on a pool of random models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gapsack.models import calibration, registry, sizes
from gapsack.models.checkpoints import load_reference_weights, write_weights
from gapsack.models.graph import Graph
from gapsack.models.precisions import roundtrip
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.files import replace_json
from gapsack.sweep.cli.choose import app
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import raw_batches
from gapsack.sweep.graphs.packing import graph_task

CLASSES, RGB, AUDIO, MAX_FRAMES = 24, 16, 8, 8
FEATURES = {"rgb": RGB, "audio": AUDIO, "classes": CLASSES, "mixtures": 2}
MEMBERS = {
    "big": ({**FEATURES, "clusters": 4, "hidden": 8}, "int8", 0.6),
    "small": ({**FEATURES, "clusters": 2, "hidden": 6}, "float16", 0.4),
}


def random_weights(hyperparameters: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
        for tensor in sizes.tensors("gated_netvlad", hyperparameters)
    }


def write_pool(folder: Path, **origin: Any) -> Path:
    """A pool with weights, as trials leave it, and an ensemble of it; the ensemble's file."""
    total = 0
    members = []
    for seed, (name, (hyperparameters, precision, weight)) in enumerate(MEMBERS.items()):
        write_weights(folder / f"{name}.npz", random_weights(hyperparameters, seed))
        own = {"family": "gated_netvlad", "weights": f"../{name}.npz", "sample_frames": 4, "level": "frame"}
        record = {
            "name": name,
            "size_bytes": {precision: sizes.size_bytes("gated_netvlad", hyperparameters, precision)},
            "hyperparameters": hyperparameters,
            "origin": {**own, "max_frames": MAX_FRAMES, **origin},
        }
        (folder / "pool").mkdir(exist_ok=True)
        replace_json(folder / "pool" / f"{name}.json", record)
        size_bytes = sizes.size_bytes("gated_netvlad", hyperparameters, precision)
        members.append({"name": name, "precision": precision, "weight": weight, "size_bytes": size_bytes})
        total += size_bytes
    ensemble = {"format": "gapsack.ensemble/1", "members": members, "blend": "probability", "pool": "pool"}
    replace_json(folder / "ensemble.json", {**ensemble, "total_bytes": total, "budget_bytes": total + 150_000})
    return folder / "ensemble.json"


def select(*arguments: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code in (1, 2), done.output
    return done.output


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same ensemble in every format."""
    folder = tmp_path_factory.mktemp("formats")
    ensemble = write_pool(folder)
    for name in ("savedmodel", "metagraph", "litert"):
        answer = select("build", ensemble, "--format", name, "--out", folder / name)
        assert answer["format"] == name
        assert answer["size_bytes"] == sum(answer["files"].values()) == on_disk(folder / name)
        assert {"assets.extra/data.json", "assets.extra/ensemble.json"} < set(answer["files"])
        assert json.loads((folder / name / "assets.extra" / "ensemble.json").read_text())["members"][0]["name"] == "big"
        assert graph_task(folder / name) == YouTube8M("frame", CLASSES, RGB, AUDIO, MAX_FRAMES)
    return {name: folder / name for name in ("savedmodel", "metagraph", "litert")}


def test_every_format_evaluates_and_predicts_alike(
    built: dict[str, Path], small_files: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    expected = select("evaluate", built["savedmodel"], *small_files["holdout"])
    assert expected["videos"] == 65
    select("predict", built["savedmodel"], *small_files["holdout"], "--out", tmp_path / "savedmodel.csv")
    first = pd.read_csv(tmp_path / "savedmodel.csv")
    for name, tolerance in (("metagraph", 1e-5), ("litert", 2e-3)):
        found = select("evaluate", built[name], *small_files["holdout"], "--batch-size", "10")
        assert found["gap"] == pytest.approx(expected["gap"], abs=tolerance)
        select("predict", built[name], *small_files["holdout"], "--out", tmp_path / f"{name}.csv")
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(table["VideoId"]) == list(first["VideoId"])
    whole = built["litert"] / "graph.tflite"
    assert select("evaluate", whole, *small_files["holdout"])["gap"] == found["gap"]


def test_weights_decoded_once_evaluate_the_same(
    built: dict[str, Path], small_files: dict[str, tuple[str, ...]]
) -> None:
    plain = select("evaluate", built["savedmodel"], *small_files["holdout"])
    once = select("evaluate", built["savedmodel"], *small_files["holdout"], "--decode-once")
    assert once["gap"] == pytest.approx(plain["gap"], abs=1e-6)
    assert "expected a SavedModel to decode once, got a metagraph" in refused(
        "evaluate", built["metagraph"], *small_files["holdout"], "--decode-once"
    )


def test_frames_beyond_max_frames_are_not_used(built: dict[str, Path], small_files: dict[str, tuple[str, ...]]) -> None:
    everything = Features("frame", CLASSES, RGB, AUDIO, max_frames=300)
    cut = Features("frame", CLASSES, RGB, AUDIO, MAX_FRAMES)
    graph = Graph(built["savedmodel"])
    answers = []
    for features in (everything, cut):
        with raw_batches(small_files["holdout"][:1], features, batch_size=45, faults=Faults(0)) as batches:
            [batch] = batches
        answers.append(graph.predict(batch.inputs).probabilities)
    assert batch.frames.shape[1] == MAX_FRAMES
    np.testing.assert_array_equal(*answers)


def test_integers_are_chosen_by_the_calibration_of_the_pool(tmp_path: Path) -> None:
    hyperparameters = MEMBERS["big"][0]
    weights = random_weights(hyperparameters, 0)
    model = registry.build("gated_netvlad", **hyperparameters)
    load_reference_weights(model, weights)
    frames = np.random.default_rng(3).integers(0, 256, (16, 4, RGB + AUDIO), dtype=np.uint8)
    moments = calibration.calibrate(model, [{"frames": frames}])
    ensemble = write_pool(tmp_path, calibration="../moments.npz")
    write_weights(tmp_path / "moments.npz", moments)
    record = json.loads(ensemble.read_text())
    record["members"] = record["members"][:1]
    record["members"][0]["weight"] = 1.0
    replace_json(ensemble, record)
    select("build", ensemble, "--out", tmp_path / "graph")
    stored = [roundtrip(weights, "int8", model.tensors, calibration=given) for given in (moments, None)]
    predicted = []
    for decoded in stored:
        load_reference_weights(model, decoded)
        predicted.append(np.asarray(model({"frames": frames}, training=False)))
    output = Graph(tmp_path / "graph").predict({"frames": frames, "num_frames": np.full(16, 4)}).probabilities
    np.testing.assert_allclose(output, predicted[0], atol=1e-6)
    assert np.abs(predicted[0] - predicted[1]).max() > 1e-5, "calibration made no difference"


def test_the_budget_holds_in_every_format(built: dict[str, Path], tmp_path: Path) -> None:
    ensemble = write_pool(tmp_path)
    for name, folder in built.items():
        record = json.loads(ensemble.read_text())
        replace_json(ensemble, {**record, "budget_bytes": on_disk(folder) - 100})
        message = refused("build", ensemble, "--format", name, "--out", tmp_path / "graph")
        assert "expected a graph of at most" in message
        assert not (tmp_path / "graph").exists()


def test_values_beyond_the_range_are_clipped_when_asked_and_counted(tmp_path: Path) -> None:
    ensemble = write_pool(tmp_path)
    weights = random_weights(MEMBERS["small"][0], 1)
    weights["tower/experts/weights"][0, :3] = 1e5
    write_weights(tmp_path / "small.npz", weights)
    assert "3 beyond it in tower/experts/weights" in refused("build", ensemble, "--out", tmp_path / "graph")
    done = CliRunner().invoke(app, ["build", str(ensemble), "--out", str(tmp_path / "graph"), "--saturate"])
    assert "3 values clipped in small tower/experts/weights." in done.stdout
    assert "savedmodel, on disk" in done.stdout


def test_an_unknown_format_or_a_setting_that_it_lacks_is_refused(tmp_path: Path) -> None:
    ensemble = write_pool(tmp_path)
    given = ("build", ensemble, "--out", tmp_path / "graph")
    assert "expected a graph format (savedmodel, litert, metagraph), got 'onnx'" in refused(*given, "--format", "onnx")
    assert "savedmodel has (none), got weights=float32" in refused(*given, "--lite-weights", "float32")
    assert not (tmp_path / "graph").exists()


def test_what_is_no_graph_is_refused(tmp_path: Path, small_files: dict[str, tuple[str, ...]]) -> None:
    (tmp_path / "notes.tflite").write_text("no flatbuffer")
    files = small_files["holdout"]
    assert "expected a graph that select build made" in refused("evaluate", tmp_path / "notes.tflite", *files)
    (tmp_path / "assets.extra").mkdir()
    features = {"level": "frame", "classes": CLASSES, "rgb": RGB, "audio": AUDIO, "max_frames": MAX_FRAMES}
    replace_json(tmp_path / "assets.extra" / "data.json", features)
    message = refused("evaluate", tmp_path / "notes.tflite", *files)
    assert "expected a LiteRT graph with the signature serving_default" in message
    assert "saved_model.pb or graph.tflite or inference_model.meta" in refused("evaluate", tmp_path)
