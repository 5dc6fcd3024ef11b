"""Students of a teacher beside the same models without one: GAP on the held-out videos, paired by size and seed.

    python -m benchmarks.students --taught RUN... --alone RUN...

Each run is of one seed; the runs without a teacher need not have trained anything but the same models with the same
steps. A difference is taken between trials of one family, hyperparameters, seed and number of steps.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.paired import mean_text
from benchmarks.report import RESULTS, save, table
from gapsack.selection.units import MIB
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult

Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class Row:
    """One size of a model; a figure a seed, in one order."""

    model: str
    mib: float
    steps: int
    seeds: list[int]
    alone: list[float]
    taught: list[float]

    @property
    def gains(self) -> list[float]:
        return [float(gain) for gain in np.subtract(self.taught, self.alone)]


def trials(runs: Iterable[Path]) -> dict[Key, TrialResult]:
    """The trials that are done in some runs, by what makes two comparable."""
    found: dict[Key, TrialResult] = {}
    for path in runs:
        for record in sorted(RunFolder.open(path).path.glob("trials/*/record.json")):
            trial = TrialResult.model_validate_json(record.read_text())
            found[trial.family, json.dumps(trial.hyperparameters, sort_keys=True), trial.steps, seed_of(trial)] = trial
    return found


def seed_of(trial: TrialResult) -> int:
    """The seed of a trial's training."""
    return int(trial.seeds["training"])


def rows(taught: dict[Key, TrialResult], alone: dict[Key, TrialResult]) -> list[Row]:
    """A row for each model that both have, the smallest first."""
    models = dict.fromkeys(key[:3] for key in taught if key in alone)
    made = []
    for model in models:
        seeds = sorted(key[3] for key in taught if key[:3] == model and key in alone)
        pairs = [(taught[(*model, seed)], alone[(*model, seed)]) for seed in seeds]
        first = pairs[0][0]
        made.append(
            Row(
                model=f"{first.family} {first.name}",
                mib=first.size_bytes["float16"] / MIB,
                steps=first.steps,
                seeds=seeds,
                alone=[_gap(other) for _, other in pairs],
                taught=[_gap(mine) for mine, _ in pairs],
            )
        )
    return sorted(made, key=lambda row: row.mib)


def text(found: Sequence[Row]) -> str:
    header = ["model", "float16 MiB", "seeds", "GAP alone", "GAP taught", "gain", "least", "most"]
    lines = [
        [
            each.model,
            f"{each.mib:.2f}",
            str(len(each.seeds)),
            f"{np.mean(each.alone):.5f}",
            f"{np.mean(each.taught):.5f}",
            mean_text(each.gains),
            f"{min(each.gains):+.5f}",
            f"{max(each.gains):+.5f}",
        ]
        for each in found
    ]
    return table(header, lines)


def _gap(trial: TrialResult) -> float:
    assert trial.gap_averaged is not None  # trials of YouTube-8M's tasks have one
    return trial.gap_averaged


def main() -> None:
    parser = argparse.ArgumentParser(description="Students of a teacher beside the same models without one.")
    parser.add_argument("--taught", type=Path, nargs="+", required=True, help="runs with training.teacher")
    parser.add_argument("--alone", type=Path, nargs="+", required=True, help="runs without")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for students.json and .txt")
    arguments = parser.parse_args()
    found = rows(trials(arguments.taught), trials(arguments.alone))
    if not found:
        raise SystemExit("expected models that both kinds of runs have, with one seed and number of steps; found none.")
    print(text(found))
    save("students", {"results": [asdict(each) for each in found]}, text(found), arguments.out)


if __name__ == "__main__":
    main()
