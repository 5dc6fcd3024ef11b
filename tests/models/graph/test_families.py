"""Members of different families in one graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.graph import Graph, Member, build_graph
from gapsack.models.graph.size import reserve_bytes
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

FEATURES = {"rgb": 8, "audio": 4, "classes": 30}
MEMBERS = (  # family, hyperparameters, precision, weight in the blend, frames that it samples
    ("dbof", {"clusters": 9, "hidden": 5}, "float16", 0.3, 10),
    ("gated_netvlad", {"clusters": 4, "hidden": 6, "mixtures": 2}, "mixed_8_4_4_16_8", 0.4, 25),
    ("dbof", {"clusters": 6, "hidden": 7, "activation": "sigmoid", "pooling": "average"}, "mixed_8_16_4_8_16", 0.2, 25),
    ("gated_netvlad", {"clusters": 5, "hidden": 5, "mixtures": 3}, "int8", 0.1, 10),
)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Untrained, with weights far from their initial values, so that one in the wrong place shows."""
    folder = tmp_path_factory.mktemp("weights")
    made = []
    for index, (family, own, precision, weight, frames) in enumerate(MEMBERS):
        hyperparameters, rng = {**FEATURES, **own}, np.random.default_rng(index)
        weights = {
            tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
            for tensor in sizes.tensors(family, hyperparameters)
        }
        checkpoints.write_weights(folder / f"m{index}.npz", weights)
        made.append(Member(f"m{index}", family, hyperparameters, precision, weight, folder / f"m{index}.npz", frames))
    return made


@pytest.fixture(scope="module", params=["frame", "video"])
def task(request):
    return YouTube8M(request.param, FEATURES["classes"], FEATURES["rgb"], FEATURES["audio"])


@pytest.fixture(scope="module")
def info(members, task, tmp_path_factory):
    return build_graph(members, tmp_path_factory.mktemp("graph") / "graph", task=task)


def videos(task):
    """Videos of several lengths, with noise beyond their end."""
    rng = np.random.default_rng(7)
    if task.level == "video":
        return {
            "frames": rng.standard_normal((6, 1, task.width)).astype(np.float32),
            "num_frames": np.ones(6, np.int32),
        }
    num_frames = np.array([1, 7, 40, 31, 3, 12], np.int32)
    return {"frames": rng.integers(0, 256, (6, 40, task.width), dtype=np.uint8), "num_frames": num_frames}


def own_predictions(member, inputs, task):
    """By the member's own Keras model, with the weights of its precision."""
    frames = inputs["frames"]
    if task.level == "frame":
        count = member.sample_frames
        index = [[(2 * i + 1) * int(n) // (2 * count) for i in range(count)] for n in inputs["num_frames"]]
        frames = np.take_along_axis(frames, np.array(index)[..., np.newaxis], axis=1)
    model = registry.build(member.family, **member.hyperparameters)
    weights = checkpoints.read_weights(member.weights)
    checkpoints.load_reference_weights(model, precisions.roundtrip(weights, member.precision, member.tensors))
    return np.asarray(model({"frames": frames}))


def test_it_predicts_the_blend_of_its_members(members, task, info):
    inputs = videos(task)
    own = [own_predictions(member, inputs, task) for member in members]
    assert max(np.abs(a - b).max() for a, b in pairwise(own)) > 0.01, "the members all say the same"
    expected = sum(member.weight * predictions for member, predictions in zip(members, own, strict=True))
    assert_allclose(Graph(info.directory).predict(inputs).probabilities, expected, rtol=0, atol=1e-6)


def test_its_bytes_stay_within_weights_and_reserve(members, info):
    on_disk = sum(path.stat().st_size for path in info.directory.rglob("*") if path.is_file())
    weights = sum(member.size_bytes for member in members)
    assert weights < on_disk <= weights + reserve_bytes(members)


def test_variables_bear_the_names_of_their_families_under_the_scopes_of_the_members(info):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(info.directory / "variables" / "variables"))
    dtypes = {name: dtype.name for name, dtype in reader.get_variable_to_dtype_map().items()}
    assert dtypes["tower/cluster_weights"] == "float16"
    assert dtypes["tower/model1/video_VLAD/conv2/cluster_weights"] == "int8"
    assert dtypes["tower/model2/cluster_weights"] == "int8"
    assert dtypes["tower/model2/hidden1_weights"] == "float16"
    assert dtypes["tower/model3/hidden1_weights/hidden1_weights"] == "int8"


def test_a_mixed_precision_has_a_letter_for_each_group_of_the_family_at_hand(members, task, tmp_path):
    dbof = members[0]
    wrong = Member(dbof.name, "dbof", dbof.hyperparameters, "mixed_8_8_8_8", 1.0, dbof.weights)
    with pytest.raises(InputError, match="one for each of clusters, hidden1, gates, experts, the other matrices"):
        build_graph([wrong], tmp_path / "graph", task=task)
