"""The rules of the house that no single module can hold by itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = ("tensorflow", "keras", "ray", "mlflow", "optuna", "jax")


ROOMS = ("selection", "models", "sweep", "dashboards")
SHARED_FILE_NAMES = {
    "__init__": "of a package",
    "errors": "what a room raises",
    "family": "a package's Family, and what a family is",
    "files": "which files a stage has, and their names",
    "nextvlad": "the tensors that families share, and their layers",
    "recurrent": "the tensors that families share, their layers, and what makes such a family",
    "streams": "the tensors that families share, their layers, and what makes such a family",
    "network": "a family's network, and that of the graph",
    "task": "a package's Task, and what a task is",
    "tensorflow": "the backend, and a plug-in of it",
    "tensors": "a family's tensors, and what a tensor is",
    "record": "what is kept of a search, and of a trial",
    "registry": "of families, and of tasks",
}
"""Names that several files of a room have, because they are the same part of several packages."""
SHOWN = ("sweep/cli/", "dashboards/")
"""Their files are named by what they show, so by the file that makes it."""


def sources() -> list[Path]:
    return sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))


def places(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Names that stand twice, with their places."""
    by_name: dict[str, list[str]] = {}
    for name, place in found:
        by_name.setdefault(name, []).append(place)
    return {name: where for name, where in by_name.items() if len(where) > 1}


def test_a_public_class_name_has_one_meaning() -> None:
    """Neither another class nor a type has it: whoever reads `Member` knows which one it is."""
    classes: list[tuple[str, str]] = []
    types: list[tuple[str, str]] = []
    for file in sources():
        tree, path = ast.parse(file.read_text(encoding="utf-8")), file.relative_to(ROOT).as_posix()
        classes += [
            (node.name, f"{path}:{node.lineno}")
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        ]
        types += [
            (target.id, f"{path}:{node.lineno}")
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z]\w*[a-z]\w*", target.id)
        ]
    names = {name for name, _ in classes}
    assert places([*classes, *((name, place) for name, place in types if name in names)]) == {}


def test_a_file_name_has_one_meaning() -> None:
    files = [(file.stem, file.relative_to(ROOT).as_posix()) for file in sources()]
    twice = places((name, path) for name, path in files if not path.startswith(SHOWN))
    assert {name: where for name, where in twice.items() if name not in SHARED_FILE_NAMES} == {}
    assert set(SHARED_FILE_NAMES) - {"__init__"} <= set(twice), "those that stand once need no reason"


PLAIN_NUMBERS = {"sweep/cli/notify.py": "a command reads them, not a person"}


def test_scores_are_written_in_one_place() -> None:
    """By the rules of `selection/decimals.py`; a format of three digits and more anywhere else is one of its own."""
    own = {
        path
        for file in sources()
        if (path := file.relative_to(ROOT).as_posix()) != "selection/decimals.py"
        and re.search(r"[^{]\{[^{}]*\.[3-9]f\}", file.read_text(encoding="utf-8"))
    }
    assert own == set(PLAIN_NUMBERS)


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
