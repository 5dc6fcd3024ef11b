"""The example grid of every architecture: it loads, and plans models of that family."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapsack.models import registry
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.read import load_grid

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "families"
WITH_GRIDS_OF_THEIR_OWN = {"gated_netvlad", "keras_model"}
"""In `examples/paper_grid.yaml` and `examples/own_model`."""
PHASE = EXAMPLES / "ema_phase.yaml"
"""What follows on a training, of whatever family."""
RECIPES = sorted(path for path in EXAMPLES.glob("*.yaml") if path != PHASE)


def test_every_family_has_an_example() -> None:
    assert {path.stem for path in RECIPES} == set(registry.families()) - WITH_GRIDS_OF_THEIR_OWN


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_trials_fit_the_challenge(path: Path) -> None:
    grid = load_grid(path)
    trials = plan(grid)
    assert grid.name == grid.model.family == path.stem
    assert trials
    assert {trial.status for trial in trials} == {"planned"}


def test_a_phase_has_a_trial_to_begin_with_for_each_of_its_own() -> None:
    phase = load_grid(PHASE)
    start = phase.training.start_from
    assert start is not None
    assert start.run is not None
    first = load_grid(EXAMPLES / f"{start.run}.yaml")
    assert first.name == start.run
    assert [(trial.name, trial.hyperparameters) for trial in plan(phase)] == [
        (trial.name, trial.hyperparameters) for trial in plan(first)
    ]
