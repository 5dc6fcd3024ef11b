"""`select pool add` and `add-models`, and `select import`, the older name of both."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.sweep.cli.choose import app
from gapsack.sweep.cli.pools import add, add_models, import_pool


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that make a pool of one model, of files in a folder."""
    rng = np.random.default_rng(0)
    ids = np.array([f"v{number}" for number in range(30)])
    np.savez(tmp_path / "truth.npz", video_ids=ids, labels=rng.random((30, 25)) < 0.2)
    np.savez(tmp_path / "a.npz", video_ids=ids, scores=rng.random((30, 25)))
    return ["--labels", f"{tmp_path}/truth.npz", "--predictions", f"a={tmp_path}/a.npz", "--size", "a=3MiB"]


@pytest.mark.parametrize("command", [["pool", "add"], ["import"]])
def test_both_names_make_the_same_pool(command: list[str], files: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*command, str(tmp_path / "pool"), *files, "--json"])
    assert done.exit_code == 0, done.output
    [candidate] = json.loads(done.stdout)["candidates"]
    assert (candidate["name"], candidate["size_bytes"]) == ("a", {"float32": 3 * 2**20})
    assert (tmp_path / "pool" / "labels.npz").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pool", "add"], "expected labels (--labels) for the new pool"),
        (["pool", "add-models"], "expected at least one model (--checkpoint name=prefix"),
        (["import"], "expected labels (--labels) for the new pool"),
        (["pool", "add-models", "--checkpoint", "a=b", "--output", "c"], "with --output, got checkpoints"),
        (["import", "--checkpoint", "a=b", "--labels", "c"], "got both: import one after the other"),
    ],
)
def test_what_is_missing_or_too_much_is_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "pool")])
    assert done.exit_code == 2
    assert told in done.output
    assert not list(tmp_path.iterdir())


def test_the_older_name_takes_the_options_of_both_and_no_others() -> None:
    taken = inspect.signature(import_pool).parameters
    theirs = inspect.signature(add).parameters | inspect.signature(add_models).parameters
    assert set(taken) == set(theirs)
    assert {name: each.default for name, each in taken.items()} == {name: each.default for name, each in theirs.items()}
