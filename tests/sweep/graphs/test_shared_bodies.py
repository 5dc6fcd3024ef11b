"""Heads on one frozen body: the search counts the body once, and the graph that is built keeps that budget on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models import registry, sizes
from gapsack.models.checkpoints import load_reference_weights, write_weights
from gapsack.models.graph import Graph
from gapsack.models.precisions import roundtrip
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.pool.origin import WeightsOrigin
from gapsack.selection.units import MIB
from gapsack.sweep import api
from gapsack.sweep.graphs.reserve import Reserve

MODEL = {"rgb": 16, "audio": 8, "classes": 24, "mixtures": 2, "clusters": 64, "hidden": 64}
TASK = YouTube8M("frame", 24, rgb=16, audio=8, max_frames=8)
TENSORS = sizes.tensors("gated_netvlad", MODEL)
HEADS = 3


def is_body(name: str) -> bool:
    return not any(part in name for part in ("gates", "experts"))


def body_bytes(precision: str) -> int:
    from gapsack.models.precisions import precision as by_name

    stored = by_name(precision, TENSORS)
    return sum(stored.tensor_bytes(tensor) for tensor in TENSORS if is_body(tensor.name))


def weights_of(head: int) -> dict[str, Any]:
    found = {}
    for tensor in TENSORS:
        rng = np.random.default_rng([0 if is_body(tensor.name) else head + 1, len(tensor.name)])
        low = 0.5 if "variance" in tensor.name else -1.0
        found[tensor.name] = rng.uniform(low, 1.5, tensor.shape).astype(np.float32)
    return found


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Three heads that err independently; all name the body at float16, as their JSON says."""
    rng = np.random.default_rng(4)
    truth = rng.random((80, 24)) < 0.15
    ids = [f"v{i:03d}" for i in range(80)]
    candidates = []
    for head in range(HEADS):
        write_weights(tmp_path / f"h{head}.npz", weights_of(head))
        scores = 1 / (1 + np.exp(-(2.0 * truth - 2 + 1.5 * rng.normal(size=truth.shape))))
        origin = WeightsOrigin(
            family="gated_netvlad",
            weights=f"../h{head}.npz",
            sample_frames=4,
            task=TASK.to_dict(),
        ).to_dict()
        candidates.append(
            Candidate(
                f"h{head}",
                {"float16": sizes.size_bytes("gated_netvlad", MODEL, "float16")},
                Predictions.from_dense(ids, scores, 24),
                hyperparameters=MODEL,
                origin=origin,
                shared={"body": {"float16": body_bytes("float16")}},
            )
        )
    CandidatePool(Labels.from_dense(ids, truth), candidates).write(tmp_path / "pool")
    return tmp_path / "pool"


def test_three_heads_on_one_body_fit_where_two_models_would_not(pool: Path, tmp_path: Path) -> None:
    read = CandidatePool.read(pool)
    reserve = Reserve.of(read)
    size, body = read["h0"].size_bytes["float16"], body_bytes("float16")
    budget = size + (HEADS - 1) * (size - body) + reserve.fixed_bytes + HEADS * reserve.member_bytes
    assert budget < HEADS * size + reserve.fixed_bytes  # the bodies of all would not fit
    file = tmp_path / "ensemble.json"
    options: dict[str, Any] = {"prefer": "score", "folds": 1, "workers": 1}
    chosen = api.ensemble(pool, budget_mib=budget / MIB, out=file, **options)
    assert len(chosen.members) == HEADS
    assert chosen.total_bytes == size + (HEADS - 1) * (size - body)
    assert chosen.shared_bytes == (HEADS - 1) * body
    with pytest.raises(InputError):
        api.ensemble(pool, budget_mib=(size - 1) / MIB, **options)
    built = api.build(file, tmp_path / "graph", track=False)
    on_disk = sum(path.stat().st_size for path in (tmp_path / "graph").rglob("*") if path.is_file())
    assert chosen.total_bytes < built.info.size_bytes == on_disk <= budget
    frames = np.random.default_rng(3).integers(0, 256, (6, 4, 24), dtype=np.uint8)
    expected = np.zeros((6, 24))
    for member in chosen.members:
        model = registry.build("gated_netvlad", **MODEL)
        weights = weights_of(int(member.name[1]))
        load_reference_weights(model, roundtrip(weights, "float16", model.tensors))
        expected = expected + member.weight * np.asarray(model({"frames": frames}, training=False))
    output = Graph(tmp_path / "graph").predict({"frames": frames, "num_frames": np.full(6, 4, np.int32)})
    # Weights this large make scores of tens, in which the order of sums shows: float32 is 1e-6 from float64 either way.
    np.testing.assert_allclose(output.probabilities, expected, atol=1e-5)


def test_a_body_that_is_another_is_told_when_the_graph_is_built(pool: Path, tmp_path: Path) -> None:
    other = {name: values + 1 if is_body(name) else values for name, values in weights_of(1).items()}
    write_weights(tmp_path / "h1.npz", other)
    file = tmp_path / "ensemble.json"
    api.ensemble(pool, budget_mib=2, out=file, prefer="score", folds=1, workers=1, must_have=["h0", "h1"])
    with pytest.raises(InputError, match=r"as the shared group body at float16 says, got 0 of the same"):
        api.build(file, tmp_path / "graph", track=False)
    assert not (tmp_path / "graph").exists()
