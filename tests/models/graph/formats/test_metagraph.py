from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from gapsack.models import sizes
from gapsack.models.authors import read_authors_checkpoint
from gapsack.models.checkpoints import read_weights, write_weights
from gapsack.models.graph import Graph, Member, build_graph
from gapsack.models.tasks.youtube8m import YouTube8M

# What the challenge's inference code does, in TensorFlow 1's terms and with nothing of ours.
TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}

INFERENCE = """
import sys, numpy as np, tensorflow.compat.v1 as tf
prefix, given, answer = sys.argv[1:]
given = np.load(given)
with tf.Graph().as_default(), tf.Session() as session:
    saver = tf.train.import_meta_graph(prefix + ".meta", clear_devices=True)
    saver.restore(session, prefix)
    frames, counts, predictions = (tf.get_collection(n)[0] for n in ("input_batch_raw", "num_frames", "predictions"))
    session.run(tf.variables_initializer(tf.get_collection(tf.GraphKeys.LOCAL_VARIABLES)))
    names = [variable.op.name for variable in tf.global_variables()]
    kinds = [variable.dtype.base_dtype.name for variable in tf.global_variables()]
    out = session.run(predictions, {frames: given["features"], counts: given["num_frames"]})
np.savez(answer, predictions=out, names=names, kinds=kinds)
assert not any(name.split(".")[0] == "models" for name in sys.modules)
"""


@pytest.fixture(scope="module")
def meta_graph(ensemble, tmp_path_factory):
    members = ensemble("float16", "float32", "float16")
    return members, build_graph(
        members, tmp_path_factory.mktemp("meta") / "graph", task=TASKS["frame"], format="metagraph"
    )


@pytest.mark.long
def test_the_challenges_inference_restores_it_and_predicts_the_same(meta_graph, videos, tmp_path):
    members, info = meta_graph
    assert {file.partition(".")[0] for file in info.files} == {"inference_model"}
    features = videos.frames * np.float32(4 / 255) + np.float32(4 / 512 - 2)
    features[np.arange(features.shape[1]) >= videos.num_frames[:, None]] = 0  # as the starter code pads
    np.savez(tmp_path / "in.npz", features=features, num_frames=videos.num_frames)
    arguments = [str(info.directory / "inference_model"), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run([sys.executable, "-c", INFERENCE, *arguments], check=True, cwd=tmp_path, capture_output=True)
    output = np.load(tmp_path / "out.npz")
    build_graph(members, tmp_path / "graph", task=TASKS["frame"])
    expected = (
        Graph(tmp_path / "graph").predict({"frames": videos.frames, "num_frames": videos.num_frames}).probabilities
    )
    real = videos.num_frames > 0
    assert_allclose(output["predictions"][real], expected[real], atol=1e-5)
    kinds = dict(zip(output["names"], output["kinds"], strict=True))
    assert kinds["tower/gates/weights"] == kinds["tower/model2/gates/weights"] == "float16"
    assert kinds["tower/model1/gates/weights"] == "float32"
    assert len(kinds) == 96


def test_its_members_can_be_read_back_as_the_authors_checkpoints_are(meta_graph):
    members, info = meta_graph
    for model, member in zip(read_authors_checkpoint(info.directory / "inference_model"), members, strict=True):
        assert model.hyperparameters == {k: member.complete[k] for k in model.hyperparameters}
        for name, values in read_weights(member.weights).items():
            assert_allclose(model.weights[name], values, rtol=1e-3)


def test_members_of_other_families_have_their_authors_names(tmp_path):
    """Below the scopes of an ensemble, so that what reads the authors' checkpoints reads these."""
    own = (
        ("gru_bidirect", {"cells": 6}),
        ("nextvlad", {"clusters": 4, "hidden": 8, "groups": 4, "unwhiten": False}),
        ("willow_netvlad", {"clusters": 4, "hidden": 6}),
    )
    members, expected = [], {}
    for index, (family, hyperparameters) in enumerate(own):
        name, complete = f"m{index}", {"classes": 30, "rgb": 8, "audio": 4, **hyperparameters}
        rng = np.random.default_rng(index)
        weights = {
            tensor.name: rng.uniform(0.5, 1.5, tensor.shape).astype(np.float32)
            for tensor in sizes.tensors(family, complete)
        }
        write_weights(tmp_path / f"{name}.npz", weights)
        members.append(Member(name, family, complete, "float32", 1 / 3, tmp_path / f"{name}.npz", 10))
        scope = "tower" if index == 0 else f"tower/model{index}"
        expected |= {each.replace("tower", scope, 1): list(values.shape) for each, values in weights.items()}
    prefix = build_graph(members, tmp_path / "graph", task=TASKS["frame"], format="metagraph").directory
    assert dict(tf.train.list_variables(str(prefix / "inference_model"))) == expected
    with tf.Graph().as_default():
        tf.compat.v1.train.import_meta_graph(str(prefix / "inference_model.meta"), clear_devices=True)
        assert {variable.op.name for variable in tf.compat.v1.global_variables()} == set(expected)
    split = {"rgb": 8, "audio": 4}  # of gru_bidirect, whose tensors tell the sum alone
    found = read_authors_checkpoint(prefix / "inference_model", options=split)
    for model, member in zip(found, members, strict=True):
        assert model.family == member.family
        assert {**model.hyperparameters, **model.assumed} == {**member.complete}
        for name, values in read_weights(member.weights).items():
            np.testing.assert_array_equal(model.weights[name], values)
