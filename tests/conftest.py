"""Where the reference outputs and the real data lie; tests that need them skip where they are missing."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def pytest_collection_finish() -> None:
    """TensorFlow, Ray and MLflow are imported by now and stay: a collection need not go through them each time."""
    gc.collect()
    gc.freeze()


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside this checkout (it is in the maintainers' folder ../shared)")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference outputs computed with the field's own code."""
    return _existing(SHARED / "golden")


@pytest.fixture(scope="session")
def yt8m_video() -> Path:
    """The folder of real video-level shards."""
    return _existing(SHARED / "data" / "yt8m_video")


@pytest.fixture(scope="session")
def yt8m_frame() -> Path:
    """The folder with one real frame-level file."""
    return _existing(SHARED / "data" / "yt8m_frame")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that failed once, each with what is right."""
    return _existing(SHARED / "cases")
