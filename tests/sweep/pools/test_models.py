"""Checkpoints of 2018 and SavedModels from elsewhere, from `select import` to the one graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from gapsack.models import sizes
from gapsack.models.checkpoints import read_weights
from gapsack.models.graph import Graph
from gapsack.selection.files import replace_json
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.cli.choose import app
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.graphs.reserve import Reserve

VIDEOS, FRAMES, CLASSES = 40, 12, 30
COMMON = ("--sample-frames", "12", "--batch-size", "16")


def select(*arguments: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 2, done.output
    return done.output


class Videos:
    """Golden videos and random ones, in a file."""

    def __init__(self, folder: Path, frames: np.ndarray) -> None:
        rng = np.random.default_rng(2)
        more = rng.integers(0, 256, (VIDEOS - len(frames), FRAMES, 1152), dtype=np.uint8)
        self.frames = np.concatenate([frames, more])
        self.ids = [f"v{number:03}" for number in range(VIDEOS)]
        self.file = folder / "validate.tfrecord"
        labels = [np.sort(rng.choice(CLASSES, 3, replace=False)).tolist() for _ in self.ids]
        records = [
            frame_record(encode.sequence_example(video, own, pixels[:, :1024], pixels[:, 1024:]))
            for video, own, pixels in zip(self.ids, labels, self.frames, strict=True)
        ]
        self.file.write_bytes(b"".join(records))
        self.counts = np.full(VIDEOS, FRAMES, np.int32)


class Pooled(tf.Module):
    """A model of its own: the mean frame through a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(4).standard_normal((1152, CLASSES)), dtype=tf.float32)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 1152], tf.uint8), tf.TensorSpec([None], tf.int32, name="n")]
    )
    def serve(self, frames, n):
        mask = tf.sequence_mask(n, tf.shape(frames)[1], tf.float32)[..., tf.newaxis]
        mean = tf.reduce_sum(tf.cast(frames, tf.float32) / 255 * mask, 1) / tf.reduce_sum(mask, 1)
        return tf.sigmoid((mean - 0.5) @ self.kernel)


@pytest.fixture(scope="module")
def world(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A checkpoint of two golden models, a SavedModel, and a pool of all three."""
    folder = tmp_path_factory.mktemp("world")
    archive = np.load(golden / "gated_netvlad_k8_h16_v30.npz")
    index = np.minimum(np.arange(FRAMES), archive["num_frames"][:, None] - 1)
    videos = Videos(folder, np.take_along_axis(archive["frames_uint8"], index[..., None], axis=1))
    weights = {name[2:]: archive[name] for name in archive.files if name.startswith("w:")}
    second = {
        name.replace("tower/", "tower/model1/"): (0.9 * values).astype(np.float16) for name, values in weights.items()
    }
    everything = {**weights, **second, "global_step": np.int64(7)}
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt-7"),
        tensor_names=list(everything),
        shape_and_slices=[""] * len(everything),
        tensors=[tf.constant(values) for values in everything.values()],
    )
    module = Pooled()
    tf.saved_model.save(module, str(folder / "pooled"), signatures=module.serve)
    pool = folder / "pool"
    select(
        "import", pool, "--data", videos.file, "--checkpoint", f"old={folder}/model.ckpt-7", "--store", "float16",
        "--store", "int8", *COMMON,
    )  # fmt: skip
    select("import", pool, "--data", videos.file, "--savedmodel", f"pooled={folder}/pooled", *COMMON)
    return {"folder": folder, "videos": videos, "pool": pool, "golden": archive["predictions"], "weights": weights}


def test_a_checkpoint_becomes_complete_candidates(world: dict[str, Any]) -> None:
    pool = CandidatePool.read(world["pool"])
    assert {candidate.name for candidate in pool.candidates} == {"old", "old-1", "pooled"}
    old = pool["old"]
    assert old.hyperparameters == {
        "clusters": 8, "hidden": 16, "classes": CLASSES, "mixtures": 5, "rgb": 1024, "audio": 128
    }  # fmt: skip
    assert old.size_bytes == {
        precision: sizes.size_bytes("gated_netvlad", old.hyperparameters, precision)
        for precision in ("float32", "float16", "int8")
    }
    assert set(old.by_precision) == {"float16", "int8"}
    assert old.metrics["gap_by_precision"]["float16"] == pytest.approx(old.metrics["gap"], abs=2e-3)
    dense = np.zeros((VIDEOS, CLASSES))
    np.put_along_axis(dense, old.predictions.top_indices, old.predictions.top_scores, axis=1)
    assert_allclose(dense[: len(world["golden"])], world["golden"], atol=1e-5)
    kept = read_weights(world["pool"] / old.origin["weights"])
    for name, values in world["weights"].items():
        np.testing.assert_array_equal(kept[name], values)
    assert not list(world["folder"].glob(".pool*")), "what was not ready lies about"


def test_checkpoints_and_saved_models_are_packed_into_one_graph(world: dict[str, Any]) -> None:
    folder, videos, pool = world["folder"], world["videos"], CandidatePool.read(world["pool"])
    record = select("ensemble", world["pool"], "--budget-mb", "8", "--must-have", "pooled", "--must-have", "old",
                    "--workers", "1", "--out", folder / "ensemble.json")  # fmt: skip
    built = select("build", folder / "ensemble.json", "--out", folder / "graph")
    assert built["size_bytes"] <= record["budget_bytes"]
    output = Graph(folder / "graph").predict({"frames": videos.frames, "num_frames": videos.counts}).probabilities
    expected = np.zeros((VIDEOS, CLASSES))
    for member in record["members"]:
        lists = pool[member["name"]].predictions_at(member["precision"])
        own = np.zeros((VIDEOS, CLASSES))
        np.put_along_axis(own, lists.top_indices, lists.top_scores, axis=1)
        expected += member["weight"] * own
    assert_allclose(output, expected, atol=1e-6)
    module = Pooled()
    direct = module.serve(tf.constant(videos.frames), tf.constant(videos.counts)).numpy()
    lists = pool["pooled"].predictions
    assert_allclose(np.take_along_axis(direct, lists.top_indices, axis=1), lists.top_scores, atol=1e-6)
    assert pool["pooled"].size_bytes == {
        "float32": sum(file.stat().st_size for file in (folder / "pooled").rglob("*") if file.is_file())
    }
    evaluation = select("evaluate", folder / "graph", videos.file)
    assert evaluation["gap"] == pytest.approx(record["gap"], abs=1e-6)


def test_room_is_kept_for_the_graph_of_saved_models_too(world: dict[str, Any]) -> None:
    pool = CandidatePool.read(world["pool"])
    alone = Reserve.of(CandidatePool(pool.labels, [pool["pooled"]]))
    assert alone.fixed_bytes > 0
    assert 0 < alone.member_bytes <= Reserve.of(pool).member_bytes


def test_formats_that_cannot_hold_a_saved_model_say_so(world: dict[str, Any], tmp_path: Path) -> None:
    size_bytes = CandidatePool.read(world["pool"])["pooled"].size_bytes["float32"]
    member = {"name": "pooled", "precision": "float32", "weight": 1.0, "size_bytes": size_bytes}
    ensemble = {"members": [member], "pool": str(world["pool"]), "total_bytes": size_bytes, "budget_bytes": 2**24}
    replace_json(tmp_path / "ensemble.json", ensemble)
    done = CliRunner().invoke(app, ["build", str(tmp_path / "ensemble.json"), "--format", "metagraph"])
    assert done.exit_code == 1
    assert "got SavedModels from elsewhere: pooled" in done.output
    replace_json(tmp_path / "ensemble.json", ensemble | {"members": [{**member, "precision": "int8"}]})
    assert "in a precision that it has (float32), got int8" in refused("build", tmp_path / "ensemble.json")


def test_the_output_of_a_saved_model_that_was_named_is_kept_for_the_graph(
    world: dict[str, Any], tmp_path: Path
) -> None:
    saved = f"pooled={world['folder']}/pooled"
    pool = tmp_path / "pool"
    select("import", pool, "--data", world["videos"].file, "--savedmodel", saved, "--output", "output_0", *COMMON)
    named, unnamed = (CandidatePool.read(each)["pooled"] for each in (pool, world["pool"]))
    assert (named.origin["output"], unnamed.origin.get("output")) == ("output_0", None)
    np.testing.assert_array_equal(named.predictions.top_scores, unnamed.predictions.top_scores)


def test_a_wrong_import_writes_nothing(world: dict[str, Any], tmp_path: Path) -> None:
    folder, videos = world["folder"], world["videos"]
    checkpoint, saved = f"a={folder}/model.ckpt-7", f"b={folder}/pooled"
    data = ("--data", videos.file)
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--checkpoint", checkpoint), "expected labelled data files (--data)"),
        (("--checkpoint", f"a={folder}/nothing", *data), "expected a TensorFlow checkpoint"),
        (("--checkpoint", f"a@int8={folder}/model.ckpt-7", *data), "expected a checkpoint as name=prefix"),
        (("--checkpoint", checkpoint, "--store", "int7", *data, *COMMON), "expected one of the precisions"),
        (("--savedmodel", f"b={folder}/nothing", *data), "got no saved_model.pb there"),
        (("--savedmodel", saved, "--rgb", "1000", *data), "expected frames of 1000 + 128 values"),
        (("--savedmodel", saved, "--level", "video", *data), "takes uint8 frames"),
        (("--savedmodel", saved, "--savedmodel", saved, *data), "expected one SavedModel for b in float32, got two"),
        (("--savedmodel", saved, "--output", "mood", *data), "expected an output mood [None, classes]"),
        (("--savedmodel", saved, "--size", "b=3MiB", *data), "got both"),
    ]
    for arguments, message in cases:
        assert message in refused("import", tmp_path / "new", *arguments)
        assert not list(tmp_path.iterdir())
    before = sorted(world["pool"].rglob("*"))
    assert "got old, which is there already" in refused(
        "import", world["pool"], "--checkpoint", f"old={folder}/model.ckpt-7", *data
    )
    fewer = tmp_path / "fewer.tfrecord"
    whole = videos.file.read_bytes()
    fewer.write_bytes(whole[: len(whole) // VIDEOS * 20])
    more = ("--savedmodel", saved, "--data", fewer, "--max-bad-share", "1", *COMMON)
    assert "predictions and labels must be of the same items" in refused("import", world["pool"], *more)
    assert sorted(world["pool"].rglob("*")) == before


@pytest.fixture(scope="module")
def architectures(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Checkpoints of two architectures, with the videos of one of their authors' graphs."""
    folder, arrays = tmp_path_factory.mktemp("architectures"), {}
    for name in ("nextvlad", "logistic"):
        path = golden / "families" / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"{path.name} is not among the reference outputs")
        with np.load(path) as file:
            arrays[name] = dict(file)
        weights = {key[2:]: values for key, values in arrays[name].items() if key.startswith("w:")}
        tf.raw_ops.SaveV2(
            prefix=str(folder / name),
            tensor_names=list(weights),
            shape_and_slices=[""] * len(weights),
            tensors=[tf.constant(values) for values in weights.values()],
        )
    own = arrays["nextvlad"]
    records = [
        frame_record(
            encode.sequence_example(f"v{index}", np.flatnonzero(labels).tolist(), frames[:, :1024], frames[:, 1024:])
        )
        for index, (frames, labels) in enumerate(
            zip(map(cut, own["frames_uint8"], own["num_frames"]), own["labels"], strict=True)
        )
    ]
    (folder / "validate.tfrecord").write_bytes(b"".join(records))
    return {"folder": folder, "predictions": own["predictions"]}


def cut(frames: np.ndarray, count: np.integer[Any]) -> np.ndarray:
    return frames[: int(count)]


def test_checkpoints_of_other_architectures_become_candidates_of_their_families(
    architectures: dict[str, Any], tmp_path: Path
) -> None:
    folder, pool = architectures["folder"], tmp_path / "pool"
    done = CliRunner().invoke(
        app,
        ["pool", "add-models", str(pool), "--data", str(folder / "validate.tfrecord"), *COMMON]
        + [word for name in ("nextvlad", "logistic") for word in ("--checkpoint", f"{name}={folder / name}")]
        + ["--family", "nextvlad", "--family", "logistic"],
    )
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "a nextvlad with clusters 6, hidden 16, classes 30, rgb 1024, audio 128, groups 8" in told
    assert "dropout 0.5, unwhiten true are assumed, which shapes do not tell (--option NAME=VALUE)" in told
    candidates = CandidatePool.read(pool)
    assert {each.name: each.origin["family"] for each in candidates.candidates} == {
        "nextvlad": "nextvlad", "logistic": "logistic"
    }  # fmt: skip
    lists = candidates["nextvlad"].predictions
    expected = np.take_along_axis(architectures["predictions"], lists.top_indices, axis=1)
    assert_allclose(lists.top_scores, expected, atol=1e-5)
    member = {"name": "nextvlad", "precision": "float16", "weight": 1.0}
    size_bytes = candidates["nextvlad"].size_bytes["float16"]
    ensemble = {"members": [{**member, "size_bytes": size_bytes}], "pool": str(pool), "total_bytes": size_bytes}
    replace_json(tmp_path / "ensemble.json", {**ensemble, "budget_bytes": 2**24})
    select("build", tmp_path / "ensemble.json", "--out", tmp_path / "graph")
    evaluation = select("evaluate", tmp_path / "graph", folder / "validate.tfrecord")
    assert evaluation["gap"] == pytest.approx(candidates["nextvlad"].metrics["gap_by_precision"]["float16"], abs=1e-6)


def test_an_option_that_no_shape_tells_changes_what_a_model_predicts(
    architectures: dict[str, Any], tmp_path: Path
) -> None:
    folder = architectures["folder"]
    command = ["--data", folder / "validate.tfrecord", "--checkpoint", f"a={folder}/nextvlad", *COMMON]
    scores = []
    for name, options in (("given", ("--option", "unwhiten=false")), ("assumed", ())):
        select("import", tmp_path / name, *command, *options)
        candidate = CandidatePool.read(tmp_path / name)["a"]
        scores.append(candidate.predictions.top_scores)
        assert candidate.hyperparameters.get("unwhiten") is (False if options else None)
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_options_and_families_that_do_not_fit_a_checkpoint_are_refused(
    world: dict[str, Any], architectures: dict[str, Any], tmp_path: Path
) -> None:
    folder, saved = architectures["folder"], f"b={world['folder']}/pooled"
    data = ("--data", folder / "validate.tfrecord")
    nextvlad = ("--checkpoint", f"a={folder}/nextvlad", *data)
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--checkpoint", f"a={folder}/logistic", *data), "frame_level_logistic, logistic have alike (--family says"),
        ((*nextvlad, "--family", "lstm"), "expected the tensors of a model family (lstm) in tower of"),
        ((*nextvlad, "--family", "nothing"), "expected one of the model families"),
        ((*nextvlad, "--option", "pooling=max"), "got pooling"),
        ((*nextvlad, "--option", "groups=4"), "got groups 4"),
        ((*nextvlad, "--option", "unwhiten=perhaps"), "unwhiten must be true or false"),
        ((*nextvlad, "--option", "unwhiten"), "expected a hyperparameter as name=value, got 'unwhiten'"),
        ((*nextvlad, "--option", "dropout=0", "--option", "dropout=0"), "expected one value of dropout"),
        (("--savedmodel", saved, *data, "--option", "dropout=0"), "expected a checkpoint (--checkpoint) with --family"),
    ]
    for arguments, message in cases:
        assert message in " ".join(refused("import", tmp_path / "new", *arguments).split())
        assert not list(tmp_path.iterdir())
