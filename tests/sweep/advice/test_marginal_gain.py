import pytest

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import CandidatePool
from gapsack.selection.search import search_ensemble
from gapsack.sweep.advice import sampled_pool
from gapsack.sweep.advice.marginal_gain import marginal_gain


def best(pool, budget):
    return search_ensemble(pool, budget_bytes=budget, tune_share=1.0, prefer="score", resamples=2)


def test_a_gain_is_the_best_with_the_model_less_the_best_without(noisy_pool):
    pool = noisy_pool((1.0, 1.0, 1.2), (40, 40, 20))
    gain = marginal_gain(pool, "m1", 100)
    without = CandidatePool(pool.labels, [each for each in pool.candidates if each.name != "m1"])
    with_it = best(pool, 100)
    assert gain.gain == pytest.approx(with_it.tuning_score - best(without, 100).tuning_score)
    assert gain.gain > 0.001
    assert gain.ensemble_gap == with_it.tuning_score
    assert (gain.precision, gain.size_bytes, gain.candidates, gain.budget_bytes) == ("float16", 40, 3, 100)
    assert gain.gain_per_mib == pytest.approx(gain.gain / (40 / 2**20))
    assert gain == marginal_gain(pool, "m1", 100)


def test_what_is_no_member_adds_nothing_and_a_copy_neither(noisy_pool):
    pool = noisy_pool((1.0, 1.0), (40, 40, 60), copied=1)
    assert marginal_gain(pool, "m2", 100).gain == 0.0
    assert marginal_gain(pool, "m2", 100).gain_per_mib == 0.0
    assert marginal_gain(pool, "m2", 100).precision is None


def test_who_leaves_for_the_model_is_told(noisy_pool):
    gain = marginal_gain(noisy_pool((1.5, 0.7), (60, 60)), "m1", 80)
    assert gain.leaves == ("m0",)
    assert gain.gain > 0.01


def test_the_first_model_adds_its_own_score_and_without_a_budget_any_size_goes(noisy_pool):
    pool = noisy_pool((1.0,), (40,))
    gain = marginal_gain(pool, "m0", None)
    assert gain.gain == gain.ensemble_gap > 0.1
    assert gain.budget_bytes is None


def test_nothing_is_told_where_nothing_fits_or_a_stop_is_asked_for(noisy_pool):
    pool = noisy_pool((1.0, 1.0), (40, 40))
    assert marginal_gain(pool, "m0", 30) is None
    assert marginal_gain(pool, "m0", 100, should_stop=lambda: True) is None
    with pytest.raises(PoolError, match="nobody"):
        marginal_gain(pool, "nobody", 100)


def test_of_many_videos_a_sample_chooses(noisy_pool, monkeypatch):
    monkeypatch.setattr(sampled_pool, "SAMPLE_VIDEOS", 50)
    pool = noisy_pool((1.0, 1.0), (40, 40))
    gain = marginal_gain(pool, "m0", 100)
    assert gain.videos == 50
    shuffled = CandidatePool(pool.labels, pool.candidates[::-1])
    assert marginal_gain(shuffled, "m0", 100) == gain
