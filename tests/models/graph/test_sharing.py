"""Members that share a frozen body: its tensors are stored once, and every format predicts what it does without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import checkpoints
from gapsack.models.errors import GraphError
from gapsack.models.graph import build_graph
from gapsack.models.graph.foreign.saved_model import SavedModelMember
from gapsack.models.graph.formats import load_graph
from gapsack.models.graph.members import Member
from gapsack.models.graph.sharing import find_sharing
from gapsack.models.graph.size import reserve_bytes
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

TASK = YouTube8M("frame", classes=30, rgb=8, audio=4)
MODEL = {"rgb": 8, "audio": 4, "classes": 30, "mixtures": 2, "clusters": 64, "hidden": 64}
HEAD = ("gates", "experts")


def is_body(tensor):
    return not any(part in tensor for part in HEAD)


def body_bytes(member):
    return sum(member.stored.tensor_bytes(tensor) for tensor in member.tensors if is_body(tensor.name))


@pytest.fixture(scope="module")
def heads(tmp_path_factory, random_weights):
    """`heads("float16", "int8")`: members with one body and heads of their own, by precision; all share the body."""
    folder = tmp_path_factory.mktemp("weights")
    body = random_weights(MODEL, 0)
    for index in range(3):
        own = random_weights(MODEL, index)
        assert {is_body(name) for name in own} == {True, False}
        mixed = {name: body[name] if is_body(name) else own[name] for name in own}
        checkpoints.write_weights(folder / f"m{index}.npz", mixed)

    def members(*names):
        plain = [
            Member(f"m{i}", "gated_netvlad", MODEL, name, (0.5, 0.3, 0.2)[i], folder / f"m{i}.npz", 10)
            for i, name in enumerate(names)
        ]
        return [replace(member, shared={"body": body_bytes(member)}) for member in plain]

    return members


def unshared(members):
    return [replace(member, shared={}) for member in members]


THREE_HALVES, TWO_WHOLE, TWO_BYTES = ("float16", "float16", "float16"), ("float32", "float32"), ("int8", "int8")


@pytest.mark.parametrize(
    ("format", "names"),
    [
        ("savedmodel", THREE_HALVES),
        ("savedmodel", TWO_BYTES),
        ("metagraph", TWO_BYTES),
        ("litert", TWO_BYTES),
        pytest.param("savedmodel", TWO_WHOLE, marks=pytest.mark.long),
        pytest.param("metagraph", THREE_HALVES, marks=pytest.mark.long),
        pytest.param("litert", THREE_HALVES, marks=pytest.mark.long),
        pytest.param("litert", TWO_WHOLE, marks=pytest.mark.long),
    ],
)
def test_a_body_is_stored_once_and_predictions_are_the_same(heads, videos, tmp_path, names, format):
    members = heads(*names)
    settings = {"weights": "float32"} if format == "litert" and names[0] == "float32" else {}
    once = build_graph(members, tmp_path / "once", task=TASK, format=format, settings=settings)
    twice = build_graph(unshared(members), tmp_path / "twice", task=TASK, format=format, settings=settings)
    saved = (len(members) - 1) * body_bytes(members[0])
    assert saved > 50_000
    promised = sum(member.size_bytes for member in members) - saved + reserve_bytes(members)
    assert once.size_bytes <= promised
    if format != "litert":  # whose converter merges equal constants by itself
        assert twice.size_bytes - once.size_bytes > 0.95 * saved
        assert twice.size_bytes > promised
    given = {"frames": videos.frames, "num_frames": videos.num_frames}
    expected = load_graph(tmp_path / "twice").predict(given).probabilities
    # To float32's rounding: TensorFlow sums in another order where operations have more readers.
    assert_allclose(load_graph(tmp_path / "once").predict(given).probabilities, expected, atol=1e-6)
    if format == "savedmodel":
        decoded = load_graph(tmp_path / "once", decode_once=True).predict(given).probabilities
        assert_allclose(decoded, expected, atol=1e-6)


def test_the_budget_counts_what_is_stored_once(heads, tmp_path):
    members = heads("float16", "float16")
    size = build_graph(members, tmp_path / "free", task=TASK).size_bytes
    few = 64  # bytes by which builds differ, since the fingerprint holds hashes in as many as each needs
    assert build_graph(members, tmp_path / "tight", task=TASK, budget_bytes=size + few).size_bytes <= size + few
    weights = sum(member.size_bytes for member in members) - body_bytes(members[0])
    with pytest.raises(GraphError, match=rf"{weights} of weights"):
        build_graph(members, tmp_path / "over", task=TASK, budget_bytes=size - few)


def test_only_what_is_declared_and_equal_is_shared(heads):
    members = heads("float16", "float16", "int8")
    found = find_sharing(members)  # the third has another precision, in which it stores other arrays
    names = {tensor.name for tensor in members[0].tensors if is_body(tensor.name)}
    assert {tensor for (index, tensor) in found.places if index == 1} == names
    assert {index for index, _ in found.places} == {1}
    assert found.saved_bytes == body_bytes(members[0])
    assert not find_sharing(unshared(members)).places
    other = replace(members[1], shared={"another": 8})
    assert not find_sharing([members[0], other]).places


def test_bodies_that_differ_in_one_value_are_refused_by_name(heads, tmp_path):
    members = heads("float16", "float16")
    weights = checkpoints.read_weights(members[1].weights)
    name = next(name for name in weights if is_body(name) and weights[name].ndim == 2)
    weights[name][0, 0] += 1
    checkpoints.write_weights(tmp_path / "other.npz", weights)
    members[1] = replace(members[1], weights=tmp_path / "other.npz")
    with pytest.raises(
        InputError, match=rf"expected m1 to have at least \d+ bytes .* m0, .* group body at float16 .*{name}"
    ):
        build_graph(members, tmp_path / "graph", task=TASK)
    assert not (tmp_path / "graph").exists()


def test_a_group_that_says_less_than_there_is_is_no_error(heads):
    members = [replace(member, shared={"body": 10}) for member in heads("float16", "float16")]
    assert find_sharing(members).saved_bytes == body_bytes(members[0])


def test_clipped_weights_are_shared_as_they_are_stored(heads, tmp_path):
    members = heads("float16", "float16")
    large = []
    for index, member in enumerate(members):
        weights = checkpoints.read_weights(member.weights)
        name = next(t.name for t in member.tensors if is_body(t.name) and member.stored.codec(t).limit < 1e6)
        weights[name].flat[0] = 1e6
        checkpoints.write_weights(tmp_path / f"{index}.npz", weights)
        large.append(replace(member, weights=tmp_path / f"{index}.npz"))
    with pytest.raises(InputError, match="member m0"):
        build_graph(large, tmp_path / "graph", task=TASK)
    info = build_graph(large, tmp_path / "graph", task=TASK, saturate=True)
    assert sum(info.saturated.values()) == 1  # stored once


def test_a_saved_model_that_shares_is_one_clear_error(heads, tmp_path):
    member = heads("float32")[0]
    foreign = SavedModelMember("b", tmp_path, "float32", 0.5, 4, shared={"body": 9})
    with pytest.raises(InputError, match=r"\(group body at float32\), got the SavedModel b"):
        find_sharing([member, foreign])
    assert np.all([not find_sharing([member, replace(foreign, shared={"other": 9})]).places])
