from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import checkpoints, precisions, registry
from gapsack.models.calibration import calibrate, group_moments
from gapsack.models.graph import Graph, build_graph
from gapsack.models.tasks.youtube8m import YouTube8M

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}


@pytest.fixture(scope="module")
def calibrated(ensemble, videos):
    (member,) = ensemble("int4")
    model = registry.build(member.family, **member.hyperparameters)
    checkpoints.load_reference_weights(model, checkpoints.read_weights(member.weights))
    return member, model, calibrate(model, [{"frames": videos.frames[:6, :20]}, {"frames": videos.frames[6:, :20]}])


def test_group_moments_are_the_blocks_of_all_moments():
    inputs = np.random.default_rng(0).standard_normal((30, 150)).astype(np.float32)
    whole = inputs.T @ inputs
    blocks = group_moments(inputs)
    assert blocks.shape == (3, 64, 64)
    assert_allclose(blocks[1], whole[64:128, 64:128], rtol=1e-4, atol=1e-4)
    assert_allclose(blocks[2][:22, :22], whole[128:, 128:], rtol=1e-4, atol=1e-4)
    assert not blocks[2][22:].any() and not blocks[2][:, 22:].any()


def test_every_matrix_that_is_multiplied_by_is_calibrated(calibrated):
    member, _, calibration = calibrated
    matrices = {tensor.name: tensor for tensor in member.tensors if len(tensor.shape) == 2}
    assert set(calibration) == set(matrices)
    for name, moments in calibration.items():
        rows = matrices[name].shape[0]
        assert moments.shape == (-(-rows // 64), 64, 64)
        diagonal = np.concatenate([np.diagonal(group) for group in moments])
        assert (diagonal[:rows] >= 0).all() and diagonal[:rows].any()


def test_it_does_not_depend_on_how_videos_are_batched(calibrated, videos):
    _, model, calibration = calibrated
    for name, moments in calibrate(model, [{"frames": videos.frames[:, :20]}]).items():
        assert_allclose(moments, calibration[name], rtol=1e-3, atol=1e-4)


def test_the_model_is_left_as_it_was(calibrated, videos):
    _, model, calibration = calibrated
    before = {name: moments.copy() for name, moments in calibration.items()}
    model({"frames": videos.frames[:, 20:40]})
    for name, moments in before.items():
        assert_allclose(calibration[name], moments)
    assert all("product" not in vars(layer) for layer in model.tensor_layers())


def test_the_graph_holds_the_calibrated_weights(calibrated, videos, tmp_path):
    from dataclasses import replace

    member, _, calibration = calibrated
    checkpoints.write_weights(tmp_path / "calibration.npz", calibration)
    member = replace(member, calibration=tmp_path / "calibration.npz", weight=1.0)
    build_graph([member], tmp_path / "graph", task=TASKS["video"])
    output = Graph(tmp_path / "graph").predict({"frames": videos.vectors, "num_frames": np.ones(10)}).probabilities
    weights = checkpoints.read_weights(member.weights)
    plain = precisions.roundtrip(weights, "int4", member.tensors)
    chosen = precisions.roundtrip(weights, "int4", member.tensors, calibration=calibration)
    assert (plain["tower/gates/weights"] != chosen["tower/gates/weights"]).any()
    fresh = registry.build(member.family, **member.hyperparameters)
    checkpoints.load_reference_weights(fresh, chosen)
    assert_allclose(output, np.asarray(fresh({"frames": videos.vectors})), atol=1e-6)
