from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks import baselines
from benchmarks.baselines import Problem, Weights
from benchmarks.paper import TABLE_1, TABLE_2
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.units import MIB

SETS = [[[model.code for model in TABLE_1].index(code) for code in ensemble.members] for ensemble in TABLE_2]
METHODS = {
    "tuned_sets": lambda problem: baselines.tuned_sets(problem, SETS),
    "fill_by_score": baselines.fill_by_score,
    "greedy_stopped": baselines.greedy_stopped,
    "greedy_behind_limit": baselines.greedy_behind_limit,
    "greedy_masked": baselines.greedy_masked,
    "greedy_by_rate": baselines.greedy_by_rate,
    "random_search": lambda problem: baselines.random_search(problem, 20, np.random.default_rng(0)),
    "hill_climb": baselines.hill_climb,
}


class TableScorer:
    """Scores by a table of GAPs: of single candidates, and of blends by their set of members."""

    def __init__(self, gaps: dict[tuple[int, ...], float], count: int) -> None:
        self.gaps, self.count, self.evaluations = gaps, count, 0

    def gap(self, weights: Weights) -> float:
        self.evaluations += 1
        return self.gaps[tuple(int(m) for m in np.flatnonzero(weights))]

    def single_gaps(self) -> Weights:
        return np.array([self.gaps[m,] for m in range(self.count)])


def by_table(gaps: dict[tuple[int, ...], float], sizes: list[int], budget: int) -> Problem:
    return Problem(TableScorer(gaps, len(sizes)), np.array(sizes), budget)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scorer() -> BlendScorer:
    return BlendScorer(Twin(TwinSpec(seed=3, videos=200, classes=300, slots=50, listed=35)).pool())


def problem_at(scorer: BlendScorer, budget_mib: float) -> Problem:
    return Problem(scorer, np.array([model.size_bytes for model in TABLE_1]), int(budget_mib * MIB))


@pytest.mark.parametrize(("method", "budget_mib"), list(product(METHODS, [85, 1024, 5000])))
def test_every_method_keeps_the_budget_and_gives_shares(scorer: BlendScorer, method: str, budget_mib: float) -> None:
    problem = problem_at(scorer, budget_mib)
    weights = METHODS[method](problem)
    assert weights.shape == (18,)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    assert 0 < problem.used_bytes(weights) <= problem.budget_bytes


@pytest.mark.parametrize("method", ["greedy_masked", "hill_climb", "tuned_sets"])
def test_searches_end_above_every_model_that_they_may_use(scorer: BlendScorer, method: str) -> None:
    problem = problem_at(scorer, 1024)
    assert scorer.gap(METHODS[method](problem)) > scorer.single_gaps().max()


def test_greedy_with_replacement_is_caruana_s_by_the_definition(scorer: BlendScorer) -> None:
    problem = problem_at(scorer, 450)
    picks: list[int] = []
    trace: list[float] = []
    for _ in range(baselines.GREEDY_ROUNDS):
        scores = {}
        for candidate in range(18):
            members = {*picks, candidate}
            if problem.size_bytes[list(members)].sum() <= problem.budget_bytes:
                votes = np.bincount([*picks, candidate], minlength=18) / (len(picks) + 1)
                scores[candidate] = round(scorer.gap(votes), 6) if picks else scorer.gap(votes)
        best = max(scores.values())
        tied = [candidate for candidate, score in scores.items() if score == best]
        picks.append(next((candidate for candidate in tied if candidate in picks), tied[0]))
        trace.append(round(best, 6))
    expected = np.bincount(picks[: trace.index(max(trace)) + 1], minlength=18)
    assert np.allclose(baselines.greedy_masked(problem), expected / expected.sum())


def test_fill_by_score_skips_what_does_not_fit() -> None:
    gaps = {(0,): 0.9, (1,): 0.8, (2,): 0.7, (3,): 0.6}
    weights = baselines.fill_by_score(by_table(gaps, [60, 50, 30, 10], budget=100))
    assert weights.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])


def test_limit_rule_drops_the_worst_until_the_sum_fits() -> None:
    gaps = {(0,): 0.6, (1,): 0.9, (2,): 0.7, (0, 1): 0.99, (1, 2): 0.95, (0, 2): 0.8, (0, 1, 2): 0.99}
    # 130 in all; 0 is worst and goes, though 1 and 0 together would fit and score best.
    weights = baselines.greedy_behind_limit(by_table(gaps, [40, 50, 40], budget=95))
    assert np.flatnonzero(weights).tolist() == [1, 2]


def test_limit_rule_that_leaves_nothing_gives_the_best_model_that_fits() -> None:
    gaps = {(0,): 0.9, (1,): 0.5, (2,): 0.7}
    assert baselines.greedy_behind_limit(by_table(gaps, [50, 10, 10], budget=15)).tolist() == [0, 0, 1]


def test_greedy_stops_at_the_first_pick_over_the_budget_and_the_mask_goes_on() -> None:
    gaps = {(0,): 0.9, (1,): 0.5, (2,): 0.4, (0, 1): 0.95, (0, 2): 0.92, (0, 1, 2): 0.95, (1, 2): 0.6}
    problem = by_table(gaps, [60, 50, 20], budget=100)
    assert np.flatnonzero(baselines.greedy_stopped(problem)).tolist() == [0]
    assert np.flatnonzero(baselines.greedy_masked(problem)).tolist() == [0, 2]


def test_greedy_by_rate_buys_gain_per_byte() -> None:
    gaps = {(0,): 0.9, (1,): 0.5, (2,): 0.4, (1, 2): 0.6, (0, 1): 0.95, (0, 2): 0.92, (0, 1, 2): 0.95}
    assert np.flatnonzero(baselines.greedy_by_rate(by_table(gaps, [90, 50, 20], budget=100))).tolist() == [1, 2]


def test_tuned_sets_fall_back_to_the_best_model_that_fits() -> None:
    gaps = {(0,): 0.9, (1,): 0.5, (0, 1): 0.95}
    assert baselines.tuned_sets(by_table(gaps, [60, 50], budget=100), [[0, 1]]).tolist() == [1, 0]


def test_tuned_weights_gain_over_equal_ones_and_stay_on_the_members(scorer: BlendScorer) -> None:
    problem = problem_at(scorer, 2000)
    members = [0, 4, 17]
    equal = np.isin(np.arange(18), members) / 3
    tuned = baselines.tune_weights(problem, members)
    assert scorer.gap(tuned) > scorer.gap(equal)
    assert set(np.flatnonzero(tuned)) <= set(members)
    assert tuned.sum() == pytest.approx(1)


def test_random_search_repeats_by_seed_and_finds_what_no_single_model_reaches(scorer: BlendScorer) -> None:
    problem = problem_at(scorer, 600)
    first = baselines.random_search(problem, 60, np.random.default_rng(4))
    assert np.array_equal(first, baselines.random_search(problem, 60, np.random.default_rng(4)))
    assert not np.array_equal(first, baselines.random_search(problem, 60, np.random.default_rng(5)))
    assert scorer.gap(first) > scorer.single_gaps().max()
    assert not (problem.fits(first) & (first == 0)).any()  # maximal


def test_random_search_keeps_the_best_of_its_draws(scorer: BlendScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "HOPELESS", 1.0)  # an eighth of so few videos says little
    problem = problem_at(scorer, 600)
    rng = np.random.default_rng(8)
    gaps = [scorer.gap(baselines.random_search(problem, 1, rng)) for _ in range(40)]
    assert scorer.gap(baselines.random_search(problem, 40, np.random.default_rng(8))) == max(gaps)
