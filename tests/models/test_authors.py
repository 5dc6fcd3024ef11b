from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from gapsack.models import checkpoints, registry, sizes
from gapsack.models.authors import read_authors_checkpoint
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
    assert (found.scope, found.family) == ("tower", "gated_netvlad")
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


def test_moving_averages_are_the_weights_where_there_are_some(forward_pass, tmp_path):
    weights = forward_pass[0]
    averages = {f"{name}/ExponentialMovingAverage": values / 2 for name, values in weights.items() if "bn" not in name}
    slots = {f"{name}/Adam": values for name, values in weights.items() if "bn" not in name}
    path = save(tmp_path / "model.ckpt-1", {**weights, **averages, **slots, "global_step": np.int64(7)})
    (found,), (raw,) = read_authors_checkpoint(path), read_authors_checkpoint(path, raw=True)
    assert (found.averaged, raw.averaged) == (len(averages), 0)
    for name, values in weights.items():
        assert_allclose(raw.weights[name], values)
        assert_allclose(found.weights[name], values if "bn" in name else values / 2)
    count = len(averages)
    assert found.left_aside == f"{count} × Adam, {count} × raw weights, global_step"
    assert raw.left_aside == f"{count} × Adam, {count} × ExponentialMovingAverage, global_step"


def test_the_case_of_the_averaged_checkpoint(shared_cases):
    (found,) = read_authors_checkpoint(shared_cases / "ema_checkpoint" / "model.ckpt-200000")
    assert found.averaged == len(found.weights)


def test_a_checkpoint_file_of_another_machine_names_what_lies_beside_it(forward_pass, tmp_path):
    save(tmp_path / "model.ckpt-1", forward_pass[0])
    state = tmp_path / "checkpoint"
    for named in ("/home/someone/train/model.ckpt-1", "model.ckpt-1"):
        state.write_text(f'model_checkpoint_path: "{named}"\n')
        (found,) = read_authors_checkpoint(tmp_path)
        assert found.scope == "tower"
    state.write_text('model_checkpoint_path: "/home/someone/train/model.ckpt-2"\n')
    with pytest.raises(InputError, match=r"expected a TensorFlow checkpoint at .*ckpt-2"):
        read_authors_checkpoint(tmp_path)
    state.unlink()
    with pytest.raises(InputError, match=r"a file named checkpoint in the folder .*prefixes there: model\.ckpt-1"):
        read_authors_checkpoint(tmp_path)


def test_a_damaged_checkpoint_is_a_sentence(forward_pass, tmp_path):
    path = save(tmp_path / "model.ckpt-1", forward_pass[0])
    index, data = tmp_path / "model.ckpt-1.index", tmp_path / "model.ckpt-1.data-00000-of-00001"
    whole = data.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[: len(whole) // 2], b""):
        data.write_bytes(damaged)
        with pytest.raises(InputError, match="expected a TensorFlow checkpoint at"):
            read_authors_checkpoint(path)
    data.unlink()
    with pytest.raises(InputError, match="expected a TensorFlow checkpoint at"):
        read_authors_checkpoint(path)
    index.write_bytes(index.read_bytes()[:50])
    with pytest.raises(InputError, match="expected a TensorFlow checkpoint at"):
        read_authors_checkpoint(path)


FAMILIES = {
    "dbof": {},
    "frame_level_logistic": {},
    "gated_dbof": {},
    "gated_netvlad": {},
    "gru": {},
    "gru_bidirect": {},
    "logistic": {},
    "lstm": {},
    "lstm_bidirect": {},
    "lstm_willow": {},
    "mix_nextvlad": {"places": 12},
    "moe": {},
    "moe_gated": {},
    "netfv": {},
    "netrvlad": {},
    "nextvlad": {},
    "soft_dbof": {},
    "willow_netvlad": {},
}
"""The golden file of each architecture, and what its tensors do not tell."""
LETTERS = {
    "C": "clusters", "K": "clusters", "H": "hidden", "V": "classes", "M": "mixtures", "N": "cells",
    "L": "layers", "hp:groups": "groups", "hp:expansion": "expansion", "hp:gating_reduction": "reduction",
    "hp:mix_number": "branches", "hp:moe_prob_gating": "probability_gating", "hp:fv_couple_weights": "coupled",
    "hp:fv_relu": "relu", "hp:dbof_relu": "relu", "hp:gating": "gating",
}  # fmt: skip
"""Hyperparameters by what the files call them."""


@pytest.mark.parametrize("file", FAMILIES)
def test_checkpoints_of_every_architecture_are_recognised_and_predict_the_same(file, golden, tmp_path):
    path = golden / "families" / f"{file}.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the reference outputs")
    with np.load(path) as archive:
        arrays = dict(archive)
    weights = {name[2:]: values for name, values in arrays.items() if name.startswith("w:")}
    slots = {f"{name}/{slot}": values for name, values in weights.items() for slot in ("Adam", "Adam_1")}
    saved = save(tmp_path / "model.ckpt-1", {**weights, **slots, "beta1_power": np.float32(0.9)})
    family = file.removesuffix("_gated") if file.startswith("moe") else file
    alike = [family] if family.endswith("logistic") else []
    (found,) = read_authors_checkpoint(saved, families=alike, options=FAMILIES[file])
    assert found.family == family
    assert found.left_aside == f"{len(weights)} × Adam, {len(weights)} × Adam_1, beta1_power"
    complete = {**found.hyperparameters, **found.assumed}
    told = {ours: arrays[name].item() for name, ours in LETTERS.items() if name in arrays}
    own = {name: value for name, value in told.items() if name in complete}
    assert {name: complete[name] for name in own} == own
    model = registry.build(found.family, **found.hyperparameters)
    checkpoints.load_reference_weights(model, found.weights)
    assert_allclose(np.asarray(model(inputs_of(arrays))), arrays["predictions"], rtol=0, atol=1e-5)


def inputs_of(arrays):
    """What the authors' graph saw: a vector, frames that it drew, or all of them."""
    if "features" in arrays:
        return {"frames": arrays["features"][:, np.newaxis], "num_frames": np.ones(len(arrays["features"]), np.int32)}
    frames, num_frames = arrays["frames_uint8"], arrays["num_frames"].astype(np.int32)
    if "frame_index" in arrays:
        frames = np.take_along_axis(frames, arrays["frame_index"][..., np.newaxis], axis=1)
        num_frames = np.minimum(num_frames, frames.shape[1])
    return {"frames": frames, "num_frames": num_frames}


def test_an_ensemble_of_different_families_takes_the_options_of_each(tmp_path):
    rng = np.random.default_rng(0)
    data = {"classes": 5, "rgb": 8, "audio": 4}
    own = {"tower": ("dbof", {"clusters": 3}), "tower/model1": ("soft_dbof", {"clusters": 8})}
    variables = {
        tensor.name.replace("tower", scope): rng.standard_normal(tensor.shape).astype(np.float16)
        for scope, (family, hyperparameters) in own.items()
        for tensor in sizes.tensors(family, {**data, "hidden": 4, **hyperparameters})
    }
    path = save(tmp_path / "both", variables)
    options = {"pooling": "average", "frames": "all", "rgb": 8, "audio": 4}
    first, second = read_authors_checkpoint(path, options=options)
    assert (first.family, second.family) == ("dbof", "soft_dbof")
    assert (first.hyperparameters["pooling"], first.hyperparameters["rgb"]) == ("average", 8)
    assert (first.assumed, second.assumed) == ({"activation": "relu6"}, {})
    assert second.hyperparameters["frames"] == "all"
    assert all(name.startswith("tower/") and "model1" not in name for name in second.weights)
    with pytest.raises(InputError, match=r"models in .*both \(dbof: clusters, .*; soft_dbof: .*\), got poolng"):
        read_authors_checkpoint(path, options={"poolng": "average"})


def test_what_is_of_no_family_is_told_with_its_scope(forward_pass, tmp_path):
    weights = {**forward_pass[0], "tower/hidden3_weights": np.ones((32, 32), np.float32)}
    path = save(tmp_path / "more", weights)
    with pytest.raises(
        InputError, match=r"family in tower of .*more, .* gated_netvlad with clusters 8.*hidden3_weight"
    ):
        read_authors_checkpoint(path)
    (found,) = read_authors_checkpoint(path, families=["gated_netvlad"])
    assert found.left_aside == "hidden3_weights"


def test_what_is_no_checkpoint_of_theirs_is_named(tmp_path):
    with pytest.raises(InputError, match="variables under tower/"):
        read_authors_checkpoint(save(tmp_path / "other", {"dense/kernel": np.ones((2, 2), np.float32)}))
    with pytest.raises(InputError, match="expected a TensorFlow checkpoint"):
        read_authors_checkpoint(tmp_path / "missing")
