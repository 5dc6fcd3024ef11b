"""`select pool` killed at every moment at which something reaches the disk: the same command, repeated, makes it good.

The command is killed before each of its syncs (`killing.py`). Then it is given again, and whatever the first one
left is gone or part of the pool.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

IDS = np.array([f"v{number}" for number in range(30)])
ADD = "select pool add POOL --labels truth.npz --predictions m=a.npz --size m=1MiB --predictions n=b.npz --size n=2MiB"

TABLE = {
    # What is done: the command, what the folder begins with, and what is there at the end, whenever the kill came.
    "a new pool": (ADD.replace("POOL", "new"), "new", ["m", "n"]),
    "a new pool in an empty folder": (ADD.replace("POOL", "empty"), "empty", ["m", "n"]),
    "more in a pool": (ADD.replace("POOL", "pool"), "pool", ["a", "m", "n"]),
    "pools joined into a new one": ("select pool join pool other --out both", "both", ["a", "b"]),
    "pools joined into an empty folder": ("select pool join pool other --out empty", "empty", ["a", "b"]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "place"
    (folder / "empty").mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(folder / "truth.npz", video_ids=IDS, labels=rng.random((30, 25)) < 0.2)
    for name, pool in (("a", "pool"), ("b", "other")):
        np.savez(folder / f"{name}.npz", video_ids=IDS, scores=rng.random((30, 25)))
        words = f"select pool add {pool} --labels truth.npz --predictions {name}={name}.npz --size {name}=1MiB"
        done = subprocess.run(
            [sys.executable, "-m", "gapsack", *words.split()], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
@pytest.mark.parametrize("what", TABLE)
def test_the_same_command_makes_it_good(made: Path, tmp_path: Path, what: str) -> None:
    words, pool, names = TABLE[what]
    folder = tmp_path / "place"
    shutil.copytree(made, folder)
    script = str(Path(__file__).with_name("killing.py"))
    done = subprocess.run(
        [sys.executable, script, *words.split()], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) > 5
    assert any(kill["killed"] for kill in kills), "nothing was left that could go"
    wanted = sorted([f"{pool}/labels.npz", *(f"{pool}/{name}.{end}" for name in names for end in ("json", "npz"))])
    for number, kill in enumerate(kills):
        assert kill["again"] == 0, f"killed before sync {number}: {done.stderr}"
        assert kill["hidden"] == [], f"killed before sync {number}"
        assert sorted(file for file in kill["files"] if file.startswith(f"{pool}/")) == wanted
