from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import sizes
from gapsack.models.checkpoints import write_weights
from gapsack.models.errors import GraphError
from gapsack.models.graph import Graph, Member, build_graph
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


FAMILIES = {
    "gru": {"cells": 5},
    "gru_bidirect": {"cells": 6},
    "lstm": {"cells": 5},
    "lstm_bidirect": {"cells": 6},
    "lstm_willow": {"cells": 5},
    "nextvlad": {"clusters": 4, "hidden": 6, "groups": 2, "reduction": 2, "unwhiten": False},
    "mix_nextvlad": {"clusters": 4, "hidden": 6, "groups": 2, "reduction": 2, "unwhiten": False, "branches": 2},
    "netfv": {"clusters": 4, "hidden": 6},
    "netrvlad": {"clusters": 5, "hidden": 6},
    "willow_netvlad": {"clusters": 4, "hidden": 6, "frames": "all"},
    "soft_dbof": {"clusters": 16, "hidden": 6, "maximum": True},
    "gated_dbof": {"clusters": 16, "hidden": 6},
    "dbof": {"clusters": 9, "hidden": 5},
    "frame_level_logistic": {},
}
AT_ONCE = ("lstm_bidirect",)


@pytest.mark.parametrize(
    "family",
    [family if family in AT_ONCE else pytest.param(family, marks=pytest.mark.long) for family in FAMILIES],
)
def test_every_family_predicts_there_what_it_predicts_in_a_saved_model(family, tmp_path):
    """Recurrent ones run another loop there. Two members that see other frames; noise beyond the videos' ends."""
    task = TASKS["frame"]
    members = []
    for number, frames in enumerate((25, 40)):
        hyperparameters = {"classes": 30, "rgb": 8, "audio": 4, **FAMILIES[family]}
        rng = np.random.default_rng(number)
        weights = {
            tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
            for tensor in sizes.tensors(family, hyperparameters)
        }
        write_weights(tmp_path / f"m{number}.npz", weights)
        path = tmp_path / f"m{number}.npz"
        members.append(Member(f"m{number}", family, hyperparameters, "float32", 0.5, path, frames))
    build_graph(members, tmp_path / "graph", task=task)
    build_graph(members, tmp_path / "lite", task=task, format="litert", settings={"weights": "float32"})
    whole, lite = Graph(tmp_path / "graph"), LiteGraph(tmp_path / "lite" / "graph.tflite")
    rng = np.random.default_rng(9)
    for longest, lengths in ((40, [1, 7, 40, 31]), (60, [60]), (3, [2, 3])):
        inputs = {
            "frames": rng.integers(0, 256, (len(lengths), longest, 12), dtype=np.uint8),
            "num_frames": np.array(lengths, np.int32),
        }
        expected = whole.predict(inputs).probabilities
        assert np.ptp(expected) > 1e-3
        assert_allclose(lite.predict(inputs).probabilities, expected, rtol=0, atol=2e-6)
