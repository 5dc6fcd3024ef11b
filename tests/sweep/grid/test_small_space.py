"""Spaces with fewer points than a sampler is to draw: counted, gone through to the last, and told."""

import itertools

import pytest

from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.small_space import MOST_POINTS, reachable_trials, small_space, space_points


def grid_of(space, trials=6, **sections):
    return Grid.model_validate(
        {
            "name": "g",
            "data": {"level": "frame", "validate": ["v"], "classes": 7},
            "model": {"family": "gated_netvlad"},
            "search": {"sampler": {"kind": "random", "trials": trials, "space": space}},
            **sections,
        }
    )


CLUSTERS = {"choices": [4, 8]}


@pytest.mark.parametrize(
    ("hidden", "values"),
    [
        ({"choices": [16]}, [16]),
        ({"low": 8, "high": 10}, [8, 9, 10]),
        ({"low": 8, "high": 33, "step": 8}, [8, 16, 24, 32]),
        ({"low": 1, "high": 4, "log": True}, [1, 2, 3, 4]),
    ],
)
def test_a_small_space_is_listed(hidden, values):
    sampler = grid_of({"clusters": CLUSTERS, "hidden": hidden}).search.sampler
    points = list(space_points(sampler))
    assert points == [{"clusters": K, "hidden": H} for K, H in itertools.product((4, 8), values)]


def test_steps_of_fractions_are_counted_as_the_sampler_draws_them():
    space = {"dropout": {"low": 0.1, "high": 0.7, "step": 0.1}}
    assert len(list(space_points(grid_of(space).search.sampler))) == 7


@pytest.mark.parametrize(
    "space",
    [
        {"dropout": {"low": 0.0, "high": 0.5}},
        {"hidden": {"low": 1, "high": MOST_POINTS + 1}},
        {"hidden": {"low": 1, "high": 200}, "clusters": {"low": 1, "high": 200}},
        {"dropout": {"low": 0.0, "high": 0.5, "step": 1e-12}},
    ],
)
def test_a_large_space_is_taken_to_have_points_enough(space):
    grid = grid_of({"hidden": {"choices": [8]}, **space})
    assert space_points(grid.search.sampler) is None
    assert (reachable_trials(grid), small_space(grid)) == (6, None)


def test_a_run_comes_to_the_points_of_its_space_that_can_be_trained():
    space = {"clusters": CLUSTERS, "hidden": {"choices": [16, 10_000]}}
    assert reachable_trials(grid_of(space)) == 4
    assert reachable_trials(grid_of(space, trials=3)) == 3
    assert small_space(grid_of(space, trials=4)) is None
    ruled_out = grid_of(space, budget={"mib": 40})
    assert reachable_trials(ruled_out) == 2
    assert small_space(ruled_out) == (
        "The sampler's space has 2 points that can be trained, fewer than its 6 trials: with these the run is complete."
    )


def test_points_that_no_model_has_are_none():
    assert reachable_trials(grid_of({"clusters": {"low": 1, "high": 3}, "hidden": {"choices": [8]}})) == 2


def test_a_listed_search_has_no_space():
    grid = Grid.model_validate(
        {
            "name": "g",
            "data": {"level": "frame", "validate": ["v"]},
            "model": {"family": "gated_netvlad"},
            "search": {"points": [{"clusters": 4, "hidden": 8}]},
        }
    )
    assert small_space(grid) is None
    with pytest.raises(ValueError, match="with a sampler"):
        reachable_trials(grid)
