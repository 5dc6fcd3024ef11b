"""One contest: every method chooses on the tuning half of a twin, one scorer gives all of them their GAP on both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks import baselines
from benchmarks.baselines import Problem, Weights
from benchmarks.paper import TABLE_1, TABLE_2, size_bytes
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin
from gapsack.selection.pool import CandidatePool
from gapsack.selection.search import search_ensemble
from gapsack.selection.units import MIB

# By the figure that names them; FJSO prints as 812.4 and takes a little more, so its own bytes are the budget.
BUDGETS = {"400": 400 * MIB, "698.9": int(698.9 * MIB), "812.4": size_bytes("FJSO"), "1024": 1024 * MIB}
BUDGETS |= {"1500": 1500 * MIB}
OURS = "ours"
RANDOM = "random search"
RANDOM_FACTOR = 10
Search = Callable[[CandidatePool, int, int], "Found"]


@dataclass(frozen=True)
class Result:
    """One method's choice on one seed's tuning half, and its GAP on both halves.

    Every method runs on one thread, and its time is that of the processor, which others on the machine disturb less
    than the clock's.
    """

    seed: int
    budget: str
    method: str
    tuned_gap: float
    held_out_gap: float
    size_mib: float
    evaluations: float
    cpu_seconds: float
    members: str
    weights: list[float]


@dataclass(frozen=True)
class Found:
    """What our search found: weights in the pool's order, and what it says of itself.

    ``evaluations`` counts passes over all videos; ``maximal`` is None where subsets were not enumerated.
    """

    weights: Weights
    evaluations: float
    strategy: str
    maximal: int | None


@dataclass(frozen=True)
class Halves:
    """The pool and scorer of the tuning half, and the scorer of the other."""

    pool: CandidatePool
    tune: BlendScorer
    held_out: BlendScorer


def halves(twin: Twin) -> Halves:
    """The twin's videos, halved by its seed."""
    order = np.random.default_rng([twin.spec.seed, 9]).permutation(twin.spec.videos)
    tune, held_out = (np.sort(part) for part in np.array_split(order, 2))
    pool = twin.pool(tune)
    return Halves(pool, BlendScorer(pool), BlendScorer(twin.pool(held_out)))


def baseline_methods() -> dict[str, Callable[[Problem], Weights]]:
    """Everything but ours and the random search, which needs ours first."""
    codes = [model.code for model in TABLE_1]
    sets = [[codes.index(code) for code in ensemble.members] for ensemble in TABLE_2]
    return {
        "paper's ensembles, tuned": lambda problem: baselines.tuned_sets(problem, sets),
        "fill by score, equal": baselines.fill_by_score,
        "greedy, stopped at budget": baselines.greedy_stopped,
        "greedy behind limit rule": baselines.greedy_behind_limit,
        "greedy, size mask": baselines.greedy_masked,
        "greedy, gain per MiB": baselines.greedy_by_rate,
        "hill climbing, size mask": baselines.hill_climb,
    }


def our_search(pool: CandidatePool, budget_bytes: int, seed: int) -> Found:
    """`search_ensemble` on all videos of the pool, one worker, for the best score as the others are.

    Other options are at their defaults.
    """
    ensemble = search_ensemble(pool, budget_bytes=budget_bytes, seed=seed, tune_share=1.0, prefer="score").to_dict()
    by_name = {member["name"]: member["weight"] for member in ensemble["members"]}
    return Found(
        weights=np.array([by_name.get(candidate.name, 0.0) for candidate in pool.candidates]),
        evaluations=ensemble["search"]["evaluations"],
        strategy=ensemble["search"]["strategy"],
        maximal=ensemble["search"]["maximal"],
    )


def contest(  # noqa: PLR0917 - what is fixed comes first, what tests and long runs vary after it
    seed: int,
    budget: str,
    parts: Halves,
    search: Search = our_search,
    random_factor: int = RANDOM_FACTOR,
    known: Mapping[str, Result] | None = None,
) -> list[Result]:
    """Every method at one budget.

    Args:
        seed: of the twin; also of our search and of the random one.
        budget: a key of `BUDGETS`.
        parts: the twin's halves.
        search: ours.
        random_factor: draws of the random search to each evaluation of ours; 0 leaves it out.
        known: results of an earlier run by method; those methods are not run again.

    Returns:
        Ours first, the random search last.
    """
    known = known or {}
    sizes = np.array([candidate.size_bytes["float16"] for candidate in parts.pool.candidates])
    problem = Problem(parts.tune, sizes, BUDGETS[budget])

    def measured(method: str, choose: Callable[[], tuple[Weights, float | None]]) -> Result:
        if method in known:
            return known[method]
        before, start = parts.tune.evaluations, time.process_time()
        weights, evaluations = choose()
        cpu_seconds, counted = time.process_time() - start, parts.tune.evaluations - before
        return Result(
            seed=seed,
            budget=budget,
            method=method,
            evaluations=counted if evaluations is None else evaluations,
            cpu_seconds=cpu_seconds,
            tuned_gap=parts.tune.gap(weights),
            held_out_gap=parts.held_out.gap(weights),
            size_mib=problem.used_bytes(weights) / MIB,
            members="".join(np.array(parts.tune.names)[weights > 0]),
            weights=[round(float(weight), 6) for weight in weights[weights > 0]],
        )

    def ours() -> tuple[Weights, float]:
        found = search(parts.pool, problem.budget_bytes, seed)
        return found.weights, found.evaluations

    results = [measured(OURS, ours)]
    for name, choose in baseline_methods().items():
        results.append(measured(name, lambda choose=choose: (choose(problem), None)))
    if random_factor:
        draws = max(1, round(random_factor * results[0].evaluations))
        rng = np.random.default_rng([seed, 10])
        results.append(measured(RANDOM, lambda: (baselines.random_search(problem, draws, rng), draws)))
    return results
