from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from gapsack.models import checkpoints, registry
from gapsack.models.families.gated_netvlad.authors import infer_hyperparameters, read_authors_checkpoint
from gapsack.selection.errors import InputError


@pytest.fixture(scope="module")
def forward_pass(golden):
    archive = np.load(golden / "gated_netvlad_k8_h16_v30.npz")
    weights = {name[2:]: archive[name] for name in archive.files if name.startswith("w:")}
    frames, num_frames = archive["frames_uint8"], archive["num_frames"]
    index = np.minimum(np.arange(frames.shape[1]), num_frames[:, None] - 1)
    return weights, np.take_along_axis(frames, index[..., None], axis=1), archive["predictions"]


def save(path, variables):
    """A checkpoint as TensorFlow 1's Saver writes it."""
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=[tf.constant(values) for values in variables.values()],
    )
    return path


def test_a_checkpoint_of_the_authors_graph_becomes_a_model(forward_pass, tmp_path):
    weights, frames, predictions = forward_pass
    slots = {f"{name}/Adam": values for name, values in weights.items() if "moving" not in name}
    path = save(tmp_path / "model.ckpt-1", {**weights, **slots, "global_step": np.int64(7)})
    (found,) = read_authors_checkpoint(path)
    assert found.scope == "tower"
    assert found.hyperparameters == {
        "clusters": 8, "hidden": 16, "classes": 30, "mixtures": 5, "rgb": 1024, "audio": 128
    }  # fmt: skip
    model = registry.build("gated_netvlad", **found.hyperparameters)
    checkpoints.load_reference_weights(model, found.weights)
    assert_allclose(np.asarray(model({"frames": frames})), predictions, atol=1e-5)


def test_float16_ensembles_are_read_scope_by_scope(forward_pass, tmp_path):
    weights = forward_pass[0]
    half = {name.replace("tower/", "tower/model1/"): values.astype(np.float16) for name, values in weights.items()}
    first, second = read_authors_checkpoint(save(tmp_path / "both", {**weights, **half}))
    assert (first.scope, second.scope) == ("tower", "tower/model1")
    assert first.hyperparameters == second.hyperparameters
    for name, values in weights.items():
        assert second.weights[name].dtype == np.float32
        assert_allclose(second.weights[name], values.astype(np.float16))


def test_what_is_no_gated_netvlad_is_named(forward_pass, tmp_path):
    weights = dict(forward_pass[0])
    shapes = {name.removeprefix("tower/"): values.shape for name, values in weights.items()}
    with pytest.raises(InputError, match="hidden2_biases is missing"):
        infer_hyperparameters({k: v for k, v in shapes.items() if k != "hidden2_biases"}, where="here")
    with pytest.raises(InputError, match=r"tower/gates/weights has shape \(32, 181\), not \(32, 180\)"):
        infer_hyperparameters({**shapes, "gates/weights": (32, 181)}, where="here")
    with pytest.raises(InputError, match=r"in here, got a problem with 'gating_prob_weights'"):
        infer_hyperparameters({k: v for k, v in shapes.items() if k != "gating_prob_weights"}, where="here")
    with pytest.raises(InputError, match="variables under tower/"):
        read_authors_checkpoint(save(tmp_path / "other", {"dense/kernel": np.ones((2, 2), np.float32)}))
    with pytest.raises(InputError, match="expected a TensorFlow checkpoint"):
        read_authors_checkpoint(tmp_path / "missing")
