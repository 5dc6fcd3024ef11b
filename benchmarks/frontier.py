"""The whole frontier in one search, beside a search of its own for each budget and masked greedy selection.

python -m benchmarks.frontier
python -m benchmarks.frontier --seed 3 --budgets-mib 400 1024
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.baselines import Problem, greedy_masked
from benchmarks.contest import halves, our_search
from benchmarks.report import RESULTS, save, table
from benchmarks.twin import Twin, TwinSpec, default_cache
from gapsack.selection.frontier import Frontier, frontier
from gapsack.selection.units import MIB

BUDGETS_MIB = (100.0, 150.0, 200.0, 300.0, 400.0, 550.0, 698.9, 812.5, 1024.0, 1250.0, 1500.0, 2000.0)


@dataclass(frozen=True)
class AtBudget:
    """One budget: GAP on the tuning videos of the frontier, of a search for this budget alone, and of greedy."""

    budget_mib: float
    members: str
    gain_per_mib: float | None
    frontier_gap: float
    search_gap: float
    search_evaluations: float
    search_cpu_seconds: float
    greedy_gap: float
    greedy_cpu_seconds: float


def text(whole: Frontier, cpu_seconds: float, rows: list[AtBudget]) -> str:
    separate = sum(row.search_cpu_seconds for row in rows)
    evaluations = sum(row.search_evaluations for row in rows)
    lines = table(
        ["MiB", "frontier", "own search", "behind own", "masked greedy", "ahead of greedy", "GAP a MiB", "members"],
        [
            [
                f"{row.budget_mib:g}",
                f"{row.frontier_gap:.6f}",
                f"{row.search_gap:.6f}",
                f"{row.search_gap - row.frontier_gap:+.6f}",
                f"{row.greedy_gap:.6f}",
                f"{row.frontier_gap - row.greedy_gap:+.6f}",
                "-" if row.gain_per_mib is None else f"{row.gain_per_mib:.1e}",
                row.members,
            ]
            for row in rows
        ],
    )
    return (
        f"{lines}\n\n"
        f"frontier: {len(whole.points)} points, {whole.search['evaluations']:,} evaluations, "
        f"{cpu_seconds:.1f} CPU s for every budget;\n"
        f"{len(rows)} searches of their own: {evaluations:,.0f} evaluations, {separate:.1f} CPU s "
        f"({separate / cpu_seconds:.1f} times as long). One worker."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The whole frontier beside a search for each budget.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budgets-mib", type=float, nargs="+", default=list(BUDGETS_MIB))
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the twins' solved numbers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for frontier.json and .txt")
    arguments = parser.parse_args()
    parts = halves(Twin(TwinSpec(seed=arguments.seed), arguments.cache))
    sizes = np.array([candidate.size_bytes["float16"] for candidate in parts.pool.candidates])
    start = time.process_time()
    whole = frontier(parts.pool, seed=arguments.seed, tune_share=1.0)
    cpu_seconds = time.process_time() - start
    rows: list[AtBudget] = []
    for budget_mib in arguments.budgets_mib:
        budget_bytes = int(budget_mib * MIB)
        point = whole.at(budget_bytes)
        start = time.process_time()
        found = our_search(parts.pool, budget_bytes, arguments.seed)
        search_cpu_seconds, start = time.process_time() - start, time.process_time()
        greedy_gap = parts.tune.gap(greedy_masked(Problem(parts.tune, sizes, budget_bytes)))
        rows.append(
            AtBudget(
                budget_mib=budget_mib,
                members=" ".join(f"{member.name} {member.weight:.2f}" for member in point.members),
                gain_per_mib=point.gain_per_mib,
                frontier_gap=point.tuning_score,
                search_gap=parts.tune.gap(found.weights),
                search_evaluations=found.evaluations,
                search_cpu_seconds=search_cpu_seconds,
                greedy_gap=greedy_gap,
                greedy_cpu_seconds=time.process_time() - start,
            )
        )
        print(asdict(rows[-1]), flush=True)
    report = text(whole, cpu_seconds, rows)
    print(report)
    results = {"cpu_seconds": cpu_seconds, "frontier": whole.to_dict(), "budgets": [asdict(row) for row in rows]}
    save("frontier", results, report, arguments.out)


if __name__ == "__main__":
    main()
