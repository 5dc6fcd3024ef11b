"""Mean and spread over seeds."""

import pytest

from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.seeds import seed_spreads

GRID = Grid.model_validate(
    {
        "name": "g",
        "data": {"level": "frame", "validate": ["v"], "classes": 7},
        "model": {"family": "gated_netvlad", "options": {"hidden": 4}},
        "search": {"grid": {"clusters": [2, 4], "training.seed": [0, 1, 2]}},
    }
)


def test_trials_that_differ_in_their_seed_alone_are_one_point(trial_result):
    results = [
        trial_result(f"K{clusters}-H4-s{seed}", axes={"clusters": clusters, "training.seed": seed}, gap=gap)
        for clusters, seed, gap in ((2, 2, 0.9), (2, 0, 0.6), (4, 1, 0.5), (2, 1, 0.6))
    ]
    two, four = seed_spreads(GRID, [*results, trial_result("K8-H4", axes={"clusters": 8})])
    assert (two.name, two.seeds, two.gaps) == ("K2-H4", (0, 1, 2), (0.6, 0.6, 0.9))
    assert two.trials == ("K2-H4-s0", "K2-H4-s1", "K2-H4-s2")
    assert two.mean == pytest.approx(0.7)
    assert two.deviation == pytest.approx(0.03**0.5)
    assert (four.name, four.mean, four.deviation) == ("K4-H4", 0.5, None)
    assert four.to_dict() == {
        "name": "K4-H4",
        "trials": ["K4-H4-s1"],
        "seeds": [1],
        "gap_mean": 0.5,
        "gap_std": None,
        "gap_min": 0.5,
        "gap_max": 0.5,
    }
