"""The rules of the house that no single module can hold by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = ("tensorflow", "keras", "ray", "mlflow", "optuna", "jax")


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", ["selection", "models", "sweep"])
def test_the_stages_that_are_documented_are_those_that_are_held(room: str) -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    [held] = [each["layers"] for each in contracts if each.get("containers") == [f"gapsack.{room}"]]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `{room}/` \| (.*·.*) \|$", page, re.MULTILINE)
    assert len(rows) == 1
    told = [set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", stage))) for stage in rows[0].split(" · ")]
    assert told == [set(layer.split(" | ")) for layer in held]


@pytest.mark.parametrize(
    "statement",
    [
        "import gapsack.sweep.cli.runs, gapsack.sweep.cli.choose",
        "import gapsack, gapsack.models, gapsack.models.sizes, gapsack.models.precisions, gapsack.models.registry",
        "import gapsack.selection.search, gapsack.selection.pool, gapsack.selection.gap, gapsack.selection.pareto",
        "import gapsack.dashboards.report",
        "import gapsack.sweep.api; from gapsack import *",
    ],
)
def test_light_imports_load_nothing_heavy(statement: str, tmp_path: Path) -> None:
    code = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
