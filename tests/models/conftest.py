from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.graph import Member

FEATURES = {"rgb": 8, "audio": 4, "classes": 30, "mixtures": 2}
HYPERPARAMETERS = (
    {**FEATURES, "clusters": 4, "hidden": 6},
    {**FEATURES, "clusters": 7, "hidden": 5},
    {**FEATURES, "clusters": 6, "hidden": 4},
)
SAMPLE_FRAMES = (10, 25, 10)
WEIGHTS = (0.5, 0.3, 0.2)


def _random_weights(hyperparameters: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Weights far from their initial values, so that a tensor in the wrong place shows."""
    rng = np.random.default_rng(seed)
    weights = {}
    for tensor in sizes.tensors("gated_netvlad", hyperparameters):
        low = 0.5 if "variance" in tensor.name else -1.0
        weights[tensor.name] = rng.uniform(low, 1.5, tensor.shape).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def random_weights() -> Callable[[dict[str, Any], int], dict[str, np.ndarray]]:
    return _random_weights


@pytest.fixture(scope="session")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Member]]:
    """`ensemble("float32", "int8")`: members of different sizes, one for each precision, with weights on disk."""
    folder = tmp_path_factory.mktemp("weights")
    for index, hyperparameters in enumerate(HYPERPARAMETERS):
        checkpoints.write_weights(folder / f"m{index}.npz", _random_weights(hyperparameters, index))

    def members(*names: str) -> list[Member]:
        return [
            Member(
                name=f"m{index}",
                family="gated_netvlad",
                hyperparameters=HYPERPARAMETERS[index],
                precision=name,
                weight=WEIGHTS[index],
                weights=folder / f"m{index}.npz",
                sample_frames=SAMPLE_FRAMES[index],
            )
            for index, name in enumerate(names)
        ]

    return members


@pytest.fixture(scope="session")
def videos() -> SimpleNamespace:
    """Raw videos of many lengths: one frame, none, longer than is used, with noise beyond their end."""
    rng = np.random.default_rng(0)
    num_frames = np.array([1, 0, 7, 320, 300, 301, 24, 25, 26, 3], np.int32)
    return SimpleNamespace(
        frames=rng.integers(0, 256, (10, 330, 12), dtype=np.uint8),
        num_frames=num_frames,
        vectors=rng.standard_normal((10, 1, 12)).astype(np.float32),
    )


def fixed_choice(frames: np.ndarray, num_frames: np.ndarray, count: int) -> np.ndarray:
    """Evenly spaced frames, video by video: the naive reference."""
    chosen = []
    for video, length in zip(frames, num_frames, strict=True):
        n = max(1, min(int(length), 300))
        chosen.append([video[(2 * i + 1) * n // (2 * count)] for i in range(count)])
    return np.array(chosen)


@pytest.fixture(scope="session")
def own_predictions(videos: SimpleNamespace) -> Callable[[Sequence[Member], str], list[np.ndarray]]:
    """Each member's predictions by its own Keras model, with the weights of its precision."""

    def predictions(members: Sequence[Member], level: str) -> list[np.ndarray]:
        answers = []
        for member in members:
            model = registry.build(member.family, **member.hyperparameters)
            weights = checkpoints.read_weights(member.weights)
            checkpoints.load_reference_weights(model, precisions.roundtrip(weights, member.precision, member.tensors))
            frames = (
                videos.vectors
                if level == "video"
                else fixed_choice(videos.frames, videos.num_frames, member.sample_frames)
            )
            answers.append(np.asarray(model({"frames": frames}, training=False)))
        return answers

    return predictions
