"""A small learnable data set, and the spec of a trial on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.tracking.stores.mlflow import MlflowStore

CLASSES = 24
RGB, AUDIO = 16, 8

GRID = {
    "name": "small",
    "data": {
        "level": "frame",
        "validate": ["*"],
        "classes": CLASSES,
        "rgb": RGB,
        "audio": AUDIO,
        "max_frames": 8,
    },
    "model": {"family": "gated_netvlad", "options": {"mixtures": 2}},
    "search": {"points": [{"clusters": 2, "hidden": 8}]},
    "training": {
        "steps": 24,
        "batch_size": 8,
        "sample_frames": 4,
        "learning_rate": 0.02,
        "seed": 3,
        "checkpoint_steps": 6,
        "evaluation_steps": 4,
        "log_steps": 3,
        "averaging": {"last": 3, "max_evaluations": 6},
        "predictions_top_k": 22,
    },
}


def write_videos(path: Path, count: int, rng: np.random.Generator, patterns: np.ndarray) -> None:
    """Videos whose frames lie near the sum of their labels' patterns."""
    records = []
    for number in range(count):
        labels = np.sort(rng.choice(CLASSES, size=rng.integers(1, 3), replace=False))
        frames = patterns[labels].sum(axis=0) + rng.normal(scale=20, size=(rng.integers(2, 12), RGB + AUDIO))
        pixels = np.clip(frames, 0, 255).astype(np.uint8)
        video = f"{path.stem}-{number}"
        records.append(frame_record(encode.sequence_example(video, labels.tolist(), pixels[:, :RGB], pixels[:, RGB:])))
    path.write_bytes(b"".join(records))


@pytest.fixture(scope="session")
def small_files(tmp_path_factory) -> dict[str, tuple[str, ...]]:
    """Training and held-out files."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(11)
    patterns = rng.integers(20, 110, size=(CLASSES, RGB + AUDIO))
    for name, count in (("train0", 50), ("train1", 37), ("holdout0", 45), ("holdout1", 20)):
        write_videos(folder / f"{name}.tfrecord", count, rng, patterns)
    return {kind: tuple(sorted(str(path) for path in folder.glob(f"{kind}*"))) for kind in ("train", "holdout")}


@pytest.fixture
def small_trial(small_files, tmp_path):
    """Makes the spec of a trial in a run folder of its own: small_trial("run", steps=12)."""

    def make(run="run", **training):
        settings = GRID | {"training": GRID["training"] | training}
        grid = Grid.model_validate(settings)
        sweep = SweepSpec(str(tmp_path / run), grid, small_files["train"], small_files["holdout"])
        return sweep.trial(grid.search.points[0])

    return make


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> MlflowStore:
    """An MLflow database for all tests, since making one takes seconds; each test has runs of its own in it."""
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowStore(f"sqlite:///{folder}/mlflow.db", "gapsack", folder / "mlruns")


@pytest.fixture
def trial_result():
    """Makes the record of a finished trial: trial_result("K8-H16", gap=0.6)."""

    def make(name="K8-H16", **values):
        defaults = {
            "family": "gated_netvlad",
            "axes": {},
            "hyperparameters": {},
            "gap": 0.5,
            "size_bytes": {"float16": 1},
        }
        return TrialResult(name=name, **{**defaults, **values})

    return make


@pytest.fixture
def noisy_pool():
    """Makes a pool of models whose errors are what they share and noise of their own: noisy_pool((1.0, 1.2), (40, 20)).

    `names` are m0, m1, … if omitted; the first `copied` models come once more under the last names.
    """

    def make(noise_scales, sizes, *, names=None, copied=0, videos=200, seed=3):
        rng = np.random.default_rng(seed)
        labels = rng.random((videos, 30)) < 0.1
        shared = rng.normal(size=labels.shape)
        scores = [1 / (1 + np.exp(3 - 4 * labels - shared - s * rng.normal(size=labels.shape))) for s in noise_scales]
        scores += scores[:copied]
        ids = [f"v{row:04}" for row in range(len(labels))]
        called = names or [f"m{number}" for number in range(len(scores))]
        candidates = [
            Candidate(name, {"float16": size}, Predictions.from_dense(ids, each.astype(np.float32), 30))
            for name, size, each in zip(called, sizes, scores, strict=True)
        ]
        return CandidatePool(Labels.from_dense(ids, labels), candidates)

    return make
