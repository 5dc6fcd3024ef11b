"""Errors of a pool and of a model that is not in it, against the same pool with that model."""

import itertools

import numpy as np
import pytest

from gapsack.selection.errors import BudgetError
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.least_error import best_subset, near_best, refilled
from gapsack.sweep.advice.pool_errors import Newcomer, PoolErrors

NOISE, SIZES = (1.0, 1.2, 0.8, 1.5, 1.1), (40, 30, 50, 20, 35)


def without(pool, name):
    return CandidatePool(pool.labels, [each for each in pool.candidates if each.name != name])


def as_newcomer(whole, name):
    """A model of a pool as one that is not there, with its real error and correlations."""
    place = whole.names.index(name)
    correlations = np.delete(whole.correlations[place], place)
    return Newcomer(SIZES[place], float(whole.squared_errors[place]), correlations)


@pytest.mark.parametrize("name", ["m0", "m2", "m4"])
def test_a_blend_with_a_newcomer_is_wrong_by_what_it_would_be_wrong_by_in_the_pool(noisy_pool, name):
    pool = noisy_pool(NOISE, SIZES)
    whole, rest = PoolErrors(pool, 1000), PoolErrors(without(pool, name), 1000)
    joined = rest.with_newcomer(as_newcomer(whole, name))
    for count in range(5):
        for others in itertools.combinations(range(4), count):
            names = [rest.names[number] for number in others]
            subset = tuple(sorted(whole.names.index(each) for each in (*names, name)))
            assert joined.loss(others) == pytest.approx(whole.loss(subset), rel=1e-4)


def test_the_best_subset_is_that_of_all_subsets(noisy_pool):
    pool = noisy_pool(NOISE, SIZES)
    for budget in (40, 60, 90, 120):
        errors = PoolErrors(pool, budget)
        every = [s for count in range(1, 6) for s in itertools.combinations(range(5), count) if errors.space.fits(s)]
        assert errors.loss(errors.best) == pytest.approx(min(map(errors.loss, every)), abs=1e-9)


def test_what_is_beside_a_newcomer_keeps_the_budget_with_it(noisy_pool):
    pool = noisy_pool(NOISE, SIZES)
    whole, rest = PoolErrors(pool, 100), PoolErrors(without(pool, "m2"), 100)
    joined = rest.with_newcomer(as_newcomer(whole, "m2"))
    found = joined.best_rest()
    assert sum(rest.space.items[number].size_bytes for number in found) + SIZES[2] <= 100
    allowed = [
        s for count in range(4) for s in itertools.combinations(range(4), count) if fits(rest, s, 100 - SIZES[2])
    ]
    assert joined.loss(found) == pytest.approx(min(map(joined.loss, allowed)), abs=1e-9)
    assert joined.fits
    assert not rest.with_newcomer(Newcomer(101, 1.0, np.full(4, 0.5))).fits
    assert rest.with_newcomer(Newcomer(90, 1.0, np.full(4, 0.5))).best_rest() == ()


def fits(errors, subset, room):
    return sum(errors.space.items[number].size_bytes for number in subset) <= room


def test_correlations_that_contradict_each_other_promise_no_wonders(noisy_pool):
    """Two models are the same but for a trace of noise: whoever goes with one goes with the other."""
    pool = noisy_pool((1.0, 1.3, 0.9), (40, 40, 40, 40), copied=1)
    errors = PoolErrors(pool, 1000)
    error = float(errors.squared_errors[0])
    fair = np.array([0.8, 0.8, 0.8, 0.8])
    told_apart = fair + np.array([0.1, 0.0, 0.0, -0.1])  # of the model and its copy
    gains = [
        errors.loss(errors.best) - (joined := errors.with_newcomer(Newcomer(40, error, each))).loss(joined.best_rest())
        for each in (fair, told_apart)
    ]
    assert gains[0] > 0
    assert gains[1] == pytest.approx(gains[0], rel=0.1)


def test_gap_falls_with_squared_error_by_about_the_line_that_is_told(noisy_pool):
    errors = PoolErrors(noisy_pool(NOISE, SIZES, videos=1000), 1000)
    single, team = (errors.reference_items[2],), errors.best
    expected = errors.gap_per_error * (errors.loss(single) - errors.loss(team))
    assert 0.5 < (errors.score(team) - errors.score(single)) / expected < 2.0
    assert errors.ensemble_gap >= errors.score(team) - 1e-9


def test_a_budget_that_no_model_fits_is_told(noisy_pool):
    with pytest.raises(BudgetError):
        PoolErrors(noisy_pool(NOISE, SIZES), 10)


def test_a_search_begins_with_small_models_too(noisy_pool):
    """The best alone takes the whole budget, and is not exchanged for two small ones by any single exchange."""
    errors = PoolErrors(noisy_pool((0.95, 1.0, 1.0, 1.0), (90, 30, 30, 30)), 90)
    assert errors.best == (1, 2, 3)
    assert best_subset(errors.space, errors.losses, [(0,)]) == (1, 2, 3)


def test_a_member_leaves_for_several_where_no_exchange_of_one_gains(noisy_pool):
    errors = PoolErrors(noisy_pool((0.95, 1.0, 1.0, 1.0), (90, 30, 30, 30)), 90)
    assert near_best(errors.space, errors.losses, (0,)) == (0,)
    assert refilled(errors.space, errors.losses, (0,)) == (1, 2, 3)
    assert refilled(errors.space, errors.losses, (1, 2, 3)) == (1, 2, 3)


def test_losses_of_many_are_those_of_each(noisy_pool):
    errors = PoolErrors(noisy_pool(NOISE, SIZES), sum(SIZES))
    subsets = [(), (0,), (1, 2), (0, 2), (2,), (0, 1, 2)]
    assert errors.losses(subsets) == [errors.loss(subset) for subset in subsets]
    assert errors.losses(subsets)[0] == float("inf")
