"""When a graph decodes its weights once: where they fit the free memory, or as asked; and what is computed then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models.graph import Graph, build_graph, decoding
from gapsack.models.graph.decoding import Decoding, decode_where_it_fits, free_memory_bytes
from gapsack.models.graph.fixed import added_bytes, fixed_tensors
from gapsack.models.tasks.youtube8m import YouTube8M

MIB = 2**20


class Fake:
    """A graph that needs so many bytes."""

    inputs = ("frames",)
    decoded = False

    def __init__(self, decoded_bytes: int) -> None:
        self.decoded_bytes = decoded_bytes

    def decode(self) -> Fake:
        self.decoded = True
        return self

    def predict(self, inputs: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(("needed", "free", "once"), [(50, 100, True), (51, 100, False), (1, None, False)])
def test_weights_are_decoded_once_where_they_take_at_most_half_of_what_is_free(monkeypatch, needed, free, once):
    monkeypatch.setattr(decoding, "free_memory_bytes", lambda: free)
    graph = Fake(needed)
    assert decode_where_it_fits(graph) == Decoding(once, needed, free)
    assert graph.decoded is once


def test_a_graph_that_decodes_as_it_runs_is_left_alone():
    class Runs:
        inputs = ("frames",)

        def predict(self, inputs: Any) -> Any:
            raise NotImplementedError

    assert decode_where_it_fits(Runs()) == Decoding(once=False)


def test_what_is_free_is_the_least_of_the_system_and_the_container(monkeypatch, tmp_path: Path):
    info, group = tmp_path / "meminfo", tmp_path / "cgroup"
    group.mkdir()
    monkeypatch.setattr(decoding, "MEMORY_INFO", info)
    monkeypatch.setattr(decoding, "CONTROL_GROUP", group)
    info.write_text("MemTotal:       9000000 kB\nMemAvailable:    2048 kB\n")
    assert free_memory_bytes() == 2 * MIB
    (group / "memory.max").write_text("max\n")
    assert free_memory_bytes() == 2 * MIB
    (group / "memory.max").write_text(f"{4 * MIB}\n")
    (group / "memory.current").write_text(f"{3 * MIB + 512 * 1024}\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 1024\n")
    assert free_memory_bytes() == MIB // 2 + 1024
    info.write_text("MemTotal:       9000000 kB\n")
    assert free_memory_bytes() == MIB // 2 + 1024


def test_the_border_holds_all_that_weights_decide_and_nothing_of_an_input():
    import tensorflow as tf

    with tf.Graph().as_default():
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float16, shape=[3, 4], shared_name="w")
        stored = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float16)
        inputs = tf.compat.v1.placeholder(tf.float32, [None, 3])
        weights = tf.cast(stored, tf.float32, name="decoded")
        scale = tf.math.rsqrt(tf.reduce_sum(weights, axis=0) + 1.0, name="scale")
        noise = tf.random.uniform([4], name="noise")
        unused = tf.square(inputs @ tf.cast(stored, tf.float32))
        output = (inputs @ weights) * scale + noise * tf.reduce_max(weights, name="peak") + 2.0
        found = fixed_tensors([inputs], [output])
        assert sorted(tensor.op.name for tensor in found) == ["decoded", "peak", "scale"]
        assert added_bytes(found) == 4 * (12 + 4 + 1)
        assert added_bytes(fixed_tensors([inputs], [unused])) == 4 * 12
        assert fixed_tensors([inputs], [tf.cast(inputs, tf.float16) @ stored]) == [stored]
        assert added_bytes([stored]) == 0


def test_a_decoded_graph_takes_what_it_says_and_leaves_its_files_alone(ensemble, videos, tmp_path):
    members = ensemble("float16", "int8", "pruned50_int8")
    info = build_graph(members, tmp_path / "graph", task=YouTube8M("frame", classes=30, rgb=8, audio=4))
    graph = Graph(tmp_path / "graph")
    weights = 4 * sum(tensor.count for member in members for tensor in member.tensors)
    assert 0.5 * weights < graph.decoded_bytes < 1.2 * weights
    inputs = {"frames": videos.frames, "num_frames": videos.num_frames}
    expected = graph.predict(inputs).probabilities
    assert decode_where_it_fits(graph).once
    assert_allclose(graph.predict(inputs).probabilities, expected, atol=1e-6)
    assert np.abs(expected).max() > 0
    assert info.files == {
        file.relative_to(tmp_path / "graph").as_posix(): file.stat().st_size
        for file in sorted((tmp_path / "graph").rglob("*"))
        if file.is_file()
    }
