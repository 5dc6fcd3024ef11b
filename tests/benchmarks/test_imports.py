"""Benchmarks are run by hand, months apart: what they import of the product must be there all the same."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"))
def test_what_a_benchmark_imports_is_there(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__doc__, "a benchmark says what it measures, and how it is run"
