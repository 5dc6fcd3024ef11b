from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models import precisions, registry, sizes
from gapsack.models.checkpoints import reference_weights, write_weights
from gapsack.models.errors import GraphError
from gapsack.models.graph import Member, build_graph, reserve_bytes
from gapsack.models.graph.formats import graph_format
from gapsack.models.graph.size import EXTRA_FILES_BYTES
from gapsack.models.tasks import Task, task_from_dict
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M

Options = Callable[..., dict[str, Any]]
FRAMES = 10


def _member(folder: Path, options: dict[str, Any], precision: str, weight: float = 1.0, seed: int = 1) -> Member:
    weights = folder / f"{seed}.npz"
    write_weights(weights, reference_weights(registry.build("keras_model", seed=seed, **options)))
    return Member(f"m{seed}", "keras_model", options, precision, weight, weights, FRAMES)


def _expected(member: Member, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Of the model itself, with the weights as the graph decodes them."""
    from gapsack.models.checkpoints import load_reference_weights, read_weights

    model = registry.build(member.family, **member.complete)
    tensors = sizes.tensors(member.family, member.hyperparameters)
    load_reference_weights(model, precisions.roundtrip(read_weights(member.weights), member.precision, tensors))
    return np.asarray(model(inputs, training=False))


@pytest.mark.parametrize(
    ("function", "precision"),
    [
        *(("dense", name) for name in (*precisions.names(), "pruned50_float16", "pruned50_int8", "mixed_8_4_16")),
        *((function, "int8") for function in ("convolution", "gru", "lstm", "attention", "subclass", "deep")),
    ],
)
def test_the_graph_says_what_the_model_says_and_fits_its_reserve(
    options: Options, batch: tuple[dict[str, np.ndarray], Any], tmp_path: Path, function: str, precision: str
) -> None:
    member = _member(tmp_path, options(function), precision)
    info = build_graph([member], tmp_path / "graph", task=task_from_dict(member.complete["task"]))

    found = graph_format("savedmodel").load(tmp_path / "graph").predict(batch[0]).probabilities
    np.testing.assert_allclose(found, _expected(member, batch[0]), atol=2e-6)
    assert info.size_bytes <= member.size_bytes + reserve_bytes([member]) - EXTRA_FILES_BYTES


@pytest.mark.parametrize("form", ["metagraph", "litert"])
def test_other_formats_hold_it(options: Options, task: YouTube8M, tmp_path: Path, form: str) -> None:
    info = build_graph([_member(tmp_path, options("convolution"), "int8")], tmp_path / "graph", task=task, format=form)

    assert info.size_bytes > 0


def test_litert_refuses_a_loop_of_no_fixed_length(options: Options, task: YouTube8M, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="expected LiteRT to take the graph"):
        build_graph([_member(tmp_path, options("gru"), "int8")], tmp_path / "graph", task=task, format="litert")


@pytest.mark.parametrize(
    ("other", "function"),
    [(DenseTask((("table", (6,)), ("image", (4, 4))), 5), "arrays"), (YouTube8M("video", 9, 8, 4), "dense")],
)
def test_graphs_of_other_tasks(options: Options, tmp_path: Path, other: Task, function: str) -> None:
    member = _member(tmp_path, options(function, other), "float16")
    build_graph([member], tmp_path / "graph", task=other)
    inputs = other.example_inputs(np.random.default_rng(0), 7)

    found = graph_format("savedmodel").load(tmp_path / "graph").predict(inputs).probabilities
    np.testing.assert_allclose(found, _expected(member, inputs), atol=1e-6)


def test_it_goes_into_one_graph_with_another_family(
    options: Options, task: YouTube8M, batch: tuple[dict[str, np.ndarray], Any], tmp_path: Path
) -> None:
    hyperparameters = {"rgb": 16, "audio": 4, "classes": 20, "clusters": 4, "hidden": 6, "mixtures": 2}
    write_weights(tmp_path / "v.npz", reference_weights(registry.build("gated_netvlad", **hyperparameters)))
    vlad = Member("v", "gated_netvlad", hyperparameters, "int8", 0.25, tmp_path / "v.npz", FRAMES)
    own = [
        _member(tmp_path, options(name), "int4", weight, seed)
        for seed, (name, weight) in enumerate((("dense", 0.5), ("gru", 0.25)))
    ]
    members = [own[0], vlad, own[1]]
    build_graph(members, tmp_path / "graph", task=task)

    found = graph_format("savedmodel").load(tmp_path / "graph").predict(batch[0]).probabilities
    expected = sum(member.weight * _expected(member, batch[0]) for member in members)
    np.testing.assert_allclose(found, expected, atol=2e-6)
