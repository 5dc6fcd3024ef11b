"""`sweep compare`, `sweep delete`, `--csv` and `--notify`, on runs of trials that were not trained."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gapsack.sweep.cli import notify
from gapsack.sweep.cli.runs import app
from gapsack.sweep.cluster import launch
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.lock import locked
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.sources import Source

GRID = """\
name: first
data: {{level: video, train: ["t*"], validate: ["v*"], holdout: {{count: 1}}, classes: 24}}
model: {{family: gated_netvlad, options: {{mixtures: 2}}}}
search: {{grid: {{clusters: [2, 4], hidden: [8]}}}}
training: {{steps: 10, batch_size: 8, learning_rate: {rate}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of two trials; of the first, one is done, of the second both."""
    monkeypatch.chdir(tmp_path)
    for name in ("t0", "v0", "v1"):
        (tmp_path / name).write_bytes(b"data")
    for name, rate, done in (("first", 0.001, ["K2-H8"]), ("second", 0.002, ["K2-H8", "K4-H8"])):
        text = GRID.format(rate=rate)
        (tmp_path / "grid.yaml").write_text(text)
        grid = load_grid(tmp_path / "grid.yaml", overrides={("name",): name})
        run = RunFolder(tmp_path / "runs" / name)
        launch.prepare(run, grid, text, launch.find_files(grid))
        for place, trial in enumerate(done):
            run.trial(trial).begin({"point": {"axes": {"clusters": 2 + 2 * place, "hidden": 8}}})
            run.trial(trial).finish(
                TrialResult(
                    name=trial,
                    family="gated_netvlad",
                    axes={},
                    hyperparameters={},
                    gap=0.5 + place / 10,
                    size_bytes={"float16": 1000 + place},
                )
            )
    return tmp_path


def command(*words: str, given: str | None = None):
    return CliRunner().invoke(app, list(words), input=given)


def test_runs_are_beside_each_other_with_what_differs(folder):
    values = json.loads(command("compare", "first", "second", "--json").stdout)
    assert [(each["run"], each["done"], each["best"], each["best_gap"]) for each in values["runs"]] == [
        ("first", 1, "K2-H8", 0.5),
        ("second", 2, "K4-H8", 0.6),
    ]
    assert values["differing_settings"] == {"training.learning_rate": [0.001, 0.002]}
    shown = command("compare", "first", "second").stdout
    assert "training.learning_rate  0.001  0.002" in shown
    assert "0.6000" in shown


def test_a_report_compares_runs_with_the_settings_that_differ(folder):
    done = command("report", "first", "second", "--out", "both.html")
    assert done.exit_code == 0, done.output
    text = Path("both.html").read_text(encoding="utf-8")
    assert "second is ahead: its best single model, K4-H8, has a GAP@20 of 0.6000, 0.1000 above first." in text
    assert "training.learning_rate" in text
    assert not Path("runs/first/report.html").exists()


def test_items_are_videos_only_where_a_run_says_so(folder):
    assert Source(Path("pool"), RunFolder.open(folder / "runs" / "first")).items == "videos"
    assert Source(Path("pool"), None).items == "items"
    (folder / "runs" / "first" / "config.json").write_text("{}")
    assert Source(Path("pool"), RunFolder.open(folder / "runs" / "first")).items == "items"


def test_models_of_a_pool_are_counted_without_their_predictions(folder):
    pool = folder / "runs" / "second" / "pool"
    pool.mkdir(exist_ok=True)
    for name, size, gap in (("a", 10, 0.5), ("b", 20, 0.4), ("c", 30, 0.7)):
        record = {"name": name, "size_bytes": {"float16": size}, "metrics": {"gap": gap}}
        (pool / f"{name}.json").write_text(json.dumps(record))
    (pool / "ensemble.json").write_text(json.dumps({"format": "gapsack.ensemble/1"}))
    first, second = json.loads(command("compare", "first", "second", "--json").stdout)["runs"]
    assert (first["models"], first["pareto"]) == (None, None)
    assert (second["models"], second["pareto"]) == (3, 2)
    (pool / "c.json").write_text("{")
    assert json.loads(command("compare", "first", "second", "--json").stdout)["runs"][1]["models"] is None


def test_one_run_is_nothing_to_compare(folder):
    assert "expected two runs or more" in command("compare", "first").stderr


def test_equal_settings_are_told(folder):
    assert "Their settings are the same." in command("compare", "first", "first").stdout


@pytest.mark.parametrize(
    "words", [("status", "second"), ("list",), ("compare", "first", "second"), ("plan", "grid.yaml")]
)
def test_csv_has_the_values_of_json(folder, words):
    rows = list(csv.DictReader(io.StringIO(command(*words, "--csv").stdout)))
    values = json.loads(command(*words, "--json").stdout)
    values = values if isinstance(values, list) else values.get("trials") or values["runs"]
    name = "run" if words[0] == "compare" else "name"
    assert [row[name] for row in rows] == [value[name] for value in values]
    for row, value in zip(rows, values, strict=True):
        for key, cell in value.items():
            if isinstance(cell, dict):
                assert [row[f"{key}.{part}"] for part in cell] == [str(each) for each in cell.values()]
            else:
                assert row[key] == ("" if cell is None else str(cell))


def test_csv_and_json_are_refused_together(folder):
    result = command("list", "--csv", "--json")
    assert (result.exit_code, result.stderr) == (2, "Error: expected --json or --csv, got both\n")


def test_a_deleted_run_is_gone_and_no_other(folder):
    (folder / "runs" / ".first.deleted-0123").mkdir()
    result = command("delete", "first", "--yes")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (folder / "runs").iterdir()] == ["second"]


def test_nobody_is_asked_where_nobody_is(folder):
    result = command("delete", "first", given="")
    assert result.exit_code == 2
    assert "expected --yes" in result.stderr
    assert (folder / "runs" / "first" / "config.json").exists()


def test_a_run_that_is_driven_is_not_deleted(folder):
    run = RunFolder(folder / "runs" / "first")
    with locked(run.lock):
        result = command("delete", "second", "first", "--yes")
    assert result.exit_code == 2
    assert "a process is running" in result.stderr
    assert (folder / "runs" / "second").is_dir(), "all of them are looked at first"


def test_a_dry_run_is_the_plan(folder):
    planned, dry = command("plan", "grid.yaml"), command("run", "grid.yaml", "--dry-run")
    assert dry.exit_code == planned.exit_code
    assert "2 trials to train" in dry.stdout
    assert dry.stdout == planned.stdout
    assert dry.stderr == planned.stderr


def test_an_error_is_notified(folder):
    result = command("run", "grid.yaml", "--name", "x/y", "--notify", "false")
    assert result.exit_code == 2, "read before anything is begun: nobody is waiting yet"
    result = command("run", "grid.yaml", "--data", "nowhere", "--notify", "env > told.txt; false")
    assert result.exit_code == 2
    told = (folder / "told.txt").read_text()
    assert "GAPSACK_STATE=failed\n" in told
    assert "GAPSACK_RUN=first\n" in told
    assert "GAPSACK_REASON=" in told
    assert "--notify: the command ended with exit code 1" in result.stderr


def test_a_command_that_does_not_end_is_ended(capfd, monkeypatch):
    monkeypatch.setattr(notify, "SECONDS", 0.2)
    notify.notify("exec sleep 60", {})
    assert "took more than 0.2 seconds" in capfd.readouterr().err
