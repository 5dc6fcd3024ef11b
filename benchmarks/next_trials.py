"""Which way of choosing trials leads to the better ensemble, on the twin's world with a model for every (family, K, H).

Every way trains up to 32 of 84 models (`benchmarks.model_space`), one after another, in the same world by seed. After
8, 16, 24 and 32 the best ensemble of what is trained is found, at 400 and at 1,024 MiB: members by squared error and
GAP, weights by GAP (`PoolErrors.ensemble_gap`; a search for GAP finds a little more, in ten times the time). Its regret
is how far its GAP is below the best that any way came to at any time, or that was found so among all 84. A thousand
videos choose trials, members and weights, and nine thousand others say what GAP that is: on a thousand, what is best
among thousands of subsets is partly luck, and whoever looks at most of them has most of it. What was found after fewer
trials is still there after more. All ways begin with the same six points.

Ways: random; TPE on GAP; NSGA-II on GAP and size; TPE told the score of the best ensemble with the trial added; and
`objective: ensemble`, the gain that `sweep.advice` expects. The last two have a budget, so they run once for each.

    python -m benchmarks.next_trials --seeds 5
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import optuna

from benchmarks.model_space import CLUSTERS, FAMILY_GAP, HIDDEN, POINTS, ModelSpace, SpacePoint
from benchmarks.paired import mean_text
from benchmarks.report import save, table
from gapsack.selection.errors import BudgetError
from gapsack.selection.units import MIB
from gapsack.sweep.advice.advisor import Advisor
from gapsack.sweep.advice.pool_errors import PoolErrors
from gapsack.sweep.advice.predicted_models import ModelPoint

BUDGETS = (400, 1_024)
TRIALS, LOOKS = 32, (8, 16, 24, 32)
OURS = "expected gain of the ensemble"
TOLD = "TPE on the ensemble's score"
WAYS = ("random", "TPE on GAP", "NSGA-II on GAP and size", TOLD, OURS)
STARTUP = 6
MOST_REPEATS = 100  # proposals in a row of what is known, as in a sweep
LOOKED_AT = 6  # points that get draws, of those with the best glances

Tell = Callable[[SpacePoint], "tuple[float, ...]"]


@dataclass(frozen=True)
class Look:
    """The best ensemble of a way after so many trials: its GAP on new videos, and on those that chose it."""

    seed: int
    way: str
    budget_mib: int
    trials: int
    gap: float
    chosen_at: float


def random_order(seed: int) -> list[SpacePoint]:
    return [POINTS[place] for place in np.random.default_rng([seed, 5]).permutation(len(POINTS))]


def by_optuna(
    sampler: optuna.samplers.BaseSampler, directions: list[str], tell: Tell, seed: int
) -> Iterator[SpacePoint]:
    """What a sampler proposes; of a point that was trained it is told again, as in a sweep, and asked for another."""
    study = optuna.create_study(sampler=sampler, directions=directions)
    for first in random_order(seed)[:STARTUP]:
        places = {"clusters": CLUSTERS.index(first.clusters), "hidden": HIDDEN.index(first.hidden)}
        study.enqueue_trial({"family": first.family, **places})
    told: dict[SpacePoint, tuple[float, ...]] = {}
    while len(told) < TRIALS:
        point = next(each for each in random_order(seed) if each not in told)  # where nothing new is proposed
        for _attempt in range(MOST_REPEATS):
            trial = study.ask()
            family = trial.suggest_categorical("family", list(FAMILY_GAP))
            clusters = CLUSTERS[trial.suggest_int("clusters", 0, len(CLUSTERS) - 1)]
            proposed = SpacePoint(family, clusters, HIDDEN[trial.suggest_int("hidden", 0, len(HIDDEN) - 1)])
            if proposed not in told:
                point = proposed
                told[point] = tell(point)
            study.tell(trial, told[proposed])
            if proposed == point:
                break
        else:
            told[point] = tell(point)
        yield point


def by_advice(space: ModelSpace, budget_mib: int, seed: int) -> Iterator[SpacePoint]:
    """The first points of all ways, then those by which most is expected to be gained."""
    tried = random_order(seed)[:STARTUP]
    yield from tried
    while len(tried) < TRIALS:
        asked = [point for point in POINTS if point not in tried]
        known = {point.name: model_point(point) for point in tried}
        advisor = Advisor(space.pool(tried), known, budget_mib * MIB, [model_point(point) for point in asked])
        name = advisor.ranked(LOOKED_AT, looked_at=LOOKED_AT)[0].point.name
        tried.append(next(point for point in asked if point.name == name))
        yield tried[-1]


def model_point(point: SpacePoint) -> ModelPoint:
    return ModelPoint(point.name, point.family, point.axes, {"float16": point.size_bytes})


def ways(space: ModelSpace, seed: int, budget_mib: int) -> dict[str, Callable[[], Iterator[SpacePoint]]]:
    tried: list[SpacePoint] = []

    def ensemble(point: SpacePoint) -> tuple[float, ...]:
        tried.append(point)
        try:
            errors = PoolErrors(space.pool(tried), budget_mib * MIB)
        except BudgetError:
            return (0.0,)  # nothing fits yet
        return (errors.score(errors.best),)

    tpe = {"seed": seed, "multivariate": True, "constant_liar": True}
    return {
        "random": lambda: iter(random_order(seed)),
        "TPE on GAP": lambda: by_optuna(
            optuna.samplers.TPESampler(**tpe), ["maximize"], lambda point: (space.gap(point),), seed
        ),
        "NSGA-II on GAP and size": lambda: by_optuna(
            optuna.samplers.NSGAIISampler(seed=seed, population_size=TRIALS // 4),
            ["maximize", "minimize"],
            lambda point: (space.gap(point), float(point.size_bytes)),
            seed,
        ),
        TOLD: lambda: by_optuna(optuna.samplers.TPESampler(**tpe), ["maximize"], ensemble, seed),
        OURS: lambda: by_advice(space, budget_mib, seed),
    }


def best_ensemble(space: ModelSpace, points: Sequence[SpacePoint], budget_mib: int) -> tuple[float, dict[str, float]]:
    """The GAP of the best ensemble of some models on the videos that choose it, and its weights by model."""
    errors = PoolErrors(space.pool(points), budget_mib * MIB)
    names = [errors.space.items[number].name for number in errors.ensemble.subset]
    return errors.ensemble_gap, dict(zip(names, errors.ensemble.scored.weights, strict=True))


def looks_of(seed: int, chosen: tuple[str, ...]) -> Iterator[Look]:
    space = ModelSpace(seed)
    orders: dict[str, list[SpacePoint]] = {}
    for budget in BUDGETS:
        for way, start in ways(space, seed, budget).items():
            if way not in chosen:
                continue
            if way not in orders or way in (TOLD, OURS):
                steps = start()
                orders[way] = [next(steps) for _ in range(TRIALS)]
            best: tuple[float, dict[str, float]] = (0.0, {})
            for trials in LOOKS:
                best = max(best, best_ensemble(space, orders[way][:trials], budget), key=lambda found: found[0])
                yield Look(seed, way, budget, trials, space.judged_gap(best[1]), best[0])
        gap, weights = best_ensemble(space, POINTS, budget)
        yield Look(seed, "all", budget, len(POINTS), space.judged_gap(weights), gap)


def summary(looks: list[Look]) -> str:
    """Mean regrets over the seeds, in 1e-4 GAP, and ours against the best other way, paired by seed."""
    best = {
        (look.seed, look.budget_mib): max(
            each.gap for each in looks if (each.seed, each.budget_mib) == (look.seed, look.budget_mib)
        )
        for look in looks
    }
    seeds = sorted({look.seed for look in looks})
    gaps = {(look.seed, look.way, look.budget_mib, look.trials): look.gap for look in looks}
    texts = []
    for budget in BUDGETS:

        def regrets(way: str, trials: int, budget: int = budget) -> list[float]:
            return [best[seed, budget] - gaps[seed, way, budget, trials] for seed in seeds]

        shown = [way for way in WAYS if (seeds[0], way, budget, LOOKS[0]) in gaps]
        rows = [[way, *(f"{1e4 * np.mean(regrets(way, trials)):.1f}" for trials in LOOKS)] for way in shown]
        text = table([f"{budget} MiB: regret, 1e-4 GAP, after", *map(str, LOOKS)], rows)
        if OURS in shown and len(shown) > 1:
            others = [way for way in shown if way != OURS]
            for trials in LOOKS:
                other = min(others, key=lambda way, trials=trials: np.mean(regrets(way, trials)))
                ahead = np.subtract(regrets(other, trials), regrets(OURS, trials)).tolist()
                text += f"\nafter {trials}, ours is ahead of {other} by {mean_text(ahead)}"
            other = min(others, key=lambda way: np.mean(regrets(way, LOOKS[-1])))
            ahead = np.subtract(regrets(other, LOOKS[-1]), regrets(OURS, LOOKS[1])).tolist()
            text += f"\nours after {LOOKS[1]} against {other} after {LOOKS[-1]}: {mean_text(ahead)}"
        texts.append(text)
    return f"{len(seeds)} seeds, {len(POINTS)} models to choose from\n\n" + "\n\n".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which way of choosing trials leads to the better ensemble.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--name", default="next_trials", help="of the results; - prints only")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    looks: list[Look] = []
    start = time.process_time()
    for seed in range(arguments.seeds):
        looks += looks_of(seed, tuple(arguments.ways))
        text = f"{summary(looks)}\n\n{time.process_time() - start:.0f} s of processor time"
        print(text, flush=True)
        if arguments.name != "-":
            save(arguments.name, {"looks": [asdict(look) for look in looks]}, text)


if __name__ == "__main__":
    main()
