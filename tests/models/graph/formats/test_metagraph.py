from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models.authors import read_authors_checkpoint
from gapsack.models.checkpoints import read_weights
from gapsack.models.graph import Graph, build_graph
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
