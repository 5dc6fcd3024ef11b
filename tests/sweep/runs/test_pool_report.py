"""A report on a pool that no sweep made, with what was searched in it."""

from __future__ import annotations

import json
import re
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.dashboards.figures.plane import plane_info
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep import api
from gapsack.sweep.cli.runs import app
from gapsack.sweep.runs.pool_report import pool_records
from gapsack.sweep.runs.runs_report import runs_records

ITEMS, CLASSES, MIB = 80, 25, 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pool of three models, and what was searched in it, as the commands leave them there."""
    folder = tmp_path_factory.mktemp("imported")
    rng = np.random.default_rng(0)
    truth = rng.random((ITEMS, CLASSES)) < 0.1
    ids = np.array([f"v{i:03d}" for i in range(ITEMS)])
    candidates = []
    for name, noise, size in (("a", 1.5, 40), ("b", 1.8, 30), ("worse", 3.0, 35)):
        scores = 1 / (1 + np.exp(-(2.0 * truth - 2 + noise * rng.normal(size=truth.shape))))
        settings = {"depth": size, "layers": [1, 2]}
        lists = Predictions.from_dense(ids, scores)
        candidates.append(Candidate(name, {"float32": size * MIB}, lists, hyperparameters=settings))
    CandidatePool(Labels.from_dense(ids, truth), tuple(candidates)).write(folder / "pool")
    with chdir(folder):
        api.ensemble(folder / "pool", budget_mib=80, out=folder / "ensemble.json", workers=1)
        api.frontier(folder / "pool", out=folder / "frontier.json", workers=1)
    return folder


def test_models_ensemble_and_frontier_are_on_one_plane(folder: Path) -> None:
    records = pool_records(folder / "pool")
    assert records.notices == ()
    assert [(trial.name, trial.size_bytes) for trial in records.trials] == [
        ("a", {"float32": 40 * MIB}),
        ("b", {"float32": 30 * MIB}),
        ("worse", {"float32": 35 * MIB}),
    ]
    assert records.inferior == {"worse": "b"}
    info = plane_info(records)
    assert info is not None
    assert info.population == "all 80 items of the pool"
    assert info.ensemble is not None
    within = [point for point in info.ensembles if point.budget_bytes <= 80 * MIB]
    assert within[-1].everywhere == pytest.approx(info.ensemble.gap, abs=0.01)
    assert info.singles[-1] == (40 * MIB, pytest.approx(records.trials[0].gap))


def test_the_command_writes_it_where_the_reader_is(folder: Path, tmp_path: Path) -> None:
    with chdir(tmp_path):
        done = CliRunner().invoke(app, ["report", str(folder / "pool"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["report"] == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    body = text[text.index("<body>") : text.index("<script>")]
    assert re.findall(r"<h2>([^<]*)", body)[:4] == ["Size and score", "The ensemble", "Is it really better?", "Models"]
    assert "all 80 items of the pool" in body
    assert "held-out" not in body
    assert "video" not in body[: body.index("Behind the numbers")]


def test_results_of_another_pool_are_left_out_and_told(folder: Path, tmp_path: Path) -> None:
    read = CandidatePool.read(folder / "pool")
    CandidatePool(read.labels, read.candidates[:1]).write(tmp_path / "pool")
    for name in ("ensemble.json", "frontier.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    records = pool_records(tmp_path / "pool")
    assert (records.ensembles, records.frontier) == ((), ())
    assert [notice.endswith("is left out: it is of another pool.") for notice in records.notices] == [True, True]


def test_a_damaged_result_is_left_out_and_told(folder: Path, tmp_path: Path) -> None:
    CandidatePool.read(folder / "pool").write(tmp_path / "pool")
    (tmp_path / "frontier.json").write_text("{")
    records = pool_records(tmp_path / "pool")
    assert records.frontier == ()
    assert len(records.notices) == 1
    assert "frontier.json" in records.notices[0]


def test_without_a_common_precision_smallest_sizes_are_compared(folder: Path, tmp_path: Path) -> None:
    read = CandidatePool.read(folder / "pool")
    a, b, _ = read.candidates
    other = Candidate(b.name, {"int8": 8 * MIB, "bfloat16": 15 * MIB}, b.predictions)
    CandidatePool(read.labels, (a, other)).write(tmp_path / "pool")
    records = pool_records(tmp_path / "pool")
    assert records.precision == "smallest"
    assert [trial.size_bytes["smallest"] for trial in records.trials] == [40 * MIB, 8 * MIB]


def test_another_metric_scores_the_models(folder: Path) -> None:
    records = pool_records(folder / "pool", "map")
    info = plane_info(records)
    assert info is not None
    assert (info.metric, info.ensembles, info.ensemble) == ("mean AP", (), None)


def test_several_pools_are_compared_in_one_report(folder: Path, tmp_path: Path) -> None:
    read = CandidatePool.read(folder / "pool")
    CandidatePool(read.labels, read.candidates[1:]).write(tmp_path / "pool")
    records = runs_records([folder / "pool", tmp_path / "pool"])
    assert [run.name for run in records.runs] == [str(folder / "pool"), str(tmp_path / "pool")]  # one name, two folders
    assert (records.notices, records.settings) == ((), {})
    with chdir(tmp_path):
        words = ["report", str(folder / "pool"), str(tmp_path / "pool"), "--out", "both.html", "--json"]
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"report": str(tmp_path / "both.html"), "images": []}
    text = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "is ahead: its best single model, a, has a GAP@20 of" in text
    with pytest.raises(InputError, match="expected different runs to compare"):
        runs_records([folder / "pool", folder / "pool"])


def test_scores_of_other_items_are_told_to_be_no_comparison(folder: Path, tmp_path: Path) -> None:
    read = CandidatePool.read(folder / "pool")
    rows = np.arange(60)
    fewer = [Candidate(each.name, each.size_bytes, each.predictions.take(rows)) for each in read.candidates]
    CandidatePool(read.labels.take(rows), tuple(fewer)).write(tmp_path / "fewer")
    records = runs_records([folder / "pool", tmp_path / "fewer"])
    assert records.notices == (
        "fewer was scored on other items than pool (60 and 80, of which 60 are the same): their scores are no "
        "comparison.",
    )
