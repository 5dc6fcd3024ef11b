"""The commands of `select` that need no TensorFlow, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gapsack.sweep import api
from gapsack.sweep.cli.choose import app

VIDEOS, CLASSES = 120, 30
METRIC = """
def recall_at_one(scores, labels):
    best = scores.argmax(axis=1)
    return float(labels[range(len(best)), best].mean())
"""


def select(folder: Path, *arguments: str) -> Result:
    """Give the command in `folder`, in this process: `test_the_program_says_the_same` starts the real one."""
    with chdir(folder):
        return CliRunner().invoke(app, list(arguments))


def values(folder: Path, *arguments: str) -> Any:
    done = select(folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pool of four models that err independently, the larger ones less."""
    folder = tmp_path_factory.mktemp("select")
    rng = np.random.default_rng(0)
    truth = rng.random((VIDEOS, CLASSES)) < 0.1
    ids = np.array([f"v{i:03d}" for i in range(VIDEOS)])
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth)
    arguments = ["import", "pool", "--labels", "truth.npz"]
    for name, noise, size in (("a", 1.5, 40), ("b", 1.8, 30), ("c", 1.9, 25), ("worse", 3.0, 28)):
        logits = 2.0 * truth - 2 + noise * rng.normal(size=truth.shape)
        np.savez(folder / f"{name}.npz", video_ids=ids, scores=1 / (1 + np.exp(-logits)))
        arguments += ["--predictions", f"{name}={name}.npz", "--size", f"{name}={size}MiB"]
    imported = values(folder, *arguments)
    assert [candidate["name"] for candidate in imported["candidates"]] == ["a", "b", "c", "worse"]
    return folder


def test_pareto_names_who_dominates(folder: Path) -> None:
    by_name = {value["name"]: value for value in values(folder, "pareto", "pool")}
    assert by_name["worse"]["inferior_to"] == "c"
    assert by_name["a"]["inferior_to"] is None


def test_ensemble_is_written_with_the_way_to_its_pool(folder: Path) -> None:
    record = values(folder, "ensemble", "pool", "--budget-mb", "70", "--workers", "1")
    assert record == json.loads((folder / "ensemble.json").read_text())
    assert (folder / record["pool"]).resolve() == (folder / "pool").resolve()
    assert record["total_bytes"] == sum(member["size_bytes"] for member in record["members"]) <= 70 * 2**20
    assert record["reserve_bytes"] == 0, "no graph can be built of predictions alone"
    assert record["tuning_gap"] >= record["best_single"]["tuning_score"]


def test_a_notebook_gets_what_the_command_gets(folder: Path) -> None:
    options: dict[str, Any] = {"workers": 1, "max_members": 2}
    typed = ("--workers", "1", "--max-members", "2")
    record = values(folder, "ensemble", "pool", "--budget-mb", "70", *typed, "--out", "typed.json")
    assert api.ensemble(folder / "pool", budget_mib=70, out=folder / "called.json", **options).to_dict() == record
    assert (folder / "called.json").read_text() == (folder / "typed.json").read_text()
    record = values(folder, "frontier", "pool", *typed, "--out", "typed.json")
    assert json.loads(json.dumps(api.frontier(folder / "pool", **options).to_dict())) == record


def test_options_reach_the_search(folder: Path) -> None:
    common = ("ensemble", "pool", "--budget-mb", "100", "--workers", "1", "--folds", "1", "--out", "other.json")
    names = {member["name"] for member in values(folder, *common, "--must-have", "worse")["members"]}
    assert "worse" in names
    names = {member["name"] for member in values(folder, *common, "--never-together", "a,b")["members"]}
    assert not {"a", "b"} <= names
    assert len(values(folder, *common, "--max-members", "1")["members"]) == 1
    (folder / "metric.py").write_text(METRIC)
    assert values(folder, *common, "--metric", "metric.py:recall_at_one")["metric"] == "recall_at_one"
    stopped = values(folder, *common, "--time-limit", "0")
    assert "Stopped" in stopped["search"]["stop_reason"]


def test_what_is_printed_says_how_the_figure_came_about(folder: Path) -> None:
    common = ("ensemble", "pool", "--budget-mb", "70", "--workers", "1", "--out", "told.json")
    by_default = select(folder, *common).stdout
    assert "cross-fitted on 120 videos in 5 folds)" in by_default
    assert "Fold 5: " in by_default
    assert "cross-fitted against the best single model" in by_default
    halved = select(folder, *common, "--tune-share", "0.5", "--folds", "2").stdout
    assert "held out, 60 videos)" in halved
    assert "Split 1: " in halved
    assert "held out against the best single model" in halved
    assert "cross-fitted" in select(folder, "frontier", "pool", "--workers", "1", "--out", "told.json").stdout


def test_groups_of_a_file_stay_together(folder: Path) -> None:
    lines = ["id,group", *(f"v{i:03d},g{i // 30}" for i in range(VIDEOS))]
    (folder / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    common = ("--workers", "1", "--out", "grouped.json", "--groups", "groups.csv")
    record = values(folder, "ensemble", "pool", "--budget-mb", "70", *common)
    assert record["tuning"]["groups"] == 4
    assert [fold["videos"] for fold in record["held_out"]["folds"]] == [30] * 4
    assert values(folder, "frontier", "pool", *common)["split"]["groups"] == 4
    (folder / "groups.csv").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    done = select(folder, "ensemble", "pool", "--budget-mb", "70", *common)
    assert done.exit_code == 2
    assert "groups must have every video of the pool; got none for video 'v119'" in done.stderr


def test_frontier_rises_with_the_budget(folder: Path) -> None:
    record = values(folder, "frontier", "pool", "--workers", "1", "--plot", "plot.html")
    budgets = [point["budget_bytes"] for point in record["points"]]
    scores = [point["tuning_score"] for point in record["points"]]
    assert budgets == sorted(budgets)
    assert scores == sorted(scores)
    assert record["points"][0]["budget_bytes"] == 25 * 2**20
    page = (folder / "plot.html").read_text()
    assert "Plotly.newPlot" in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ensemble", "pool", "--budget-mb", "3"), "the smallest model takes"),
        (("ensemble", "pool", "--budget-mb", "-1"), "expected a budget above 0 MB"),
        (("ensemble", "nowhere", "--budget-mb", "3"), "expected a candidate pool"),
        (("ensemble", "pool", "--budget-mb", "50", "--metric", "nothing.py:f"), "expected a metric"),
        (("ensemble", "pool", "--budget-mb", "50", "--limit", "latency"), "expected a limit as figure=number"),
        (("ensemble", "pool", "--budget-mb", "50", "--must-have", "nobody"), "'nobody'"),
        (("build",), "got only predictions of"),
        (("evaluate",), "expected a built graph"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    if arguments == ("build",):
        values(folder, "ensemble", "pool", "--budget-mb", "70", "--workers", "1")
    done = select(folder, *arguments)
    assert done.exit_code == 2, done.output
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("pareto", "pool", "--json"), ("pareto", "pool"), ("ensemble", "pool", "--budget-mb", "3")]
)
def test_the_program_says_the_same(folder: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from gapsack.sweep.cli import select; select()", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    here = select(folder, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (here.exit_code, here.stdout, here.stderr)
