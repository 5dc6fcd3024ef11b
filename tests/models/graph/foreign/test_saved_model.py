"""SavedModels from elsewhere as members, against the numpy blend of what they answer by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from gapsack.models.errors import GraphError
from gapsack.models.graph import Graph, SavedModelMember, build_graph, reserve_bytes
from gapsack.models.graph.foreign.saved_model import open_saved_model
from gapsack.models.graph.formats import load_graph
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}

WIDTH, CLASSES = 12, 30


class Pooling(tf.Module):
    """Mean of the real frames, then a dense layer; on bytes or on features."""

    def __init__(self, dtype: Any, length: int | None = None) -> None:
        super().__init__()
        rng = np.random.default_rng(7)
        self.kernel = tf.Variable(rng.standard_normal((WIDTH, CLASSES)), dtype=tf.float32, name="kernel")
        self.half = tf.Variable(rng.standard_normal(CLASSES), dtype=tf.float16, name="kernel")  # of the same name
        self.shift = tf.constant(rng.standard_normal(CLASSES), tf.float32)
        frames = tf.TensorSpec([None, length, WIDTH], dtype, name="frames")
        self.serve = tf.function(self._serve, input_signature=[frames, tf.TensorSpec([None], tf.int64, name="n")])

    def _serve(self, frames: Any, n: Any) -> Any:
        features = tf.cast(frames, tf.float32) / (255 if frames.dtype == tf.uint8 else 1)
        mask = tf.sequence_mask(n, tf.shape(frames)[1], tf.float32)[..., tf.newaxis]
        mean = tf.reduce_sum(features * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1)
        logits = mean @ self.kernel + tf.cast(self.half, tf.float32) + self.shift
        return {"predictions": tf.sigmoid(logits), "logits": logits}


def save_pooling(folder: Path, dtype: Any = tf.uint8, length: int | None = None) -> Path:
    module = Pooling(dtype, length)
    tf.saved_model.save(module, str(folder), signatures={"anything": module.serve})
    return folder


def save_keras(folder: Path, shape: tuple[int | None, ...]) -> Path:
    import keras

    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    pooled = keras.layers.GlobalAveragePooling1D()(inputs) if len(shape) == 2 else inputs
    keras.Model(inputs, keras.layers.Dense(CLASSES, "sigmoid")(pooled)).export(folder, verbose=False)
    return folder


def member(folder: Path, weight: float = 1.0, sample_frames: int = 5) -> SavedModelMember:
    return SavedModelMember(folder.name, folder, "float32", weight, sample_frames)


def features_of(frames: np.ndarray, counts: np.ndarray) -> np.ndarray:
    values = frames.astype(np.float32) * 4 / 255 + 4 / 512 - 2
    values[np.arange(frames.shape[1]) >= counts[:, None]] = 0
    return values


def answer(folder: Path, **inputs: Any) -> np.ndarray:
    signatures = tf.saved_model.load(str(folder)).signatures
    [signature] = [signatures[name] for name in signatures if name != "serve"]
    output = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    return next(value.numpy() for name, value in output.items() if name in ("predictions", "output_0"))


def test_models_of_frames_blend_with_members_of_a_family(
    ensemble: Any, own_predictions: Any, videos: SimpleNamespace, tmp_path: Path
) -> None:
    registry = ensemble("int8", "float16")
    raw, features = save_pooling(tmp_path / "raw"), save_pooling(tmp_path / "features", tf.float32)
    sampling = save_keras(tmp_path / "sampling", (None, WIDTH))
    members = [member(raw, 0.2), registry[0], member(features, 0.1), registry[1], member(sampling, 0.3)]
    info = build_graph(members, tmp_path / "graph", task=TASKS["frame"])
    frames, counts = videos.frames[:, :300], np.minimum(videos.num_frames, 300).astype(np.int64)
    index = (2 * np.arange(5) + 1) * np.maximum(counts, 1)[:, None] // 10
    sampled = np.take_along_axis(frames, index[..., None], axis=1)
    own = own_predictions(registry, "frame")
    expected = (
        0.2 * answer(raw, frames=frames, n=counts)
        + registry[0].weight * own[0]
        + 0.1 * answer(features, frames=features_of(frames, counts), n=counts)
        + registry[1].weight * own[1]
        + 0.3 * answer(sampling, **{keras_input(sampling): features_of(sampled, np.full(10, 5))})
    )
    graph = Graph(tmp_path / "graph")
    output = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert_allclose(output.probabilities, expected, atol=1e-6)
    graph.decode()
    assert_allclose(
        graph.predict({"frames": videos.frames, "num_frames": videos.num_frames}).probabilities, expected, atol=1e-6
    )
    names = {name for name, _ in tf.train.list_variables(str(tmp_path / "graph" / "variables" / "variables"))}
    assert {"tower/saved_model/kernel", "tower/saved_model/kernel_", "tower/model2/saved_model/kernel"} < names
    weights = sum(each.size_bytes for each in members)
    assert info.size_bytes < weights + reserve_bytes(members)


def keras_input(folder: Path) -> str:
    [(name, _)] = tf.saved_model.load(str(folder)).signatures["serving_default"].structured_input_signature[1].items()
    return str(name)


def test_the_output_that_is_named_is_the_member(videos: SimpleNamespace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kernels = {name: tf.Variable(rng.normal(size=(WIDTH, CLASSES)).astype(np.float32)) for name in ("genre", "mood")}
    heads = tf.Module()
    heads.kernels = kernels

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)])
    def serve(features: Any) -> Any:
        return {name: tf.sigmoid(features @ kernel) for name, kernel in kernels.items()}

    folder = tmp_path / "heads"
    tf.saved_model.save(heads, str(folder), signatures=serve)
    vectors = videos.vectors[:, 0]
    for name, kernel in kernels.items():
        build_graph([replace(member(folder), output=name)], tmp_path / name, task=TASKS["video"])
        output = Graph(tmp_path / name).predict({"frames": videos.vectors, "num_frames": np.ones(10)})
        assert_allclose(output.probabilities, tf.sigmoid(vectors @ kernel.numpy()).numpy(), atol=1e-6)


def test_the_same_saved_model_twice_and_a_fixed_number_of_frames(videos: SimpleNamespace, tmp_path: Path) -> None:
    fixed = save_pooling(tmp_path / "fixed", tf.uint8, 20)
    build_graph([member(fixed, 0.5), member(fixed, 0.25)], tmp_path / "graph", task=TASKS["frame"], blend="logit")
    counts = np.minimum(videos.num_frames, 20).astype(np.int64)
    own = answer(fixed, frames=videos.frames[:, :20], n=counts).astype(np.float64)
    logits = np.log(own / (1 - own))
    output = Graph(tmp_path / "graph").predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert_allclose(output.probabilities, 1 / (1 + np.exp(-0.75 * logits)), atol=1e-6)
    short = Graph(tmp_path / "graph").predict(
        {"frames": videos.frames[:, :8], "num_frames": np.minimum(videos.num_frames, 8)}
    )
    assert_allclose(short.probabilities[2], output.probabilities[2], atol=1e-6)


def test_models_of_vectors_and_graphs_of_ours_at_video_level(
    ensemble: Any, own_predictions: Any, videos: SimpleNamespace, tmp_path: Path
) -> None:
    vectors = save_keras(tmp_path / "vectors", (WIDTH,))
    registry = ensemble("float32", "pruned75_int8")
    build_graph(registry[1:], tmp_path / "ours", task=TASKS["video"])
    members = [registry[0], member(vectors, 0.4), member(tmp_path / "ours", 2.0)]
    build_graph(members, tmp_path / "graph", task=TASKS["video"])
    own = own_predictions(registry, "video")
    expected = (
        registry[0].weight * own[0]
        + 0.4 * answer(vectors, **{keras_input(vectors): videos.vectors[:, 0]})
        + 2.0 * registry[1].weight * own[1]
    )
    output = Graph(tmp_path / "graph").predict({"frames": videos.vectors, "num_frames": np.ones(10)})
    assert_allclose(output.probabilities, expected, atol=1e-6)


def test_litert_takes_them_and_a_metagraph_says_that_it_does_not(videos: SimpleNamespace, tmp_path: Path) -> None:
    vectors = member(save_keras(tmp_path / "vectors", (WIDTH,)), 0.4)
    info = build_graph(
        [vectors], tmp_path / "lite", task=TASKS["video"], format="litert", settings={"weights": "float32"}
    )
    output = load_graph(tmp_path / "lite").predict({"frames": videos.vectors, "num_frames": np.ones(10)})
    expected = 0.4 * answer(vectors.directory, **{keras_input(vectors.directory): videos.vectors[:, 0]})
    assert_allclose(output.probabilities, expected, atol=1e-6)
    assert info.largest_difference is not None
    with pytest.raises(GraphError, match="got SavedModels from elsewhere: vectors"):
        build_graph([vectors], tmp_path / "meta", task=TASKS["video"], format="metagraph")


def save_in_two(
    folder: Path,
    level: str,
    *,
    names: tuple[str, str] = ("rgb", "audio"),
    widths: tuple[int | None, int | None] = (8, 4),
    half: bool = False,
) -> Path:
    """A model that takes rgb and audio apart, and may compute in float16."""
    rng = np.random.default_rng(5)
    module = tf.Module()
    module.kernels = [tf.Variable(rng.standard_normal((size, CLASSES)), dtype=tf.float32) for size in (8, 4)]
    middle = [None] if level == "frame" else []
    first, second = (
        tf.TensorSpec([None, *middle, width], tf.float32, name=name) for name, width in zip(names, widths, strict=True)
    )

    @tf.function(input_signature=[first, second])
    def serve(rgb: Any, audio: Any) -> Any:
        pooled = [tf.reduce_mean(part, 1) if level == "frame" else part for part in (rgb, audio)]
        logits = pooled[0] @ module.kernels[0] + 2 * pooled[1] @ module.kernels[1]
        probabilities = tf.sigmoid(logits)
        return {"predictions": tf.cast(probabilities, tf.float16) if half else probabilities, "logits": logits}

    tf.saved_model.save(module, str(folder), signatures=serve)
    return folder


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("names", "widths"), [(("rgb", "audio"), (8, 4)), (("z", "a"), (8, 4)), (("video", "the_audio"), (None, None))]
)
def test_rgb_and_audio_in_two_inputs_are_told_by_width_or_name(
    names: tuple[str, str], widths: tuple[int | None, int | None], half: bool, videos: SimpleNamespace, tmp_path: Path
) -> None:
    folder = save_in_two(tmp_path / "two", "video", names=names, widths=widths, half=half)
    build_graph([member(folder)], tmp_path / "graph", task=TASKS["video"])
    output = Graph(tmp_path / "graph").predict({"frames": videos.vectors, "num_frames": np.ones(10)})
    vectors = videos.vectors[:, 0]
    expected = answer(folder, **{names[0]: vectors[:, :8], names[1]: vectors[:, 8:]})
    assert output.probabilities.dtype == np.float32
    assert_allclose(output.probabilities, expected, atol=1e-6 if not half else 1e-3)


def test_frames_come_in_two_inputs_too(videos: SimpleNamespace, tmp_path: Path) -> None:
    folder = save_in_two(tmp_path / "two", "frame", half=True)
    build_graph([member(folder)], tmp_path / "graph", task=TASKS["frame"])
    output = Graph(tmp_path / "graph").predict({"frames": videos.frames, "num_frames": videos.num_frames})
    counts = np.minimum(videos.num_frames, 300)
    index = (2 * np.arange(5) + 1) * np.maximum(counts, 1)[:, None] // 10
    seen = features_of(np.take_along_axis(videos.frames, index[..., None], axis=1), np.full(10, 5))
    expected = answer(folder, rgb=seen[..., :8], audio=seen[..., 8:])
    assert_allclose(output.probabilities[counts >= 5], expected[counts >= 5], atol=1e-3)


def test_frames_may_be_wanted_in_half_precision(videos: SimpleNamespace, tmp_path: Path) -> None:
    half = save_pooling(tmp_path / "half", tf.float16)
    build_graph([member(half)], tmp_path / "graph", task=TASKS["frame"])
    counts = np.minimum(videos.num_frames, 300).astype(np.int64)
    expected = answer(half, frames=features_of(videos.frames[:, :300], counts).astype(np.float16), n=counts)
    output = Graph(tmp_path / "graph").predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert_allclose(output.probabilities, expected, atol=1e-5)


def test_two_inputs_that_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    blind = save_in_two(tmp_path / "blind", "video", names=("a", "b"), widths=(None, None))
    wide = save_in_two(tmp_path / "wide", "video", widths=(8, 4))
    for folder, task, told in (
        (blind, TASKS["video"], "8 . 4 values, in two inputs, audio in one named so,.* got None in a and None in b"),
        (wide, YouTube8M("video", CLASSES, 6, 6), "got 4 in .*audio and 8 in .*rgb|got 8 in .*rgb and 4 in .*audio"),
    ):
        with pytest.raises(InputError, match=told):
            build_graph([member(folder)], tmp_path / "graph", task=task)


def test_whatever_tensorflow_raises_of_a_damaged_one_is_a_sentence(tmp_path: Path) -> None:
    whole = save_in_two(tmp_path / "whole", "video") / "saved_model.pb"
    content, rng = whole.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(25):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 8):
            damaged[place] = rng.integers(0, 256)
        whole.write_bytes(bytes(damaged[: rng.integers(len(content) // 2, len(content) + 1)]))
        try:
            open_saved_model(whole.parent)
        except InputError:
            refused += 1
    assert refused > 20


def test_signatures_that_do_not_fit_are_named(tmp_path: Path) -> None:
    vectors, raw = save_keras(tmp_path / "vectors", (WIDTH,)), save_pooling(tmp_path / "raw")
    narrow, few = YouTube8M("frame", CLASSES, 8, 3), YouTube8M("frame", 7, 8, 4)

    @tf.function(input_signature=[tf.TensorSpec([None, None, WIDTH], tf.string)])
    def text(frames: Any) -> Any:
        return tf.zeros([tf.shape(frames)[0], CLASSES])

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)])
    def two(frames: Any) -> Any:
        return {"a": frames, "b": frames}

    pairs = tf.lookup.KeyValueTensorInitializer([1], [2.0], tf.int64, tf.float32)
    table = tf.lookup.StaticHashTable(pairs, 0.0)
    holder = tf.Module()
    holder.table = table

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)])
    def looked_up(frames: Any) -> Any:
        return table.lookup(tf.cast(frames, tf.int64))

    for name, function in (("text", text), ("two", two), ("table", looked_up)):
        tf.saved_model.save(holder, str(tmp_path / name), signatures=function)
    two_signatures = {"one": two, "other": two}
    tf.saved_model.save(tf.Module(), str(tmp_path / "signatures"), signatures=two_signatures)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"no protocol buffer")
    cases: list[tuple[SavedModelMember, str | YouTube8M, str]] = [
        (member(vectors), "frame", "takes a vector a video"),
        (member(raw), "video", "takes uint8 frames"),
        (member(raw), narrow, r"expected frames of 8 \+ 3 values in the SavedModel .*raw, got 12"),
        (member(raw), few, "expected 7 classes in .*raw, got 30"),
        (member(tmp_path / "text"), "frame", r"in one input or in two alike.*got frames string"),
        (member(tmp_path / "two"), "video", r"one named predictions or probabilities.*got a float32 .*, b float32"),
        (replace(member(tmp_path / "two"), output="c"), "video", r"an output c .*got a float32 .*, b float32"),
        (member(tmp_path / "table"), "video", "such as a lookup table"),
        (member(tmp_path / "signatures"), "video", "a signature serving_default, or just one.*one, other"),
        (member(tmp_path / "damaged"), "video", "which cannot be loaded"),
        (member(tmp_path / "missing"), "video", "got no saved_model.pb there"),
    ]
    for case, task, message in cases:
        with pytest.raises(InputError, match=message):
            build_graph([case], tmp_path / "graph", task=TASKS[task] if isinstance(task, str) else task)
    assert not (tmp_path / "graph").exists()
