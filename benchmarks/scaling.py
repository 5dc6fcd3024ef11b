"""How the search grows with the number of candidates, beside masked greedy selection on the same videos.

Beyond the paper's 18 models come models drawn around its size-to-GAP curve. Each pool runs in a process of its own, so
that its peak memory is its own.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --candidates 18 40 --videos 4000 --budget-mib 1024
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.baselines import Problem, greedy_masked
from benchmarks.contest import our_search
from benchmarks.paper import TABLE_1, PaperModel
from benchmarks.report import RESULTS, peak_mib, save, table
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec, default_cache
from gapsack.selection.units import MIB

GAP_SCATTER = 0.0006  # of a drawn model around the curve; Table 1 itself scatters by about that


@dataclass(frozen=True)
class Growth:
    """One pool: what the search did, and what masked greedy reaches."""

    candidates: int
    videos: int
    budget_mib: float
    strategy: str
    maximal_subsets: int | None
    evaluations: float
    cpu_seconds: float
    peak_mib: float
    added_peak_mib: float
    gap: float
    greedy_gap: float
    greedy_cpu_seconds: float


def models(count: int, seed: int) -> tuple[PaperModel, ...]:
    """The paper's 18 models, then models of other sizes whose GAPs lie around its curve; names n18, n19, ..."""
    rng = np.random.default_rng([seed, count])
    paper = sorted(TABLE_1, key=lambda model: model.float16_mib)
    sizes = np.log([model.float16_mib for model in paper])
    drawn = np.sort(rng.uniform(sizes[0], sizes[-1], max(0, count - len(paper))))
    gaps = np.interp(drawn, sizes, [model.gap for model in paper]) + rng.normal(0, GAP_SCATTER, len(drawn))
    hidden = np.interp(drawn, sizes, [model.hidden for model in paper])
    further = (
        PaperModel(f"n{len(paper) + index}", 16, round(width), float(np.exp(size)), float(gap))
        for index, (size, gap, width) in enumerate(zip(drawn, gaps, hidden, strict=True))
    )
    return (*TABLE_1[:count], *further)


def growth(candidates: int, videos: int, budget_mib: float, seed: int, cache: Path) -> Growth:
    """Search one pool and measure it."""
    twin = Twin(TwinSpec(seed=seed, videos=videos, models=models(candidates, seed)), cache)
    pool = twin.pool()
    budget_bytes = int(budget_mib * MIB)
    before, start = peak_mib(), time.process_time()
    found = our_search(pool, budget_bytes, seed)
    cpu_seconds, after = time.process_time() - start, peak_mib()
    scorer = BlendScorer(pool)
    problem = Problem(scorer, np.array([model.size_bytes for model in twin.spec.models]), budget_bytes)
    start = time.process_time()
    greedy_gap = scorer.gap(greedy_masked(problem))
    return Growth(
        candidates=candidates,
        videos=videos,
        budget_mib=budget_mib,
        strategy=found.strategy,
        maximal_subsets=found.maximal,
        evaluations=found.evaluations,
        cpu_seconds=cpu_seconds,
        peak_mib=after,
        added_peak_mib=after - before,
        gap=scorer.gap(found.weights),
        greedy_gap=greedy_gap,
        greedy_cpu_seconds=time.process_time() - start,
    )


def text(rows: list[Growth]) -> str:
    return table(
        ["candidates", "strategy", "maximal subsets", "evals", "CPU s", "peak MiB", "GAP", "ahead of greedy"],
        [
            [
                str(row.candidates),
                row.strategy,
                "-" if row.maximal_subsets is None else f"{row.maximal_subsets:,}",
                f"{row.evaluations:,.0f}",
                f"{row.cpu_seconds:.1f}",
                f"{row.peak_mib:.0f} ({row.added_peak_mib:+.0f})",
                f"{row.gap:.6f}",
                f"{row.gap - row.greedy_gap:+.6f}",
            ]
            for row in rows
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Search pools of more and more candidates.")
    parser.add_argument("--candidates", type=int, nargs="+", default=[18, 40, 60, 200])
    parser.add_argument("--videos", type=int, default=8_750)
    parser.add_argument("--budget-mib", type=float, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the twins' solved numbers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for scaling.json and .txt")
    arguments = parser.parse_args()
    rows: list[Growth] = []
    for candidates in arguments.candidates:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            task = (candidates, arguments.videos, arguments.budget_mib, arguments.seed, arguments.cache)
            rows.append(process.apply(growth, task))
        print(f"{candidates} candidates: {asdict(rows[-1])}", flush=True)
        save("scaling", {"results": [asdict(row) for row in rows]}, text(rows), arguments.out)
    print(text(rows))


if __name__ == "__main__":
    main()
