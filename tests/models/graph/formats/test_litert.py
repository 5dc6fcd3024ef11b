from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models.errors import GraphError
from gapsack.models.graph import Graph, build_graph
from gapsack.models.graph.formats import litert as lite_module
from gapsack.models.graph.formats.litert import LiteGraph, write_lite
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}


def examples(level: str) -> dict[str, np.ndarray]:
    return TASKS[level].example_inputs(np.random.default_rng(0), 3)


@pytest.mark.parametrize(
    ("names", "float16", "tolerance"),
    [(("float32", "int8"), False, 1e-6), (("float16", "int4", "pruned75_int8"), True, 1e-3)],
)
def test_the_interpreter_predicts_what_the_graph_predicts(ensemble, videos, tmp_path, names, float16, tolerance):  # noqa: PLR0917
    members = ensemble(*names)
    build_graph(members, tmp_path / "graph", task=TASKS["frame"])
    info = write_lite(tmp_path / "graph", tmp_path / "graph.tflite", examples("frame"), float16=float16)
    assert info.size_bytes == (tmp_path / "graph.tflite").stat().st_size
    assert info.largest_difference < tolerance
    expected = (
        Graph(tmp_path / "graph").predict({"frames": videos.frames, "num_frames": videos.num_frames}).probabilities
    )
    lite = LiteGraph(tmp_path / "graph.tflite")
    assert_allclose(
        lite.predict({"frames": videos.frames, "num_frames": videos.num_frames}).probabilities, expected, atol=tolerance
    )
    assert_allclose(
        lite.predict({"frames": videos.frames[:1], "num_frames": videos.num_frames[:1]}).probabilities,
        expected[:1],
        atol=tolerance,
    )


def test_weights_keep_their_stored_size(random_weights, tmp_path):
    from gapsack.models.checkpoints import write_weights
    from gapsack.models.graph import Member

    hyperparameters, task = {"clusters": 12, "hidden": 64, "classes": 150}, YouTube8M("video", classes=150)
    write_weights(tmp_path / "w.npz", random_weights(hyperparameters, 0))
    for name in ("float16", "int8", "int4", "pruned75_float16"):
        member = Member("m", "gated_netvlad", hyperparameters, name, 1.0, tmp_path / "w.npz", 30)
        build_graph([member], tmp_path / "graph", task=task)
        inputs = task.example_inputs(np.random.default_rng(0), 3)
        info = write_lite(tmp_path / "graph", tmp_path / f"{name}.tflite", inputs)
        assert info.size_bytes < 1.05 * member.size_bytes + 30_000, name


def test_what_the_converter_does_not_take_is_one_sentence(ensemble, tmp_path, monkeypatch):
    import tensorflow as tf

    def fail() -> bytes:
        raise RuntimeError("an operation is not known\nmodule {\n  func.func @main()")

    build_graph(ensemble("float32"), tmp_path / "graph", task=TASKS["video"])
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_concrete_functions", lambda *_: SimpleNamespace(convert=fail))
    with pytest.raises(GraphError, match=r"got an operation is not known$"):
        write_lite(tmp_path / "graph", tmp_path / "graph.tflite", examples("video"), float16=False)
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


def test_a_conversion_that_predicts_something_else_is_refused(ensemble, tmp_path, monkeypatch):
    build_graph(ensemble("float32"), tmp_path / "graph", task=TASKS["video"])
    monkeypatch.setattr(lite_module, "_largest_difference", lambda *_: np.nan)
    with pytest.raises(GraphError, match="got a difference of nan"):
        write_lite(tmp_path / "graph", tmp_path / "graph.tflite", examples("video"))
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]
    with pytest.raises(InputError, match="expected a SavedModel"):
        write_lite(tmp_path / "other", tmp_path / "graph.tflite", examples("video"))
