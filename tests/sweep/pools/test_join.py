"""`select pool join`: candidates of several runs in one pool, each by a name of its own, with the way to weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.pool.origin import SavedModelOrigin, TrialOrigin
from gapsack.sweep.cli.choose import app
from gapsack.sweep.pools.join import join_pools

IDS = np.array([f"v{number}" for number in range(6)])
TRUTH = np.random.default_rng(0).random((6, 25)) < 0.2
TASK = {"name": "youtube8m", "level": "video", "classes": 25, "rgb": 8, "audio": 4, "max_frames": 300}


def make(pool: Path, *names: str, order: Any = slice(None), truth: Any = TRUTH, **origins: dict[str, Any]) -> Path:
    candidates = [
        Candidate(
            name,
            {"float32": 9},
            Predictions.from_dense(
                IDS[order], np.random.default_rng(len(str(pool)) + place).random(truth.shape)[order]
            ),
            origin=origins.get(name, {}),
        )
        for place, name in enumerate(names)
    ]
    CandidatePool(Labels.from_dense(IDS[order], truth[order]), candidates).write(pool)
    return pool


def test_names_that_several_runs_have_tell_the_run_and_rows_stay_with_their_videos(tmp_path: Path) -> None:
    first = make(tmp_path / "runs/first/pool", "K8-H16", "only")
    second = make(tmp_path / "runs/second one/pool", "K8-H16", "other", order=slice(None, None, -1))
    joined = join_pools([first, second], tmp_path / "both")
    assert joined.renamed == {(first, "K8-H16"): "first-K8-H16", (second, "K8-H16"): "second_one-K8-H16"}
    pool = CandidatePool.read(tmp_path / "both")
    assert [candidate.name for candidate in pool.candidates] == ["first-K8-H16", "only", "other", "second_one-K8-H16"]
    for source, own, name in ((first, "K8-H16", "first-K8-H16"), (second, "K8-H16", "second_one-K8-H16")):
        before = CandidatePool.read(source)[own].predictions
        rows = [before.video_ids.tolist().index(video) for video in IDS]
        np.testing.assert_array_equal(pool[name].predictions.top_scores, before.top_scores[rows])


def test_runs_of_one_name_are_numbered(tmp_path: Path) -> None:
    pools = [make(tmp_path / place / "run/pool", "a") for place in ("here", "there")]
    make(tmp_path / "third", "run2-a")
    names = join_pools([*pools, tmp_path / "third"], tmp_path / "both").renamed.values()
    assert list(names) == ["run1-a", "run2-a+"]


def test_the_way_to_weights_leads_from_the_new_pool(tmp_path: Path) -> None:
    trial = TrialOrigin(
        run="r", family="gated_netvlad", weights="../trials/a/weights.npz", calibration="../trials/a/c.npz", task=TASK
    ).to_dict() | {"note": "mine"}
    saved = SavedModelOrigin(saved_models={"float32": "../../model"}, sample_frames=1, task=TASK).to_dict()
    first = make(tmp_path / "runs/first/pool", "a", "b", a=trial, b=saved)
    second = make(tmp_path / "elsewhere", "c")
    out = tmp_path / "deep/er/both"
    join_pools([first, second], out)
    pool = CandidatePool.read(out)
    origin = pool["a"].origin
    assert (out / origin["weights"]).resolve() == tmp_path / "runs/first/trials/a/weights.npz"
    assert (out / origin["calibration"]).resolve() == tmp_path / "runs/first/trials/a/c.npz"
    assert origin["note"] == "mine"
    assert (out / pool["b"].origin["saved_models"]["float32"]).resolve() == tmp_path / "runs/model"
    assert pool["c"].origin == {}


def test_what_cannot_be_joined_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    first, other = make(tmp_path / "first", "a"), ~TRUTH
    cases = [
        ([first], "at least two pools"),
        ([first, tmp_path / "." / "first"], "each pool once"),
        ([first, make(tmp_path / "labels", "b", truth=other)], "got another number of labels for items 'v0'"),
        ([first, make(tmp_path / "classes", "b", truth=TRUTH[:, :24])], "got 24 classes instead of 25"),
        ([first, make(tmp_path / "fewer", "b", order=slice(5))], "no row for item 'v5'"),
    ]
    for pools, told in cases:
        with pytest.raises(PoolError, match=told):
            join_pools(pools, tmp_path / "new" / "both")
        assert not (tmp_path / "new").exists()
    with pytest.raises(PoolError, match=r"a new or empty folder for the joined pool, .*, which holds b\.json"):
        join_pools([first, make(tmp_path / "second", "a")], tmp_path / "labels")


def test_the_command_says_who_is_called_what(tmp_path: Path) -> None:
    pools = [str(make(tmp_path / name, "a", "b")) for name in ("x", "y")]
    done = CliRunner().invoke(app, ["pool", "join", *pools, "--out", str(tmp_path / "both")])
    assert done.exit_code == 0, done.output
    assert f"a of {pools[0]} is called x-a" in done.stderr
    again = CliRunner().invoke(app, ["pool", "join", *pools, "--out", str(tmp_path / "again"), "--json"])
    assert [each["name"] for each in json.loads(again.stdout)["candidates"]] == ["x-a", "x-b", "y-a", "y-b"]
