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

from gapsack.selection.decimals import measured_text, signed_text, signed_texts
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
    assert "cross-fitted on 120 items in 5 folds)" in by_default
    assert "Fold 5: " in by_default
    assert "cross-fitted against the best single model" in by_default
    chosen = "The mean of greedy selection on all items and of that on 20 halves of them"
    by_itself = "(The default where fewer than 1,000 items choose; see --prefer.)"
    assert chosen in by_default
    assert by_itself in " ".join(by_default.split())
    bagged = select(folder, *common, "--prefer", "bagged").stdout
    assert chosen in bagged
    assert by_itself not in " ".join(bagged.split())
    assert chosen not in select(folder, *common, "--prefer", "measured").stdout
    halved = select(folder, *common, "--tune-share", "0.5", "--folds", "2").stdout
    assert "held out, 60 items)" in halved
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
    assert "groups must have every item of the pool; got none for item 'v119'" in done.stderr


def test_a_metric_is_shown_wherever_a_score_is(folder: Path) -> None:
    for value in values(folder, "pareto", "pool", "--metric", "roc_auc"):
        assert value["metric"] == "roc_auc"
        assert 0.5 < value["score"] != value["gap"] < 1.0
    printed = select(folder, "pareto", "pool", "--metric", "log_loss").stdout
    assert "negative binary log loss" in printed
    assert "-" in next(line for line in printed.splitlines() if line.startswith("a "))
    record = values(folder, "frontier", "pool", "--metric", "macro_f1", "--plot", "f1.html", "--out", "f1.json")
    assert record["metric"] == "macro_f1"
    assert "macro F1" in (folder / "f1.html").read_text()
    shown = select(folder, "ensemble", "pool", "--budget-mb", "70", "--metric", "average_precision", "--out", "ap.json")
    assert "average precision on tuning items" in shown.stdout


def test_an_import_shows_the_metric_that_is_asked_for_and_writes_nothing_for_a_wrong_one(folder: Path) -> None:
    arguments = ("pool", "add", "other", "--labels", "truth.npz", "--predictions", "a=a.npz", "--size", "a=4MiB")
    refused = select(folder, *arguments, "--metric", "rmse")
    assert refused.exit_code == 2
    assert "Regression is not supported" in refused.stderr
    assert not (folder / "other").exists()
    added = values(folder, *arguments, "--metric", "roc_auc")
    assert added["metric"] == "roc_auc"
    pareto = values(folder, "pareto", "other", "--metric", "roc_auc")
    assert [candidate["score"] for candidate in added["candidates"]] == [value["score"] for value in pareto]
    assert "ROC AUC" in select(folder, *arguments, "--metric", "roc_auc").stdout


def test_weights_of_items_and_classes_come_from_files(folder: Path) -> None:
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.1, 9.0, VIDEOS)
    rows = "".join(f"v{number:03d},{weight!r}\n" for number, weight in enumerate(weights.tolist()))
    (folder / "items.csv").write_text("id,weight\n" + rows)
    (folder / "classes.csv").write_text("class,weight\n3,2.5\n")
    given = ("--item-weights", "items.csv", "--class-weights", "classes.csv")
    plain = {value["name"]: value["score"] for value in values(folder, "pareto", "pool")}
    weighed = {value["name"]: value["score"] for value in values(folder, "pareto", "pool", *given)}
    assert all(weighed[name] != plain[name] for name in plain)
    record = values(folder, "ensemble", "pool", "--budget-mb", "70", *given, "--out", "weighed.json")
    assert {part: told["count"] for part, told in record["weighting"].items()} == {"items": VIDEOS, "classes": 1}
    assert str(folder) not in json.dumps(record)
    assert "with weights" in select(folder, "ensemble", "pool", "--budget-mb", "70", *given, "--out", "w.json").stdout


@pytest.mark.parametrize(
    ("flag", "text", "told"),
    [
        ("--item-weights", "id,weight\nv000,1\n", "must name every item; got none for items 'v001'"),
        ("--item-weights", "id,weight\nv000,1\nv000,1\n", "expected every id once"),
        ("--item-weights", "id,weight\nv000,-1\n", "expected a weight above 0, got '-1' in row 2"),
        ("--item-weights", "name,weight\nv000,1\n", "expected the columns id,weight"),
        ("--class-weights", "class,weight\ncat,1\n", "classes as whole numbers, got 'cat'"),
        ("--class-weights", "class,weight\n99,1\n", "classes from 0 to 29; got 99"),
    ],
)
def test_wrong_weights_are_one_sentence(folder: Path, flag: str, text: str, told: str) -> None:
    (folder / "wrong.csv").write_text(text)
    for command in (("pareto", "pool"), ("ensemble", "pool", "--budget-mb", "70")):
        done = select(folder, *command, flag, "wrong.csv")
        assert done.exit_code == 2
        assert told in " ".join(done.stderr.split())


def test_frontier_rises_with_the_budget(folder: Path) -> None:
    record = values(folder, "frontier", "pool", "--workers", "1", "--plot", "plot.html")
    budgets = [point["budget_bytes"] for point in record["points"]]
    scores = [point["tuning_score"] for point in record["points"]]
    assert budgets == sorted(budgets)
    assert scores == sorted(scores)
    assert record["points"][0]["budget_bytes"] == 25 * 2**20
    page = (folder / "plot.html").read_text()
    assert 'data-figure="frontier"' in page
    assert (folder / "plot.html").stat().st_size < 1_000_000
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


def test_an_ensemble_explains_itself_when_asked_and_later(folder: Path) -> None:
    typed = ("ensemble", "pool", "--budget-mb", "70", "--workers", "1", "--out", "why.json")
    assert "explanation" not in values(folder, *typed)
    record = values(folder, *typed, "--explain")
    told = record["explanation"]
    assert record == json.loads((folder / "why.json").read_text())
    members = {member["name"] for member in record["members"]}
    assert {each["name"] for each in told["members"]} == members
    assert {each["name"] for each in told["candidates"]} == {"a", "b", "c", "worse"} - members
    shown = select(folder, *typed, "--explain").stdout
    assert "Without a member, weights of the others searched again, it loses:" in shown
    assert "A MiB less costs" in shown
    plain = {key: value for key, value in record.items() if key != "explanation"}
    (folder / "later.json").write_text(json.dumps(plain))
    later = values(folder, "explain", "later.json", "--workers", "1")
    assert json.loads((folder / "later.json").read_text()) == plain | {"explanation": later}
    assert {each["name"] for each in later["members"]} == members
    assert later["tuning_score"] == pytest.approx(record["tuning_score"], abs=1e-12)
    assert api.explain(folder / "later.json", workers=1).members[0].name == later["members"][0]["name"]
    shown = select(folder, "explain", "later.json", "--workers", "1").stdout
    for text in signed_texts([each["tuning_loss"] for each in later["members"]]):
        assert f" {text} " in shown


def test_a_search_from_an_earlier_ensemble_says_what_changed(folder: Path) -> None:
    typed = ("ensemble", "pool", "--workers", "1", "--folds", "2")
    earlier = values(folder, *typed, "--budget-mb", "70", "--out", "earlier.json")
    found = values(folder, *typed, "--budget-mb", "100", "--start", "earlier.json", "--out", "next.json")
    changes = found["changes"]
    assert found["tuning_score"] >= earlier["tuning_score"] == pytest.approx(changes["tuning_score_before"], abs=1e-12)
    before, after = ({member["name"] for member in each["members"]} for each in (earlier, found))
    assert {each["name"] for each in changes["joined"]} == after - before
    assert {each["name"] for each in changes["left"]} == before - after
    assert {each["name"] for each in changes["stayed"]} == after & before
    shown = select(folder, *typed, "--budget-mb", "100", "--start", "earlier.json", "--out", "next.json").stdout
    assert "Since the earlier ensemble:" in shown
    new = measured_text(*(changes["held_out_gain"][key] for key in ("difference", "standard_error")))
    assert f"{signed_text(changes['tuning_gain'])} on tuning items, {new} on new items" in shown
    for name in after - before:
        assert f"in: {name} " in shown
    (folder / "other.json").write_text(
        json.dumps(earlier | {"members": [earlier["members"][0] | {"name": "x", "weight": 1}]})
    )
    done = select(folder, *typed, "--budget-mb", "70", "--start", "other.json")
    assert done.exit_code == 2 or isinstance(done.exception, Exception)
    assert "none of its members x" in str(done.exception) + done.output
    refused = select(folder, "frontier", "pool", "--start", "earlier.json")
    assert refused.exit_code == 2
