"""Learning curves of all points of a grid, a seed each: at every rung, and at the end, what the model then predicts.

    python -m benchmarks.learning_curves GRID --data DIR --out FOLDER [--seeds 3]

Each trial is trained to its last step as a sweep trains it, without averaging. At the steps at which the grid's
scheduler would compare it, and at the last one, it is measured on the hold-out and kept as a candidate of
FOLDER/seed<n>/pool: what a trial that is stopped there would publish. What is there is not trained again.

Trials that differ in seed and learning rate alone share one compiled trainer, which begins each with the state of a new
one: a step takes the rate as an argument, so that nothing but the time for compiling changes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gapsack.models import sizes
from gapsack.models.training import Trainer
from gapsack.selection.files import replace_json
from gapsack.selection.pool import Candidate, write_candidate, write_labels
from gapsack.sweep.cluster.launch import find_files
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.files import Split
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.scheduling import Scheduler
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.measure.holdout import HoldoutSet, Measured
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.trial.run import new_trainer

GRID_FILE = "grid.json"
BATCH = 256
"""Videos that are measured at once."""


def seed_folders(folder: Path) -> list[Path]:
    """One folder a seed."""
    return sorted(folder.glob("seed*"))


def candidate_name(trial: str, step: int) -> str:
    """Of a trial as it was at a step."""
    return f"{trial}.step{step}"


def measured_steps(grid: Grid) -> list[int]:
    """The first evaluation at or after each rung of the grid's scheduler, and the last step."""
    scheduler, training = grid.search.scheduler, grid.training
    if not isinstance(scheduler, Scheduler) or scheduler.brackets != 1:
        raise SystemExit("expected a grid with a search.scheduler of one bracket.")
    interval = training.evaluation_steps or training.checkpoint_steps
    found: dict[int | None, int] = {None: 0}
    for step in range(interval, training.steps, interval):
        found.setdefault(scheduler.rung_at(step, 0, interval), step)
    return [*(step for rung, step in found.items() if rung is not None), training.steps]


@dataclass
class Compiled:
    """The trainer of a model, compiled once for all trials of that model."""

    trainer: Trainer | None = None

    def begin(self, spec: TrialSpec) -> Trainer:
        """A trainer as it is before the trial's first step."""
        new = new_trainer(spec)
        if self.trainer is None:
            self.trainer = new
        else:
            self.trainer.load_state(new.state())
            self.trainer.recipe = new.recipe  # the learning rate of each step comes from it
        return self.trainer


def curve(spec: TrialSpec, trainer: Trainer, steps: Sequence[int]) -> Iterator[tuple[int, Measured]]:
    """Train a trial from its first step to the last of `steps`; what it predicts at each of them."""
    training, dataset = spec.grid.training, spec.grid.data.dataset
    holdout = HoldoutSet(
        spec.holdout_files, dataset, batch_size=BATCH, view=spec.view, max_bad_share=spec.grid.data.max_bad_share
    )
    with dataset.training(
        spec.train_files,
        batch_size=training.batch_size,
        sample_frames=spec.view.sample_frames,
        whole=spec.view.whole,
        seed=training.seed,
        faults=Faults(spec.grid.data.max_bad_share),
    ) as batches:
        for step in range(1, max(steps) + 1):
            batch = next(batches)
            trainer.train_step(batch.inputs, batch.labels)
            if step in steps:
                yield step, holdout.measure(trainer, training.predictions_top_k)


def record(spec: TrialSpec, trainer: Trainer, steps: Sequence[int]) -> None:
    """Train a trial, and put it into the pool as it is at each of `steps`."""
    pool, precision = spec.run.pool, spec.grid.budget.precision
    family, hyperparameters = spec.point.family, spec.point.hyperparameters
    # Written when the trial is at its end: it is there as a whole or trained again.
    for step, measured in list(curve(spec, trainer, steps)):
        if not (pool / "labels.npz").exists():
            write_labels(pool, measured.labels)
        candidate = Candidate(
            name=candidate_name(spec.name, step),
            size_bytes={precision: sizes.size_bytes(family, hyperparameters, precision)},
            predictions=measured.predictions,
            metrics={"gap": measured.gap, "step": step},
            hyperparameters=hyperparameters,
        )
        write_candidate(pool, candidate)


def specs(grid: Grid, seed: int, folder: Path, split: Split) -> list[TrialSpec]:
    """All trials of a seed; its folder, with the grid, is made."""
    of_seed = grid.model_copy(update={"training": grid.training.model_copy(update={"seed": seed})})
    run = RunFolder(folder / f"seed{seed}")
    run.pool.mkdir(parents=True, exist_ok=True)
    replace_json(run.path / GRID_FILE, of_seed.to_dict())
    sweep = SweepSpec(str(run.path), of_seed, split.train, split.holdout)
    return [sweep.trial(point.axes) for point in trial_points(of_seed)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Learning curves of a grid's points, with predictions at each rung.")
    parser.add_argument("grid", type=Path)
    parser.add_argument("--data", help="folder of the data files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    grid = load_grid(arguments.grid, data_folder=arguments.data)
    split, steps = find_files(grid), measured_steps(grid)
    trials = [spec for seed in range(arguments.seeds) for spec in specs(grid, seed, arguments.out, split)]
    compiled: dict[str, Compiled] = {}
    for spec in trials:
        if (spec.run.pool / f"{candidate_name(spec.name, steps[-1])}.json").exists():
            continue
        began = time.process_time()
        model = f"{spec.point.family} {spec.point.hyperparameters}"
        record(spec, compiled.setdefault(model, Compiled()).begin(spec), steps)
        spent = time.process_time() - began
        print(f"seed {spec.grid.training.seed}: {spec.name}, {spent:.1f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
