"""Ours beside what others would choose, on twins of the paper's experiment.

Half of a twin's videos tune, half are held out. For each seed and budget every method chooses on the tuning half; one
scorer, apart from the product's, then gives all of them their GAP on both halves. Ends with an assertion: ours is never
behind on the tuning half.

    python -m benchmarks.paper_twin --quick
    python -m benchmarks.paper_twin --seeds 8
    python -m benchmarks.paper_twin --seeds 12 --resume         # keep what is there, add four seeds
    python -m benchmarks.paper_twin --first-seed 5 --seeds 1 --budgets 400 --out somewhere
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import BUDGETS, OURS, RANDOM_FACTOR, Result, contest, halves
from benchmarks.report import RESULTS, save, table
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec, default_cache
from benchmarks.twin_check import check

TOLERANCE = 1e-6


def summary(results: Sequence[Result]) -> str:
    """A table for each budget: means over the seeds, and ours minus each method, paired by seed.

    Means are over the seeds of that method; the differences compare the same seeds.
    """
    seeds = {budget: {each.seed for each in results if each.budget == budget} for budget in BUDGETS}
    return "\n\n".join(
        f"Budget {budget} MiB, {len(seeds[budget])} seed(s)\n{_budget_table(budget, results)}"
        for budget in BUDGETS
        if seeds[budget]
    )


def _budget_table(budget: str, results: Sequence[Result]) -> str:
    by_method: dict[str, dict[int, Result]] = {}
    for result in results:
        if result.budget == budget:
            by_method.setdefault(result.method, {})[result.seed] = result
    rows = []
    for method, by_seed in by_method.items():
        theirs = list(by_seed.values())
        # Paired by seed; a run that goes on from an earlier one may not have every method on every seed yet.
        ours = [by_method[OURS][seed] for seed in by_seed]
        ahead = _column(ours, "tuned_gap") - _column(theirs, "tuned_gap")
        held_out = _column(ours, "held_out_gap") - _column(theirs, "held_out_gap")
        rows.append(
            [
                method,
                str(len(theirs)),
                f"{_column(theirs, 'tuned_gap').mean():.6f}",
                f"{_column(theirs, 'held_out_gap').mean():.6f}",
                "" if method == OURS else f"{ahead.min():+.6f}",
                "" if method == OURS else f"{held_out.mean():+.6f} ± {_standard_error(held_out):.6f}",
                f"{_column(theirs, 'size_mib').mean():.1f}",
                f"{_column(theirs, 'evaluations').mean():.0f}",
                f"{_column(theirs, 'cpu_seconds').mean():.1f}",
            ]
        )
    return table(
        ["method", "seeds", "tuned", "held out", "ahead, least", "ahead held out", "MiB", "evals", "CPU s"], rows
    )


def _column(results: Sequence[Result], name: str) -> NDArray[np.float64]:
    return np.array([getattr(result, name) for result in results])


def _standard_error(differences: NDArray[np.float64]) -> float:
    """Of the mean of paired differences; nan for one seed."""
    count = len(differences)
    return float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")


def behind(results: Sequence[Result]) -> list[str]:
    """A sentence for each method, seed and budget where ours has the lower GAP on the tuning half."""
    ours = {(result.seed, result.budget): result for result in results if result.method == OURS}
    return [
        f"seed {result.seed}, {result.budget} MiB: ours {mine.members} {mine.tuned_gap:.7f} is "
        f"{result.tuned_gap - mine.tuned_gap:.7f} behind {result.method} {result.members} {result.weights} "
        f"(python -m benchmarks.paper_twin --first-seed {result.seed} --seeds 1 --budgets {result.budget})"
        for result in results
        if result.tuned_gap > (mine := ours[result.seed, result.budget]).tuned_gap + TOLERANCE
    ]


def earlier_results(folder: Path) -> list[Result]:
    """Results of an earlier run in this folder; none when there was none."""
    path = folder / "paper_twin.json"
    return [Result(**each) for each in json.loads(path.read_text())["results"]] if path.exists() else []


def _key(result: Result) -> tuple[int, str, str]:
    return result.seed, result.budget, result.method


def main() -> None:
    parser = argparse.ArgumentParser(description="Ours beside what others would choose, on twins of the paper.")
    parser.add_argument("--seeds", type=int, default=8, help="how many twins")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one twin")
    parser.add_argument("--budgets", nargs="+", choices=list(BUDGETS), default=list(BUDGETS), metavar="MIB")
    parser.add_argument(
        "--random-factor",
        type=int,
        default=RANDOM_FACTOR,
        help="draws of the random search to each of our evaluations; 0 leaves it out",
    )
    parser.add_argument("--resume", action="store_true", help="keep the results that --out already holds")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the twins' solved numbers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for paper_twin.json and .txt")
    arguments = parser.parse_args()
    found = {_key(each): each for each in (earlier_results(arguments.out) if arguments.resume else [])}
    checks: dict[int, str] = {}
    for seed in range(arguments.first_seed, arguments.first_seed + (1 if arguments.quick else arguments.seeds)):
        twin = Twin(TwinSpec(seed=seed), arguments.cache)
        fidelity = check(twin, BlendScorer(twin.pool()))
        fidelity.require()
        checks[seed] = str(fidelity)
        print(f"seed {seed}: {fidelity}", flush=True)
        parts = halves(twin)
        for budget in arguments.budgets:
            known = {each.method: each for each in found.values() if (each.seed, each.budget) == (seed, budget)}
            cell = contest(seed, budget, parts, random_factor=arguments.random_factor, known=known)
            found |= {_key(each): each for each in cell}
            results = list(found.values())
            print(f"{_budget_table(budget, cell)}\n", flush=True)
            # Saved at every step: a run of hours that is cut short still leaves what it did.
            document = {"checks": checks, "results": [asdict(each) for each in results], "behind": behind(results)}
            save("paper_twin", document, summary(results), arguments.out)
    print(summary(list(found.values())))
    assert not behind(list(found.values())), "\n".join(behind(list(found.values())))


if __name__ == "__main__":
    main()
