"""How much several workers could help a search: its batches timed piece by piece, and scheduled on so many workers.

What a search asks for does not depend on who answers, so one run gives the batches of any number of workers. A piece
goes to the worker that is free first; a batch ends when all of it is answered; what is not asked of workers stays
serial. That is the schedule of threads, which share what they prepare. Points that were computed ahead of need count as
work of the many, not of the one, who computes none of them.

python -m benchmarks.schedule --budget 1024
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.contest import BUDGETS, halves
from benchmarks.report import RESULTS, save, table
from benchmarks.twin import Twin, TwinSpec, default_cache
from gapsack.selection.blend.evaluate import BlendTask, Evaluator, Scored
from gapsack.selection.pool import CandidatePool
from gapsack.selection.search import search_ensemble

WORKERS = (1, 2, 4, 8, 16, 32)


class Timed:
    """An executor that answers one after another and keeps the CPU seconds of each piece, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []

    def __call__(self, evaluator: Evaluator, tasks: Sequence[BlendTask]) -> Iterable[Scored]:
        batch: list[float] = []
        self.batches.append(batch)
        results = []
        for task in tasks:
            start = time.process_time()
            results.append(evaluator(task))
            batch.append(time.process_time() - start)
        return results


def makespan(seconds: Sequence[float], workers: int) -> float:
    """When the last of some pieces ends, each begun in turn by the worker that is free first."""
    free = [0.0] * workers
    for each in seconds:
        heapq.heappush(free, heapq.heappop(free) + each)
    return max(free)


def searched(pool: CandidatePool, budget_bytes: int, executor: Timed | None) -> tuple[float, object]:
    """CPU seconds of a search, and its members."""
    start = time.process_time()
    found = search_ensemble(pool, budget_bytes=budget_bytes, tune_share=1.0, executor=executor)
    return time.process_time() - start, (found.members, found.tuning_score)


def main() -> None:
    parser = argparse.ArgumentParser(description="Schedule a search of the twin on several workers.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", default="1024", choices=sorted(BUDGETS))
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the twins' solved numbers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for schedule.json and .txt")
    arguments = parser.parse_args()
    pool = halves(Twin(TwinSpec(seed=arguments.seed), arguments.cache)).pool
    searched(pool, BUDGETS["400"], None)  # compiles
    alone, expected = searched(pool, BUDGETS[arguments.budget], None)
    timed = Timed()
    whole, members = searched(pool, BUDGETS[arguments.budget], timed)
    assert members == expected, "what is found depends on who answers"
    pieces = sum(map(sum, timed.batches))
    serial = whole - pieces
    rows = []
    for workers in WORKERS:
        seconds = serial + sum(makespan(batch, workers) for batch in timed.batches)
        rows.append([str(workers), f"{seconds:.1f}", f"{alone / seconds:.1f}"])
    report = (
        f"{table(['workers', 'seconds', 'times one worker'], rows)}\n\n"
        f"One worker alone: {alone:.1f} CPU s. {len(timed.batches):,} batches of {sum(map(len, timed.batches)):,} "
        f"pieces, {pieces:.1f} CPU s with those computed ahead of need; {serial:.1f} s stay serial."
    )
    print(report)
    results = {"alone": alone, "serial": serial, "pieces": pieces, "rows": rows, "budget": arguments.budget}
    save("schedule", results, report, arguments.out)


if __name__ == "__main__":
    main()
