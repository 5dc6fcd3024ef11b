"""`import gapsack`: the few public names, each imported when it is first asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import gapsack
from gapsack.sweep import api


def test_every_public_name_is_there_and_is_its_homes_own() -> None:
    assert gapsack.CandidatePool.__module__.startswith("gapsack.selection.pool")
    assert gapsack.search_ensemble.__module__ == "gapsack.selection.search"
    assert gapsack.gap_at_k.__module__ == "gapsack.selection.gap"
    for name in api.__all__:
        assert getattr(gapsack, name) is getattr(api, name)
    assert {*api.__all__, "CandidatePool", "search_ensemble", "gap_at_k", "MissingExtraError"} == set(gapsack.__all__)
    assert {*gapsack.__all__, "selection", "models", "sweep", "dashboards", "__version__"} <= set(dir(gapsack))


def test_the_version_is_that_of_the_metadata() -> None:
    assert gapsack.__version__ == version("gapsack")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        gapsack.nonsense  # noqa: B018 - the access is what is tested
    assert not hasattr(gapsack, "__wrapped__")


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import gapsack; dir(gapsack)", set()),
        ("import gapsack; gapsack.run", {"gapsack.sweep", "gapsack.sweep.api"}),
        ("import gapsack; gapsack.models", {"gapsack.models"}),
        ("from gapsack import *", {"gapsack.sweep.api", "gapsack.selection.search"}),
    ],
)
def test_only_what_is_asked_for_is_imported(statement: str, loaded: set[str], tmp_path: Path) -> None:
    code = f"{statement}\nimport sys; print(*(name for name in sys.modules if name.startswith('gapsack.')))"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = set(result.stdout.split())
    assert loaded <= found
    if not loaded:
        assert found == {"gapsack.extras", "gapsack.selection", "gapsack.selection.errors"}
