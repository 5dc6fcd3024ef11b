from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models import registry
from gapsack.models.tasks import Task
from gapsack.models.tasks.youtube8m import YouTube8M

BUILDERS = Path(__file__).with_name("builders.py")


@pytest.fixture(scope="session")
def task() -> YouTube8M:
    return YouTube8M("frame", 20, 16, 4, 40)


@pytest.fixture(scope="session")
def options(task: YouTube8M) -> Callable[..., dict[str, Any]]:
    """`options("gru", units=4)`: complete hyperparameters of a model by a function of builders.py."""

    def complete(function: str, of: Task = task, **given: Any) -> dict[str, Any]:
        family = registry.family("keras_model")
        return family.validate({"builder": f"{BUILDERS}:{function}", "task": of.to_dict(), **given})

    return complete


@pytest.fixture(scope="session")
def batch() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """16 videos of 10 sampled frames, and their labels."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (16, 10, 20)).astype(np.uint8)
    return {"frames": frames, "num_frames": np.full(16, 10, np.int32)}, rng.random((16, 20)) < 0.2
