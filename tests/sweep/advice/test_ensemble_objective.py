"""What a sampler of the objective `ensemble` is told, and what is trained next by it."""

import pytest
from pydantic import ValidationError

from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.advisor import Advisor
from gapsack.sweep.advice.ensemble_objective import STARTUP, EnsembleObjective
from gapsack.sweep.advice.known_points import known_points
from gapsack.sweep.advice.pool_errors import PoolErrors
from gapsack.sweep.advice.untried_points import drawn_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.status import run_state

SPACE = {
    "sampler": {
        "trials": 20,
        "objective": "ensemble",
        "space": {"hidden": {"choices": [8, 12, 16, 24, 32, 48, 64, 96]}},
    }
}


def objective_of(run):
    grid = run_state(run).grid
    return EnsembleObjective(run, grid, grid.search.sampler, grid.budget.size_bytes), grid


def test_the_score_is_that_of_the_best_ensemble_of_the_pool_as_it_stands(advised_run):
    run = advised_run(SPACE)
    objective, grid = objective_of(run)
    assert objective.score() == PoolErrors(CandidatePool.read(run.pool), grid.budget.size_bytes).ensemble_gap
    for name in ("K2-H12", "K2-H24", "K2-H32", "K2-H64"):
        (run.pool / f"{name}.json").unlink()
    assert 0.0 < objective.score() < 1.0
    [alone] = CandidatePool.read(run.pool).candidates
    assert alone.name == "K2-H8"


def test_where_there_is_no_model_the_score_is_none(advised_run):
    run = advised_run(SPACE)
    for file in run.pool.glob("K2*"):
        file.unlink()
    assert objective_of(run)[0].score() == 0.0


def test_the_point_with_the_highest_expected_gain_is_next(advised_run):
    run = advised_run(SPACE, done=(8, 12, 24, 32, 64, 96))
    objective, grid = objective_of(run)
    done = [trial.plan.name for trial in run_state(run).done]
    pool = CandidatePool.read(run.pool)
    asked = drawn_points(grid, grid.search.sampler, without=done)
    first = Advisor(pool, known_points(run, pool, ["hidden"]), grid.budget.size_bytes, asked).ranked(1)[0]
    expected = first.point.axes if first.gain.mean > 0 else None
    assert objective.proposal(done) == expected
    assert expected is not None
    other = objective.proposal([*done, first.point.name])
    assert other is None or other != expected


def test_the_sampler_itself_begins(advised_run):
    run = advised_run(SPACE)
    objective, _ = objective_of(run)
    assert objective.proposal([]) is None
    assert objective.proposal([f"trial{n}" for n in range(STARTUP)]) is None  # five models are in the pool


def test_the_ensemble_is_one_under_a_budget(advised_run):
    grid = run_state(advised_run(SPACE)).grid.to_dict()
    grid["budget"]["mib"] = None
    with pytest.raises(ValidationError, match=r"budget\.mib beside objective: ensemble"):
        Grid.model_validate(grid)
