"""Pools that teach: their lists against a naive mean, and the same bytes whoever does the work."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.sweep.cli.runs import app
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.teaching.teacher_folder import TeacherFolder
from gapsack.sweep.teaching.teachers import PoolTeacher

CLASSES = 24
GRID = """
name: students
data: {level: video, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], holdout: {count: 1}, classes: 24}
model: {family: logistic}
search: {points: [{}]}
"""


def naive(lists: list[Predictions], weights: list[float], video: str) -> dict[int, float]:
    """The mean score of each class that any of them lists."""
    found: dict[int, float] = {}
    for each, weight in zip(lists, weights, strict=True):
        row = each.video_ids.tolist().index(video)
        for label, score in zip(each.top_indices[row].tolist(), each.top_scores[row].tolist(), strict=True):
            found[label] = found.get(label, 0.0) + weight * score
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 24))
def test_the_mean_of_lists_is_the_naive_one(seed: int, members: int, top_k: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.array([f"é{number}" for number in rng.permutation(30)])
    scores = [rng.random((30, CLASSES)) for _ in range(members)]
    orders = [rng.permutation(30) for _ in range(members)]
    lists = [Predictions.from_dense(ids[order], dense[order], 20) for dense, order in zip(scores, orders, strict=True)]
    names = [f"m{number}" for number in range(members)]
    candidates = [Candidate(name, {"float32": 1}, each) for name, each in zip(names, lists, strict=True)]
    pool = CandidatePool(Labels.from_dense(ids, scores[0] > 0.5), candidates)
    weights = rng.dirichlet(np.ones(members)).tolist()
    teacher = PoolTeacher._of(pool, Path("pool"), [(n, "", w) for n, w in zip(names, weights, strict=True)])
    asked = rng.choice(ids, 7, replace=False)
    taught = teacher.taught(SimpleNamespace(video_ids=asked), top_k)
    assert taught.ids.tolist() == sorted(each.encode() for each in asked.tolist())
    for row, video in enumerate(taught.ids.tolist()):
        expected = naive(lists, weights, video.decode())
        best = sorted(expected.values(), reverse=True)[:top_k]
        best += [0.0] * (top_k - len(best))
        np.testing.assert_allclose(taught.scores[row].astype(float), best, atol=6e-4)
        for label, score in zip(taught.classes[row].tolist(), taught.scores[row].tolist(), strict=True):
            np.testing.assert_allclose(score, expected.get(label, 0.0), atol=6e-4)
        np.testing.assert_allclose(taught.rest[row], sum(expected.values()) - sum(best), atol=1e-5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three training files, a grid, and a pool that covers them, as an earlier distillation would have left it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPSACK_DATA", raising=False)
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 5, "min_frames": 1, "max_frames": 1}
    write_synth(tmp_path, level="video", classes=CLASSES, seed=0, **sizes)
    Path("grid.yaml").write_text(GRID)
    words = ["teach", "nobody", "--grid", "grid.yaml"]
    assert CliRunner().invoke(app, words).exit_code == 2
    scores = np.random.default_rng(0).random((30, CLASSES))
    data = load_grid(Path("grid.yaml")).data
    with data.dataset.raw(data.files().train, batch_size=99, faults=Faults(0)) as batches:
        (batch,) = batches
    ids = np.concatenate([batch.video_ids, [f"v{number}" for number in range(15)]])
    task = data.task.to_dict()
    origin = {"kind": "trial", "run": "r", "family": "moe", "weights": "w.npz", "task": task}
    candidates = [
        Candidate(
            name, {"float32": 9, "int8": 3}, Predictions.from_dense(ids, scores**power), {"int8":
            Predictions.from_dense(ids, scores**(power + 0.01))}, origin=origin if name == "a" else {})
        for name, power in (("a", 1), ("b", 2))
    ]  # fmt: skip
    CandidatePool(Labels.from_dense(ids, scores > 0.9), candidates).write("pool")
    members = [
        {"name": "a", "precision": "int8", "weight": 0.75},
        {"name": "b", "precision": "float32", "weight": 0.25},
    ]
    Path("ensemble.json").write_text(json.dumps({"members": members, "budget_bytes": 99, "pool": "pool"}))
    return tmp_path


def taught(*words: str, out: str) -> dict[str, bytes]:
    done = CliRunner().invoke(app, ["teach", *words, "--out", out])
    assert done.exit_code == 0, done.output
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def test_a_pool_teaches_the_training_files_of_a_grid(folder: Path) -> None:
    by_grid = taught("pool", "--candidate", "a@int8", "--grid", "grid.yaml", "--top-k", "7", out="one")
    manifest = TeacherFolder(Path("one")).manifest()
    assert (manifest.examples, manifest.top_k, len(manifest.files)) == (15, 7, 3)
    lists = CandidatePool.read("pool")["a"].predictions_at("int8")
    found = TeacherFolder(Path("one")).read()
    for row, video in enumerate(found.ids.tolist()):
        place = lists.video_ids.tolist().index(video.decode())
        np.testing.assert_array_equal(found.classes[row], lists.top_indices[place, :7])
        np.testing.assert_array_equal(found.scores[row], lists.top_scores[place, :7].astype(np.float16))
    # The candidate says how its files are read; the grid need not.
    names = [file.name for file in manifest.files]
    assert taught("pool", *names, "--candidate", "a@int8", "--top-k", "7", out="two") == by_grid


def test_an_ensembles_members_teach_by_their_weights_and_precisions(folder: Path) -> None:
    taught("ensemble.json", "--grid", "grid.yaml", out="one")
    pool, found = CandidatePool.read("pool"), TeacherFolder(Path("one")).read()
    lists = [pool["a"].predictions_at("int8"), pool["b"].predictions]
    for row, video in enumerate(found.ids.tolist()):
        expected = naive(lists, [0.75, 0.25], video.decode())
        for label, score in zip(found.classes[row].tolist(), found.scores[row].tolist(), strict=True):
            np.testing.assert_allclose(score, expected[label], atol=6e-4)


@pytest.mark.long
def test_the_number_of_workers_changes_no_byte(folder: Path) -> None:
    words = ["pool", "--candidate", "a", "--candidate", "b", "--grid", "grid.yaml"]
    assert taught(*words, "--workers", "2", out="two") == taught(*words, out="one")


def test_a_teacher_that_gives_most_to_what_is_not_listed_is_told(folder: Path) -> None:
    words = ["teach", "pool", "--candidate", "a", "--grid", "grid.yaml"]
    few = CliRunner().invoke(app, [*words, "--top-k", "2", "--out", "few"])
    assert few.exit_code == 0
    assert "this teacher is not calibrated" in " ".join(few.output.split())
    manifest, found = TeacherFolder(Path("few")).manifest(), TeacherFolder(Path("few")).read()
    assert manifest.mean_listed == pytest.approx(found.scores.astype(np.float64).sum(axis=1).mean(), abs=1e-12)
    assert manifest.mean_rest == pytest.approx(found.rest.mean(), abs=1e-6)
    all_of_them = CliRunner().invoke(app, [*words, "--top-k", str(CLASSES), "--out", "all"])
    assert "calibrated" not in all_of_them.output
