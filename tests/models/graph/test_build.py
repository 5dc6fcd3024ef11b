from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models.errors import GraphError
from gapsack.models.graph import Graph, build_graph
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_at_k

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}


def blended(members, predictions, blend):
    if blend == "probability":
        return sum(member.weight * own for member, own in zip(members, predictions, strict=True))
    kept = [np.clip(own.astype(np.float64), 1e-6, 1 - 1e-6) for own in predictions]
    total = sum(member.weight * np.log(own / (1 - own)) for member, own in zip(members, kept, strict=True))
    return 1 / (1 + np.exp(-total))


@pytest.fixture(scope="module")
def float32_graph(ensemble, tmp_path_factory):
    members = ensemble("float32", "float32", "float32")
    directory = tmp_path_factory.mktemp("graph") / "graph"
    return members, build_graph(members, directory, task=TASKS["frame"])


def test_it_predicts_the_blend_of_its_members(float32_graph, own_predictions, videos):
    members, info = float32_graph
    graph = Graph(info.directory)
    expected = blended(members, own_predictions(members, "frame"), "probability")
    output = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert output.probabilities.dtype == np.float32
    assert_allclose(output.probabilities, expected, atol=1e-6)
    order = np.argsort(-output.probabilities, axis=1, kind="stable")[:, :20]
    assert_array_equal(output.top_indices, order)
    assert_array_equal(output.top_scores, np.take_along_axis(output.probabilities, order, axis=1))
    for one in (0, 3):
        single = graph.predict({"frames": videos.frames[one : one + 1], "num_frames": videos.num_frames[one : one + 1]})
        assert_allclose(single.probabilities[0], expected[one], atol=1e-6)


def test_frames_beyond_the_end_do_not_matter(float32_graph, videos):
    _, info = float32_graph
    zeroed = videos.frames * (np.arange(videos.frames.shape[1])[None, :, None] < videos.num_frames[:, None, None])
    graph = Graph(info.directory)
    expected = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames}).probabilities
    real = videos.num_frames > 0
    assert_array_equal(
        graph.predict({"frames": zeroed, "num_frames": videos.num_frames}).probabilities[real], expected[real]
    )


@pytest.mark.parametrize(
    ("level", "blend", "names"),
    [
        ("frame", "probability", ("float16", "int8", "int4")),
        ("frame", "logit", ("bfloat16", "pruned50_float16", "mixed_8_4_16_32_16")),
        ("video", "probability", ("pruned75_int8", "float32", "float16")),
        ("video", "logit", ("int4", "int8", "bfloat16")),
    ],
)
def test_every_precision_is_decoded_to_its_own_predictions(request, ensemble, videos, tmp_path, level, blend, names):  # noqa: PLR0917
    members, own_predictions = ensemble(*names), request.getfixturevalue("own_predictions")
    build_graph(members, tmp_path / "graph", task=TASKS[level], blend=blend)
    frames, counts = (videos.frames, videos.num_frames) if level == "frame" else (videos.vectors, np.ones(10))
    output = Graph(tmp_path / "graph").predict({"frames": frames, "num_frames": counts})
    # The last bit of a probability near 1 is much in its logit, up to 0.06 where logits are cut off.
    atol = 1e-6 if blend == "probability" else 1e-5
    assert_allclose(output.probabilities, blended(members, own_predictions(members, level), blend), atol=atol)


def test_the_fingerprint_tells_graphs_apart(float32_graph, ensemble, tmp_path):
    import tensorflow as tf

    build_graph(ensemble("float32"), tmp_path / "one", task=TASKS["frame"])
    read = tf.saved_model.experimental.read_fingerprint
    one, three = read(str(tmp_path / "one")), read(str(float32_graph[1].directory))
    assert one.saved_model_checksum != three.saved_model_checksum
    assert one.checkpoint_hash != three.checkpoint_hash


@pytest.mark.parametrize(
    "names",
    [
        ("float32", "float32"),
        ("float16", "int4", "pruned50_int8"),
        ("bfloat16", "int8", "mixed_8_4_16_32_16"),
        ("float32", "pruned75_float16"),
    ],
)
def test_weights_decoded_once_predict_the_same(ensemble, videos, tmp_path, names):
    build_graph(ensemble(*names), tmp_path / "graph", task=TASKS["frame"])
    graph = Graph(tmp_path / "graph")
    expected = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert graph.decode() is graph
    output = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames})
    assert_allclose(output.probabilities, expected.probabilities, atol=1e-6)
    assert_array_equal(output.top_indices, expected.top_indices)
    if names[0] != "float32":
        values = graph.loaded.graph.get_tensor_by_name("tower/gates/weights/decoded:0")
        assert values.dtype.name == "float32"


def test_the_float16_graph_has_the_gap_of_float32(ensemble, tmp_path, float32_graph):
    rng = np.random.default_rng(5)
    frames, counts = rng.integers(0, 256, (2_000, 4, 12), dtype=np.uint8), np.full(2_000, 4, np.int32)
    exact = Graph(float32_graph[1].directory).predict({"frames": frames, "num_frames": counts}).probabilities
    labels = rng.random(exact.shape) < exact / exact.max() * 0.5
    build_graph(ensemble("float16", "float16", "float16"), tmp_path / "half", task=TASKS["frame"])
    half = Graph(tmp_path / "half").predict({"frames": frames, "num_frames": counts}).probabilities
    assert np.abs(half - exact).max() > 1e-6, "the weights were not stored as float16"
    assert gap_at_k(half, labels) == pytest.approx(gap_at_k(exact, labels), abs=1e-4)


def test_a_fresh_process_loads_it_with_tensorflow_alone(float32_graph, videos, tmp_path):
    _, info = float32_graph
    np.savez(tmp_path / "in.npz", frames=videos.frames, num_frames=videos.num_frames)
    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "given = np.load(sys.argv[2])\n"
        "signature = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "out = signature(frames=tf.constant(given['frames']), num_frames=tf.constant(given['num_frames']))\n"
        "np.savez(sys.argv[3], **{name: value.numpy() for name, value in out.items()})\n"
        "assert not any(name.split('.')[0] in ('models', 'selection') for name in sys.modules)\n"
    )
    arguments = [str(info.directory), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=tmp_path, capture_output=True)
    output, expected = (
        np.load(tmp_path / "out.npz"),
        Graph(info.directory).predict({"frames": videos.frames, "num_frames": videos.num_frames}),
    )
    assert_allclose(output["predictions"], expected.probabilities, atol=1e-7)
    assert_array_equal(output["top_indices"], expected.top_indices)
    assert_array_equal(output["top_scores"].shape, (10, 20))


def test_variables_bear_the_authors_names_and_their_stored_types(ensemble, tmp_path):
    import tensorflow as tf

    info = build_graph(ensemble("float16", "float32", "int8"), tmp_path / "graph", task=TASKS["frame"])
    reader = tf.train.load_checkpoint(str(info.directory / "variables" / "variables"))
    dtypes = {name: dtype.name for name, dtype in reader.get_variable_to_dtype_map().items()}
    assert dtypes["tower/gates/weights"] == "float16"
    assert dtypes["tower/hidden1_bn/moving_variance"] == "float32"
    assert dtypes["tower/model1/gates/weights"] == "float32"
    assert dtypes["tower/model2/gates/weights"] == "int8"
    assert dtypes["tower/model2/gates/weights/scales"] == "float16"
    assert len([name for name in dtypes if not name.startswith("tower/model")]) == 32


def test_what_is_beyond_float16_stops_the_build_or_saturates(ensemble, tmp_path):
    from dataclasses import replace

    from gapsack.models.checkpoints import read_weights, write_weights

    (member,) = ensemble("float16")
    weights = read_weights(member.weights)
    weights["tower/experts/weights"][0, :3] = 1e5
    write_weights(tmp_path / "large.npz", weights)
    member = replace(member, weights=tmp_path / "large.npz")
    with pytest.raises(InputError, match=r"member m0: .*3 beyond it in tower/experts/weights"):
        build_graph([member], tmp_path / "graph", task=TASKS["frame"])
    info = build_graph([member], tmp_path / "graph", task=TASKS["frame"], saturate=True)
    assert info.saturated == {"m0 tower/experts/weights": 3}


def test_nothing_is_left_of_a_graph_beyond_its_budget(ensemble, tmp_path):
    members = ensemble("float32", "float16")
    build = partial(build_graph, members, task=TASKS["frame"], extra_files={"ensemble.json": b"{}"})
    info = build(tmp_path / "graph")
    assert info.files["assets.extra/ensemble.json"] == 2
    assert info.size_bytes == sum(file.stat().st_size for file in info.directory.rglob("*") if file.is_file())
    # The fingerprint holds hashes in as many bytes as each needs, so that graphs differ by a few bytes between builds.
    for _ in range(40):
        with suppress(GraphError):
            if build(tmp_path / "exact", budget_bytes=info.size_bytes).size_bytes == info.size_bytes:
                break
    else:
        pytest.fail("no graph that takes just its budget was accepted")
    limit = info.size_bytes - 20
    with pytest.raises(GraphError, match=f"at most {limit} bytes") as caught:
        build_graph(members, tmp_path / "other", task=TASKS["frame"], budget_bytes=limit)
    got = int(str(caught.value).partition("got ")[2].split()[0])
    assert abs(got - (info.size_bytes - 2)) < 16  # no extra file of two bytes this time
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exact", "graph"]


def test_a_build_that_fails_leaves_the_earlier_graph_alone(ensemble, tmp_path):
    from dataclasses import replace

    members = ensemble("float32", "float16")
    build_graph(members[:1], tmp_path / "graph", task=TASKS["frame"])
    before = (tmp_path / "graph" / "saved_model.pb").read_bytes()
    broken = replace(members[1], weights=tmp_path / "missing.npz")
    with pytest.raises(InputError, match=r"member m1: .*missing\.npz: expected this file"):
        build_graph([members[0], broken], tmp_path / "graph", task=TASKS["frame"])
    assert (tmp_path / "graph" / "saved_model.pb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]
    build_graph(members, tmp_path / "graph", task=TASKS["frame"])
    assert (tmp_path / "graph" / "saved_model.pb").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


def test_members_that_do_not_fit_together_are_refused(ensemble, tmp_path):
    from dataclasses import replace

    first, second = ensemble("float32", "float32")
    unlike = [replace(first, hyperparameters={**first.hyperparameters, key: 7}) for key in ("classes", "hidden")]
    cases = [
        ([], "at least one member"),
        ([second, unlike[0]], r"\'classes\': 30.*\'classes\': 7.* in m0"),
        ([replace(first, weight=float("nan"))], "finite blend weight, got nan"),
        ([replace(first, sample_frames=0)], "at least 1 sampled frame, got 0"),
        ([replace(first, precision="float8")], "one of the precisions"),
        (
            [replace(first, hyperparameters={**first.hyperparameters, "hidden": 7})],
            r"expected shape .* for tower/hidden1",
        ),
    ]
    for members, message in cases:
        with pytest.raises(InputError, match=message):
            build_graph(members, tmp_path / "graph", task=TASKS["frame"])
    with pytest.raises(InputError, match=r"blend probability or logit, got .*'mean'"):
        build_graph([first], tmp_path / "graph", task=TASKS["frame"], blend="mean")
    with pytest.raises(InputError, match="expected a SavedModel"):
        Graph(tmp_path / "graph")


def test_progress_names_each_member_before_it_is_written(ensemble, tmp_path):
    told = []
    build_graph(
        ensemble("float32", "int8"), tmp_path / "graph", task=TASKS["video"], progress=lambda *step: told.append(step)
    )
    assert told == [(0, 2, "m0"), (1, 2, "m1"), (2, 2, "")]
