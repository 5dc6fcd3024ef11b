import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gapsack.models import sizes
from gapsack.sweep.cli.runs import app
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.schema import Grid

PAPER_GRID = Path(__file__).resolve().parents[3] / "examples" / "paper_grid.yaml"
DROPPED_BY_THE_PAPER = {
    *((20, 1600), (64, 1024), (150, 600), (128, 512), (16, 1024)),
    *((32, 400), (128, 1024), (8, 1024), (32, 800), (8, 800)),
}


def grid_of(**sections):
    base = {
        "name": "g",
        "data": {"level": "frame", "validate": ["v"]},
        "model": {"family": "gated_netvlad"},
        "search": {"grid": {"clusters": [8, 16], "hidden": [256, 512]}},
    }
    return Grid.model_validate(base | sections)


def test_the_plan_of_the_papers_grid_has_all_36_sizes_of_table_1_to_the_digit(golden):
    result = CliRunner().invoke(app, ["plan", str(PAPER_GRID), "--json"])
    assert result.exit_code == 0
    planned = {trial["name"]: trial for trial in json.loads(result.stdout)}
    with (golden / "paper_table1.csv").open() as file:
        table = list(csv.DictReader(file))
    printed = {
        (row["clusters"], row["hidden"], precision): row[f"{precision}_mib"]
        for row in table
        for precision in ("float32", "float16")
    }
    assert len(printed) == 36
    for (clusters, hidden, precision), digits in printed.items():
        assert f"{planned[f'K{clusters}-H{hidden}']['size_bytes'][precision] / 2**20:.2f}" == digits


def test_the_papers_grid_is_its_28_models_its_split_and_its_recipe(golden):
    from gapsack.sweep.grid.read import load_grid

    grid = load_grid(PAPER_GRID)
    trained = {(point["clusters"], point["hidden"]) for point in grid.search.points}
    with (golden / "paper_table1.csv").open() as file:
        table = {(int(row["clusters"]), int(row["hidden"])) for row in csv.DictReader(file)}
    assert len(grid.search.points) == 28
    assert trained == table | DROPPED_BY_THE_PAPER
    assert (grid.training.steps, grid.data.holdout.count, grid.resources.gpus) == (200_000, 60, 1)


def test_every_field_of_the_contract_is_there():
    trial = plan(grid_of())[0].to_dict()
    assert list(trial) == ["name", "family", "hyperparameters", "parameters", "size_bytes", "status", "reason", "axes"]
    assert trial["size_bytes"]["float32"] == 4 * trial["parameters"]
    assert set(trial["size_bytes"]) == set(sizes.PRECISIONS)


def test_what_can_never_fit_the_budget_is_skipped_with_the_reason():
    free = {trial.name: trial for trial in plan(grid_of())}
    limit = free["K16-H256"].size_bytes["float16"]
    trials = plan(grid_of(budget={"mib": limit / 2**20}))
    assert {trial.name for trial in trials if trial.status == "skipped"} == {
        name for name, trial in free.items() if trial.size_bytes["float16"] > limit
    }
    assert trials[-1].reason == f"134.71 MiB in float16 can never fit the budget of {limit / 2**20:g} MiB"
    assert all(trial.status == "planned" for trial in plan(grid_of(budget={"mib": 1, "skip": False})))


def test_the_budget_is_judged_at_its_own_precision():
    trials = {precision: plan(grid_of(budget={"mib": 200, "precision": precision})) for precision in sizes.PRECISIONS}
    skipped = {precision: sum(trial.status == "skipped" for trial in found) for precision, found in trials.items()}
    assert skipped["float32"] == 2
    assert skipped["float16"] == 0


def test_a_samplers_plan_is_the_smallest_and_the_largest_it_can_draw():
    choices = {"clusters": (32, 8, 16), "mixtures": (5, 2)}
    space = {key: {"choices": list(values)} for key, values in choices.items()}
    space["hidden"] = {"low": 32, "high": 96, "step": 32}
    trials = plan(grid_of(search={"sampler": {"trials": 9, "space": space}}))
    everything = [
        sizes.size_bytes(
            "gated_netvlad",
            {"clusters": K, "mixtures": M, "hidden": H, "classes": 3862, "rgb": 1024, "audio": 128},
            "float16",
        )
        for K, M, H in itertools.product(*choices.values(), (32, 64, 96))
    ]
    assert [trial.size_bytes["float16"] for trial in trials] == [min(everything), max(everything)]
    assert [trial.status for trial in trials] == ["example", "example"]


def test_a_samplers_plan_says_how_many_it_draws_and_from_where(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "name: g\ndata: {level: frame, validate: [v]}\nmodel: {family: gated_netvlad}\nsearch: {sampler: {trials: 9, "
        "space: {clusters: {choices: [8, 16]}, hidden: {low: 32, high: 96, step: 32}}}}\n"
    )
    result = CliRunner().invoke(app, ["plan", str(path)])
    assert "tpe draws 9 trials, from clusters in 8, 16; hidden from 32 to 96 by 32." in result.stdout


def test_the_table_names_each_trial_and_each_reason(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(PAPER_GRID.read_text().replace("mib: 1024", "mib: 400"))
    result = CliRunner().invoke(app, ["plan", str(path)])
    assert "K20-H1600: 413.12 MiB in float16 can never fit the budget of 400 MiB" in result.stdout
    assert "26 trials to train, 2 skipped." in result.stdout
    assert "201,134,242" in result.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["plan", str(PAPER_GRID)], ["list"]])
def test_light_commands_import_nothing_heavy(arguments, tmp_path):
    code = (
        "import sys; from gapsack.sweep.cli.runs import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'tensorflow', 'keras', 'ray', 'mlflow', 'optuna', 'numba', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
