"""Families' options, tensors of models from elsewhere, weights to begin with, pools to join: spoilt in every way.

Whatever stands there, one of our own errors comes back, and nothing takes all memory. The kinds of fault are those of
the other tables of this folder, applied to what came in with the families.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gapsack.models import registry, sizes
from gapsack.models.recognition import recognisable, recognise
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.sweep.cli.runs import app
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.read import load_grid

SMALL: dict[str, dict[str, Any]] = {
    "clusters": {"clusters": 8}, "hidden": {"hidden": 8}, "cells": {"cells": 4}, "groups": {"groups": 2},
    "reduction": {"reduction": 2},
}  # fmt: skip
NASTY: list[Any] = [
    None, True, -1, 0, 3.9, 2**31, 2**63, 2**70, 1e308, "", "x", "x" * 300, "../up", [], [[]], {}, {"x": {}}, [None],
    "nan", "9" * 5000, "${HOME}", math.pi, -0.0,
]  # fmt: skip
FAMILIES = sorted(set(registry.families()) - {"keras_model"})


def small(family: str) -> dict[str, Any]:
    """Options of a small model."""
    own = {parameter.name for parameter in registry.family(family).hyperparameters}
    return {name: value for key, values in SMALL.items() if key in own for name, value in values.items()}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_options_of_any_kind_and_size_are_planned_or_refused(family: str, tmp_path: Path) -> None:
    options = small(family)
    path, refused = tmp_path / "grid.yaml", 0
    names = [parameter.name for parameter in registry.family(family).hyperparameters]
    for name in [*names, "nonsense"]:
        for value in NASTY:
            grid = {
                "name": "g",
                "data": {"level": "frame", "validate": ["v"]},
                "model": {"family": family, "options": {**options, name: value}},
                "search": {"points": [{}]},
            }
            path.write_text(json.dumps(grid))
            try:
                plan(load_grid(path))
            except InputError:
                refused += 1
    assert refused > len(names) * len(NASTY) / 2


def spoilt(shapes: dict[str, tuple[int, ...]]) -> st.SearchStrategy[dict[str, tuple[int, ...]]]:
    """Shapes with some tensors left out, added, or of other dimensions."""
    dimension = st.sampled_from([0, 1, 2, 3, 7, 2**20, 2**31, 2**40])
    shape = st.lists(dimension, max_size=4).map(tuple)
    change = st.tuples(st.sampled_from(sorted(shapes)), st.sampled_from(["drop", "shape", "add", "name"]), shape)

    def apply(changes: list[tuple[str, str, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
        found = copy.copy(shapes)
        for name, kind, new in changes:
            if kind == "drop":
                found.pop(name, None)
            elif kind == "shape":
                found[name] = new
            else:
                found[f"{name}/more" if kind == "add" else name.upper()] = new
        return found

    return st.lists(change, min_size=1, max_size=3).map(apply)


@pytest.mark.parametrize("family", [family.name for family in recognisable()])
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_tensors_of_a_model_from_elsewhere_are_recognised_or_refused(family: str, data: st.DataObject) -> None:
    complete = registry.family(family).validate({**small(family), "classes": 12, "rgb": 1024, "audio": 128})
    shapes = {tensor.name: tensor.shape for tensor in sizes.tensors(family, complete)}
    given_shapes = data.draw(spoilt(shapes))
    for families in ((), (family,)):
        try:
            model = recognise(given_shapes, where="a checkpoint", families=families)
        except InputError as error:
            assert len(str(error)) < 3000
        else:
            for tensor in model.tensors:
                assert given_shapes[tensor.name] == tensor.shape


# Pools to join.

IDS = np.array([f"v{number}" for number in range(30)])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "empty": written(b""),
    "zeros": written(bytes(999)),
    "text": written(b"a,b\n1,2\n"),
    "gone": Path.unlink,
    "a folder": foldered,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["labels.npz", "a.json", "a.npz", "a.int8.npz"])
def test_a_damaged_pool_joins_nothing(name: str, damage: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((30, 25))
    for pool in ("one", "two"):
        lists = Predictions.from_dense(IDS, scores)
        candidates = [Candidate(each, {"float32": 9, "int8": 3}, lists, {"int8": lists}) for each in ("a", "b")]
        CandidatePool(Labels.from_dense(IDS, scores > 0.9), candidates).write(tmp_path / pool)
    DAMAGES[damage](tmp_path / "two" / name)
    words = ["select", "pool", "join", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "both")]
    done = CliRunner().invoke(app, words)
    if name.startswith("a.") and damage == "gone" and name != "a.npz":
        assert done.exit_code == 0  # there is no such candidate, or none of lists of its own
        return
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1, done.stderr
    assert str(tmp_path / "two") in done.stderr
    assert not (tmp_path / "both").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
