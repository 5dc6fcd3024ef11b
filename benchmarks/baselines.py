"""What others do to choose an ensemble under a size budget, each written plainly.

Every baseline takes a `Problem` (a scorer over the tuning videos, sizes, a budget) and returns weights [candidates],
non-negative, summing to one, whose members fit the budget. All are scored by the same exact GAP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scorer import BlendScorer

Weights = NDArray[np.float64]
Allowed = Callable[[NDArray[np.int64]], NDArray[np.bool_]]

GREEDY_ROUNDS = 100  # AutoGluon runs its EnsembleSelection with 25 to 100; on the tuning videos more only helps it
ROUND_DECIMALS = 6  # to which EnsembleSelection rounds scores, so that floating point does not decide ties
HOPELESS = 0.0025  # GAP
CLIMB_SHARES = np.arange(1, 11) / 20
TUNING_STEPS = (0.1, 0.03, 0.01, 0.003)


@dataclass(frozen=True)
class Problem:
    """Candidates by position: what scores them, their sizes [candidates] and the budget."""

    scorer: BlendScorer
    size_bytes: NDArray[np.int64]
    budget_bytes: int

    @property
    def count(self) -> int:
        return len(self.size_bytes)

    def used_bytes(self, weights: Weights) -> int:
        return int(self.size_bytes[weights > 0].sum())

    def fits(self, weights: Weights) -> NDArray[np.bool_]:
        """Which candidates fit beside the present members; members themselves do."""
        added = np.where(weights > 0, 0, self.size_bytes)
        return self.used_bytes(weights) + added <= self.budget_bytes

    def solo(self, candidate: int) -> Weights:
        return np.eye(self.count)[candidate]

    def best_single(self) -> Weights:
        gaps = np.where(self.size_bytes <= self.budget_bytes, self.scorer.single_gaps(), -1.0)
        return self.solo(int(gaps.argmax()))


def tuned_sets(problem: Problem, sets: Sequence[Sequence[int]]) -> Weights:
    """The best of some given subsets, weights tuned for each that fits; the best single model where none does."""
    fitting = [list(each) for each in sets if problem.size_bytes[list(each)].sum() <= problem.budget_bytes]
    if not fitting:
        return problem.best_single()
    tuned = [tune_weights(problem, members) for members in fitting]
    return max(tuned, key=problem.scorer.gap)


def tune_weights(problem: Problem, members: Sequence[int], steps: Sequence[float] = TUNING_STEPS) -> Weights:
    """Pattern search from equal weights: move a share from one member to another as long as that gains."""
    weights = np.zeros(problem.count)
    weights[list(members)] = 1 / len(members)
    best = problem.scorer.gap(weights)
    for step in steps:
        gained = True
        while gained:
            gained = False
            for giver in members:
                for taker in members:
                    if giver == taker or weights[giver] < step:
                        continue
                    moved = weights.copy()
                    moved[giver] -= step
                    moved[taker] += step
                    gap = problem.scorer.gap(moved)
                    if gap > best:
                        weights, best, gained = moved, gap, True
    return weights


def fill_by_score(problem: Problem) -> Weights:
    """Best model first, then the next best that still fits; equal weights."""
    weights = np.zeros(problem.count)
    for candidate in np.argsort(-problem.scorer.single_gaps(), kind="stable"):
        if problem.fits(weights)[candidate]:
            weights[candidate] = 1.0
    return weights / weights.sum()


def greedy_stopped(problem: Problem) -> Weights:
    """Caruana's greedy selection with replacement, ended by the first pick that would break the budget."""

    def everything(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.ones(len(counts), np.bool_)

    return _greedy(problem, everything)


def greedy_behind_limit(problem: Problem) -> Weights:
    """AutoGluon's rule for a limit: drop the worst-scored models until the sum of all fits; greedy on what is left."""
    kept = np.ones(problem.count, np.bool_)
    for candidate in np.argsort(problem.scorer.single_gaps(), kind="stable"):
        if problem.size_bytes[kept].sum() <= problem.budget_bytes:
            break
        kept[candidate] = False
    if not kept.any():  # the best-scored model alone is too large: the rule leaves nothing, so the best that fits
        return problem.best_single()
    return _greedy(problem, lambda counts: kept)


def greedy_masked(problem: Problem) -> Weights:
    """Greedy with replacement among the candidates that still fit."""
    return _greedy(problem, lambda counts: problem.fits(counts.astype(np.float64)))


def greedy_by_rate(problem: Problem) -> Weights:
    """Greedy by gain per added MiB among what still fits.

    Members cost nothing to take again: the one that gains most is taken before anything is bought. Ends when nothing
    gains.
    """
    counts = np.zeros(problem.count, np.int64)
    best = 0.0
    for _ in range(GREEDY_ROUNDS):
        gains = _scores_with_one_more(problem, counts, problem.fits(counts.astype(np.float64))) - best
        gains = np.where(gains > 0, gains, 0.0)  # -inf of what may not be taken included
        repeats = np.where(counts > 0, gains, 0.0)
        rates = repeats if repeats.any() else gains / problem.size_bytes
        if not rates.any():
            break
        counts[rates.argmax()] += 1
        best += gains[rates.argmax()]
    return counts / counts.sum()


def random_search(problem: Problem, draws: int, rng: np.random.Generator) -> Weights:
    """The best of so many random maximal subsets with weights drawn evenly from the simplex.

    A draw that is `HOPELESS` behind the best on an eighth of the videos is not scored on all of them: on the twin that
    is three to four times the standard deviation of what an eighth misjudges, so it saves time and hardly ever a win.
    """
    best = _random_blend(problem, rng)
    best_gap, best_glance = problem.scorer.gap(best), problem.scorer.glance(best)
    for _ in range(draws - 1):
        weights = _random_blend(problem, rng)
        glance = problem.scorer.glance(weights)
        if glance < best_glance - HOPELESS:
            continue
        gap = problem.scorer.gap(weights)
        if gap > best_gap:
            best, best_gap, best_glance = weights, gap, glance
    return best


def _random_blend(problem: Problem, rng: np.random.Generator) -> Weights:
    room, members = problem.budget_bytes, []
    for candidate in rng.permutation(problem.count):
        if problem.size_bytes[candidate] <= room:
            room -= int(problem.size_bytes[candidate])
            members.append(candidate)
    weights = np.zeros(problem.count)
    weights[members] = rng.dirichlet(np.ones(len(members)))
    return weights


def hill_climb(problem: Problem) -> Weights:
    """From the best single model, mix in the model and share that gain most, as long as one does and fits."""
    weights = problem.best_single()
    best = problem.scorer.gap(weights)
    while True:
        mixes = [
            (1 - share) * weights + share * problem.solo(int(candidate))
            for candidate in np.flatnonzero(problem.fits(weights))
            for share in CLIMB_SHARES
        ]
        gaps = np.array([problem.scorer.gap(mix) for mix in mixes])
        if gaps.max() <= best:
            return weights
        weights, best = mixes[gaps.argmax()], gaps.max()


def _greedy(problem: Problem, allowed: Allowed) -> Weights:
    """Caruana et al. 2004 as EnsembleSelection runs it: equal votes with replacement, cut at the first best round.

    Scores are rounded after the first round; among equal ones models already inside go first. A pick that breaks the
    budget ends the selection before it.
    """
    counts = np.zeros(problem.count, np.int64)
    trajectory: list[float] = []
    picks: list[int] = []
    for round_index in range(GREEDY_ROUNDS):
        scores = _scores_with_one_more(problem, counts, allowed(counts))
        if round_index > 0:
            scores = scores.round(ROUND_DECIMALS)
        best = np.flatnonzero(scores == scores.max())
        inside = best[counts[best] > 0]
        pick = int(inside[0] if len(inside) else best[0])
        if not problem.fits(counts.astype(np.float64))[pick]:
            break
        counts[pick] += 1
        picks.append(pick)
        trajectory.append(round(float(scores[pick]), ROUND_DECIMALS))
    if not picks:
        return problem.best_single()
    cut = picks[: int(np.argmax(trajectory)) + 1]
    return np.bincount(cut, minlength=problem.count) / len(cut)


def _scores_with_one_more(
    problem: Problem, counts: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """GAP of the present votes and one more of each candidate; -inf for those not allowed."""
    scores = np.full(problem.count, -np.inf)
    for candidate in np.flatnonzero(allowed):
        votes = counts.astype(np.float64)
        votes[candidate] += 1
        scores[candidate] = problem.scorer.gap(votes)
    return scores
