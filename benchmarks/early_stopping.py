"""What early stopping saves in steps and costs in the GAP of the best ensemble: a replay of recorded learning curves.

    python -m benchmarks.learning_curves GRID --data DIR --out FOLDER
    python -m benchmarks.early_stopping FOLDER --name NAME [--shares 5 10 20] [--splits 2] [--at-once 4] [--draws 4]

Nothing is trained here. Of each seed, the trials begin in an order that the seed draws, so many at once, a step of
every one taking as long as a step of any other; where one ends, the next begins. As a trial comes to an evaluation,
the product's `RungScheduler` is told the GAP that was recorded, and what it decides holds. Then the ensemble is
searched among the trials that came to their end, and among all, those that were stopped as they were at their rung
(`publish_stopped: true`). Beside each scheduler stand points drawn at random and trained to their end, as many as its
steps pay for. Budgets are shares of the bytes of all trials; GAP is held out, a mean over splits of the videos into a
half that chooses and a half that reports, and differences are paired by seed.
"""

from __future__ import annotations

import argparse
import heapq
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.learning_curves import GRID_FILE, candidate_name, measured_steps, seed_folders
from benchmarks.paired import held_out_gap, mean_text, searched
from benchmarks.report import RESULTS, save, table
from gapsack.selection.pool import CandidatePool
from gapsack.selection.units import MIB
from gapsack.sweep.cluster.stopping import RungScheduler
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec

KINDS = ("asha", "mo_asha")
ALL_TO_THEIR_END = "none"
RESAMPLES = 2  # intervals are not told here


@dataclass(frozen=True)
class Recorded:
    """The curves of one seed: a grid, the steps at which its trials were measured, and what they were by then."""

    seed: int
    grid: Grid
    steps: list[int]
    pool: CandidatePool

    @classmethod
    def read(cls, folder: Path) -> Recorded:
        grid = load_config(folder / GRID_FILE)
        return cls(grid.training.seed, grid, measured_steps(grid), CandidatePool.read(folder / "pool"))

    @property
    def trials(self) -> list[str]:
        return [point.name for point in trial_points(self.grid)]

    @property
    def all_bytes(self) -> int:
        """Of all trials together, in the budget's precision."""
        last = self.steps[-1]
        return sum(self.pool[candidate_name(name, last)].size_bytes[self.grid.budget.precision] for name in self.trials)

    def gap(self, trial: str, step: int) -> float:
        return float(self.pool[candidate_name(trial, step)].metrics["gap"])

    def left(self, ends: Mapping[str, int]) -> CandidatePool | None:
        """The trials as they were at those steps; None where there are none."""
        chosen = [self.pool[candidate_name(name, step)] for name, step in ends.items()]
        return CandidatePool(self.pool.labels, chosen) if chosen else None

    def finished(self, ends: Mapping[str, int]) -> dict[str, int]:
        """Those that came to their end."""
        return {name: step for name, step in ends.items() if step == self.steps[-1]}


@dataclass(frozen=True)
class Row:
    """One way of spending steps; lists have a figure a seed, and ``gaps`` a list a budget."""

    way: str
    candidates_of: str
    steps: list[int]
    candidates: list[float]
    gaps: list[list[float]]


def replayed(recorded: Recorded, kind: str, at_once: int, folder: Path) -> dict[str, int]:
    """The step at which a scheduler of that kind ends each trial.

    Args:
        recorded: the curves.
        kind: of the scheduler; its rungs are those of the grid's.
        at_once: so many trials run side by side.
        folder: an empty one, for the trials' decisions.
    """
    scheduler = recorded.grid.search.scheduler
    assert scheduler is not None  # or there would be no steps to measure at
    scheduler = scheduler.model_copy(update={"kind": kind})
    search = recorded.grid.search.model_copy(update={"scheduler": scheduler})
    sweep = SweepSpec(str(folder), recorded.grid.model_copy(update={"search": search}), (), ())
    rule = RungScheduler(sweep, scheduler)
    points = list(trial_points(recorded.grid))
    order = np.random.default_rng(recorded.seed).permutation(len(points))
    waiting = [sweep.trial(points[place].axes) for place in order]
    begun = min(at_once, len(waiting))
    steps, ends = recorded.steps, dict[str, int]()
    # (time, number of the trial, number of the evaluation): of two at once, the trial that began first comes first.
    coming = [(steps[0], number, 0) for number in range(begun)]
    while coming:
        now, number, evaluation = heapq.heappop(coming)
        trial, step = waiting[number], steps[evaluation]
        report = rule.hear(trial, step, recorded.gap(trial.name, step))
        if step < steps[-1] and (report is None or not report.stop):
            heapq.heappush(coming, (now + steps[evaluation + 1] - step, number, evaluation + 1))
            continue
        ends[trial.name] = step
        if begun < len(waiting):
            heapq.heappush(coming, (now + steps[0], begun, 0))
            begun += 1
    return ends


def best_gap(pool: CandidatePool | None, budget_bytes: int, splits: int) -> float:
    """Held-out GAP of the best ensemble, a mean over splits; not a number where nothing fits."""
    if pool is None:
        return float("nan")
    found = [searched(pool, budget_bytes, seed, resamples=RESAMPLES) for seed in range(splits)]
    return float(np.mean([held_out_gap(each) if each is not None else np.nan for each in found]))


def drawn(recorded: Recorded, steps: int, draws: int) -> list[dict[str, int]]:
    """Points at random, trained to their end: as many as `steps` pay for, rounded."""
    number = max(1, round(steps / recorded.steps[-1]))
    rng = np.random.default_rng((recorded.seed, 1))
    return [
        dict.fromkeys(map(str, rng.choice(recorded.trials, number, replace=False)), recorded.steps[-1])
        for _ in range(draws)
    ]


def of_seed(recorded: Recorded, shares: Sequence[float], arguments: argparse.Namespace) -> list[Row]:
    """All ways, for one seed."""
    budgets = [int(recorded.all_bytes * share / 100) for share in shares]

    def row(way: str, what: str, steps: int, pools: Sequence[Mapping[str, int]]) -> Row:
        gaps = [
            [float(np.mean([best_gap(recorded.left(ends), budget, arguments.splits) for ends in pools]))]
            for budget in budgets
        ]
        made = Row(way, what, [steps], [float(np.mean([len(ends) for ends in pools]))], gaps)
        print(f"seed {recorded.seed}: {made}", flush=True)
        return made

    everything = dict.fromkeys(recorded.trials, recorded.steps[-1])
    rows = [row(ALL_TO_THEIR_END, "all", sum(everything.values()), [everything])]
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            ends = replayed(recorded, kind, arguments.at_once, Path(folder))
        spent = sum(ends.values())
        rows.append(row(kind, "finished", spent, [recorded.finished(ends)]))
        rows.append(row(kind, "finished and stopped", spent, [ends]))
        random = drawn(recorded, spent, arguments.draws)
        rows.append(row(f"at random, steps of {kind}", "finished", sum(random[0].values()), random))
    return rows


def together(seeds: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of all seeds, the same way in one."""
    return [
        Row(
            way=rows[0].way,
            candidates_of=rows[0].candidates_of,
            steps=[step for row in rows for step in row.steps],
            candidates=[count for row in rows for count in row.candidates],
            gaps=[[gap for row in rows for gap in row.gaps[budget]] for budget in range(len(rows[0].gaps))],
        )
        for rows in zip(*seeds, strict=True)
    ]


def text(rows: Sequence[Row], shares: Sequence[float], budgets_mib: Sequence[float]) -> str:
    everything = rows[0]
    header = ["scheduler", "candidates", "number", "steps", "of all"]
    for share, budget in zip(shares, budgets_mib, strict=True):
        header += [f"GAP at {share:g} %, {budget:.2f} MiB", "against none"]
    lines = []
    for row in rows:
        line = [
            row.way,
            row.candidates_of,
            f"{np.mean(row.candidates):.1f}",
            f"{np.mean(row.steps):,.0f}",
            f"{np.mean(row.steps) / np.mean(everything.steps):.0%}",
        ]
        for gaps, of_all in zip(row.gaps, everything.gaps, strict=True):
            line += [f"{np.mean(gaps):.5f}", "" if row is everything else mean_text(np.subtract(gaps, of_all))]
        lines.append(line)
    asha, multi = (_named(rows, kind) for kind in KINDS)
    ahead = [
        f"mo_asha against asha, {both[0].candidates_of}: "
        + "; ".join(
            f"{share:g} %: {mean_text(np.subtract(mine, other))}"
            for share, mine, other in zip(shares, both[1].gaps, both[0].gaps, strict=True)
        )
        for both in zip(asha, multi, strict=True)
    ]
    return "\n".join([table(header, lines), "", *ahead])


def _named(rows: Sequence[Row], way: str) -> list[Row]:
    return [row for row in rows if row.way == way]


def main() -> None:
    parser = argparse.ArgumentParser(description="Replay schedulers over recorded learning curves.")
    parser.add_argument("folder", type=Path, help="what benchmarks.learning_curves wrote")
    parser.add_argument("--name", required=True, help="of the results")
    parser.add_argument("--shares", type=float, nargs="+", default=[5, 10, 20], help="percent of all trials' bytes")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=4, help="trials that run side by side")
    parser.add_argument("--draws", type=int, default=4, help="random choices of points")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    arguments = parser.parse_args()
    found = [Recorded.read(folder) for folder in seed_folders(arguments.folder)]
    rows = together([of_seed(recorded, arguments.shares, arguments) for recorded in found])
    budgets_mib = [found[0].all_bytes * share / 100 / MIB for share in arguments.shares]
    shown = text(rows, arguments.shares, budgets_mib)
    print(shown)
    settings = {key: getattr(arguments, key) for key in ("shares", "splits", "at_once", "draws")}
    results = {
        "budgets_mib": budgets_mib,
        "rungs": found[0].steps[:-1],
        "trained_steps": found[0].steps[-1],
        "seeds": [recorded.seed for recorded in found],
    }
    save(arguments.name, {**settings, **results, "results": [asdict(row) for row in rows]}, shown, arguments.out)


if __name__ == "__main__":
    main()
