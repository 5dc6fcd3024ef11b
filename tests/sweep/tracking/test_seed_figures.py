"""What a store gets of points over seeds, and what `sweep status` prints of them."""

import pytest

from gapsack.sweep.cli.show.seeds import print_spreads
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.seeds import seed_spreads
from gapsack.sweep.tracking.contents import trial_params
from gapsack.sweep.tracking.results import seed_figures


def grid_of(**axes):
    return Grid.model_validate(
        {
            "name": "g",
            "data": {"level": "frame", "validate": ["v"], "classes": 7},
            "model": {"family": "gated_netvlad", "options": {"hidden": 4}},
            "search": {"grid": {"clusters": [2], **axes}},
        }
    )


@pytest.fixture
def run(tmp_path, trial_result):
    folder = RunFolder(tmp_path / "g")
    for seed, gap in ((0, 0.5), (1, 0.7)):
        name = f"K2-H4-s{seed}"
        folder.trial(name).path.mkdir(parents=True)
        folder.trial(name).finish(trial_result(name, axes={"clusters": 2, "training.seed": seed}, gap=gap))
    return folder


def test_a_store_gets_mean_and_deviation_of_each_point(run):
    figures = seed_figures(run, grid_of(**{"training.seed": [0, 1]}))
    assert figures == pytest.approx({"seeds/K2-H4/gap_mean": 0.6, "seeds/K2-H4/gap_std": 0.02**0.5})
    assert seed_figures(run, grid_of()) == {}


def test_status_has_a_line_for_each_point(run, capsys):
    results = [run.trial(f"K2-H4-s{seed}").result() for seed in (0, 1)]
    print_spreads(seed_spreads(grid_of(**{"training.seed": [0, 1]}), results))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Over seeds:"
    assert lines[-1].split() == ["K2-H4", "2", "0.6000", "0.1414", "0.5000", "0.7000"]
    print_spreads([])
    assert capsys.readouterr().out == ""


def test_the_parameters_of_a_trial_are_its_own():
    grid = grid_of(**{"training.seed": [0, 1]})
    params = trial_params(grid, {"clusters": 2, "training.seed": 1, "training.pruning.sparsity": 0.5})
    assert (params["clusters"], params["training.seed"], params["training.pruning.sparsity"]) == (2, 1, 0.5)
    assert params["training.steps"] == 200_000
    assert "training.pruning" not in params
