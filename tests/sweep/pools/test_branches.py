"""A mixture's branches as candidates: their sizes, their predictions, and their way into one graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.models import registry, sizes
from gapsack.models.checkpoints import write_weights
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.origin import TrialOrigin
from gapsack.sweep.cli.choose import app
from gapsack.sweep.data.dataset import dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.measure.labelled_lists import LabelledLists

CLASSES = 24
TASK = YouTube8M("frame", CLASSES, 1024, 128, 300)
MIXTURE = {"clusters": 4, "hidden": 8, "groups": 2, "reduction": 2, "branches": 2, "places": 8}
FRAMES = 8


def hyperparameters() -> dict[str, Any]:
    return registry.family("mix_nextvlad").validate({**MIXTURE, "classes": CLASSES, "rgb": 1024, "audio": 128})


def test_a_part_has_the_tensors_of_its_family_in_their_order_and_shapes() -> None:
    family, complete = registry.family("mix_nextvlad"), hyperparameters()
    whole = {tensor.name: tensor.shape for tensor in family.tensors(complete)}
    assert family.parts is not None
    parts = family.parts(complete)
    taken = [name for part in parts for name in part.tensors]
    assert len(taken) == len(set(taken)) == len(whole) - 6, "all but the mixing weights and their norm"
    for part in parts:
        own = sizes.tensors(part.family, part.hyperparameters)
        for tensor, name in zip(own, part.tensors, strict=True):
            assert whole[name] == tensor.shape
            assert name.rsplit("/", 1)[-1] == tensor.name.rsplit("/", 1)[-1]


def select(*words: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, words), *(["--json"] if code == 0 else [])])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code == 0 else done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with an untrained mixture, as a trial leaves it."""
    folder = tmp_path_factory.mktemp("branches")
    counts = {"train_files": 1, "validate_files": 1, "videos_per_file": 20, "min_frames": 3, "max_frames": 9}
    write_synth(folder, level="frame", classes=CLASSES, seed=0, **counts)
    rng, complete = np.random.default_rng(0), hyperparameters()
    weights = {
        tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -0.5, 1.5 if "variance" in tensor.name else 0.5,
                                 tensor.shape).astype(np.float32)
        for tensor in sizes.tensors("mix_nextvlad", complete)
    }  # fmt: skip
    write_weights(folder / "trials" / "mix" / "weights.npz", weights)
    with dataset_of(TASK.to_dict()).raw([str(folder / "validate0000.tfrecord")], batch_size=99, faults=Faults(0)) as b:
        (batch,) = b
    lists = LabelledLists(CLASSES)
    scores = rng.random((len(batch.video_ids), CLASSES)).astype(np.float32)
    order = np.argsort(-scores, axis=1)[:, :20].astype(np.int32)
    lists.add(batch.video_ids, order, np.take_along_axis(scores, order, 1), batch.labels)
    origin = TrialOrigin(run="r", family="mix_nextvlad", weights="../trials/mix/weights.npz", sample_frames=FRAMES,
                         task=TASK.to_dict())  # fmt: skip
    size = sizes.size_bytes("mix_nextvlad", complete, "float16")
    mixture = Candidate("mix", {"float16": size}, lists.predictions(), hyperparameters=complete,
                        origin=origin.to_dict())  # fmt: skip
    other = Candidate("other", {"float16": 5}, lists.predictions())
    CandidatePool(lists.truth(), [mixture, other]).write(folder / "pool")
    return folder


@pytest.mark.slow
def test_branches_become_candidates_that_predict_as_the_branches_do(made: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(made, tmp_path / "here")
    here = tmp_path / "here"
    words = ("pool", "add-branches", here / "pool", "--data", here / "validate0000.tfrecord")
    added = select(*words)
    assert [each["name"] for each in added["candidates"]] == ["mix-branch0", "mix-branch1", "mix", "other"]
    assert select(*words)["candidates"] == added["candidates"], "the same command, repeated"
    pool, complete = CandidatePool.read(here / "pool"), hyperparameters()

    # The mixture's own network says what its branches answer, in training mode without dropout and batch statistics.
    from gapsack.models.checkpoints import load_reference_weights, read_weights
    from gapsack.models.tasks.youtube8m.float_frames import real_frames

    model = registry.build("mix_nextvlad", **complete)
    load_reference_weights(model, read_weights(here / "trials" / "mix" / "weights.npz"))
    with dataset_of(TASK.to_dict()).evaluation(
        [str(here / "validate0000.tfrecord")], batch_size=99, sample_frames=FRAMES, whole=True, faults=Faults(0)
    ) as batches:
        (batch,) = batches
    frames, counts = np.asarray(batch.inputs["frames"]), np.asarray(batch.inputs["num_frames"])
    real, features = real_frames(frames, counts), model.unwhitened(frames, counts)
    for index, branch in enumerate(model.branches):
        expected = np.asarray(branch(features, real, training=False).probabilities)
        candidate = pool[f"mix-branch{index}"]
        for precision, tolerance in (("float32", 1e-5), ("float16", 2e-2)):
            lists = candidate.predictions_at(precision)
            rows = [lists.video_ids.tolist().index(video) for video in batch.video_ids]
            found = lists.top_scores[rows]
            np.testing.assert_allclose(
                found, np.take_along_axis(expected, lists.top_indices[rows], 1), rtol=0, atol=tolerance
            )
            assert candidate.size_bytes[precision] == sizes.size_bytes("nextvlad", candidate.hyperparameters, precision)

    # One graph of both branches, without the mixture.
    members = [{"name": f"mix-branch{index}", "precision": "float16", "weight": 0.5} for index in (0, 1)]
    (here / "ensemble.json").write_text(json.dumps({"members": members, "budget_bytes": 2**24, "pool": "pool"}))
    built = select("build", here / "ensemble.json", "--out", here / "graph")
    assert built["size_bytes"] <= 2**24
    assert select("evaluate", here / "graph", here / "validate0000.tfrecord")["videos"] == 20


def test_what_has_no_branches_is_one_sentence(made: Path) -> None:
    before = sorted(path.name for path in (made / "pool").iterdir())
    words = ("pool", "add-branches", made / "pool", "--data", made / "validate0000.tfrecord")
    assert "made of others, got other" in select(*words[:3], "other", *words[3:], code=2)
    assert "got 'nobody'" in select(*words[:3], "nobody", *words[3:], code=2)
    assert "belongs to no run" in select(*words[:3], code=2)
    assert sorted(path.name for path in (made / "pool").iterdir()) == before
