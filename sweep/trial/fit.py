"""Training one model from wherever its last checkpoint left it, with a checkpoint every so many steps.

The result follows from the trial's spec alone: stopped or killed at any point and continued, a training comes to the
same weights, bit by bit on the same machine, because the state holds everything that the next step depends on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gapsack.models.tasks import View
from gapsack.sweep.data.dataset import Dataset
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.grid.schema import Training
from gapsack.sweep.measure.holdout import HoldoutSet
from gapsack.sweep.runs.curve import CurveFile, CurveRow
from gapsack.sweep.trial.control import SAVED, Control
from gapsack.sweep.trial.pace import Lap, Pace
from gapsack.sweep.trial.trial_checkpoints import Checkpoints, TrialProgress

if TYPE_CHECKING:
    from gapsack.models.training import Trainer
    from gapsack.sweep.teaching.tutor import Tutor


@dataclass
class Fit:
    """One trial's training.

    Args:
        trainer: a new one; a checkpoint's state is loaded into it.
        training: steps, batches and intervals.
        files: training files.
        faults: counts the faulty records of those files.
        holdout: what GAP is measured on.
        tutor: adds a teacher's predictions to batches; None without a teacher.
        first_weights: gives the weights that training begins with; None leaves the trainer's.
    """

    trainer: Trainer
    training: Training
    files: tuple[str, ...]
    dataset: Dataset
    view: View
    faults: Faults
    holdout: HoldoutSet
    checkpoints: Checkpoints
    curve: CurveFile
    control: Control
    tutor: Tutor | None = None
    first_weights: Callable[[], Mapping[str, NDArray[Any]]] | None = None

    def __post_init__(self) -> None:
        self.progress = TrialProgress()
        self._pace = Pace()
        self._lap = Lap()  # what led to the last row of the curve

    def run(self) -> TrialProgress:
        """Train to the last step; what was done before is not done again.

        Raises:
            TrainingError: the loss is not finite.
            DataError: too many records are faulty.
            InputError: the weights to begin with are not there, are others than expected, or do not fit the model.
            TrialInterruptedError: stopped on request, with a state written.
            TrialStoppedEarlyError: others left it behind, or its time is over; with a state written.
            TrialSupersededError: a newer attempt has the trial.
        """
        self._restore()
        self._since = time.perf_counter() - self.progress.fit_seconds
        with self.control.saving(self._write_state):
            if not self.progress.settled:
                self._settle()
            if self.progress.step < self.training.steps:
                self._train()
        return self.progress

    def _restore(self) -> None:
        found = self.checkpoints.read_state()
        if found is not None:
            self.progress, arrays = found
            self.trainer.load_state(arrays)
            if self.progress.faults is not None:
                self.faults.restore(self.progress.faults)
        elif self.first_weights is not None:
            # The trainer is new: Adam's moments are zero, and moving averages of the weights begin with these as well.
            self.trainer.load_weights(self.first_weights())
        settled = self.progress.curve if self.progress.settled else self.progress.curve[:-1]
        self.control.check_owner()
        self.curve.rewrite(settled)

    def _train(self) -> None:
        with self.dataset.training(
            self.files,
            batch_size=self.training.batch_size,
            sample_frames=self.view.sample_frames,
            whole=self.view.whole,
            seed=self.training.seed,
            faults=self.faults,
            resume=self.progress.reader,
        ) as batches:
            while self.progress.step < self.training.steps:
                self.control.tick()
                self.control.end_early(self.progress.step, time.perf_counter() - self._since)
                waited = batches.wait_seconds
                batch = next(batches)
                inputs, labels = (batch.inputs, batch.labels) if self.tutor is None else self.tutor.taught(batch)
                self.trainer.train_step(inputs, labels)
                self.progress.step += 1
                self.progress.reader = batch.resume
                self._pace.step(batches.wait_seconds - waited)
                self._settle()

    def _settle(self) -> None:
        """Do what is due at this step: a row of the curve, an evaluation, a checkpoint."""
        evaluates = self._is_due(self.training.evaluation_steps or self.training.checkpoint_steps)
        saves = self._is_due(self.training.checkpoint_steps)
        if not (evaluates or saves or self._is_due(self.training.log_steps)):
            return
        self.progress.settled = False
        row = self._row()
        with self._pace.paused():
            if evaluates:
                row["gap"] = self.holdout.measure(self.trainer).gap
            self.progress.settled = True
            self.control.check_owner()
            self.curve.append(row)
            self._tell(row)
            if saves:
                self._save_checkpoint()

    def _is_due(self, interval: int) -> bool:
        return self.progress.step % interval == 0 or self.progress.step == self.training.steps

    def _row(self) -> CurveRow:
        """This step's row: the one that a stopped evaluation left in the state, or a new one."""
        progress, curve = self.progress, self.progress.curve
        if curve and curve[-1]["step"] == progress.step:
            return curve[-1]
        loss = self.trainer.take_loss()  # the host waits here until the device has done all steps
        self._lap = lap = self._pace.lap()
        progress.timed_steps += lap.steps
        progress.timed_seconds += lap.seconds
        progress.wait_seconds += lap.wait_seconds
        row: CurveRow = {
            "step": progress.step,
            "loss": loss,
            "gap": None,
            "learning_rate": self.trainer.recipe.learning_rate_at(progress.step - 1),
            "videos_per_second": lap.steps * self.training.batch_size / lap.seconds if lap.steps else None,
            "seconds": round(time.perf_counter() - self._since, 3),
        }
        curve.append(row)
        return row

    def _tell(self, row: CurveRow) -> None:
        lap = self._lap
        stall = {"data_wait_share": lap.wait_seconds / lap.seconds} if lap.steps else {}
        pruning = self.trainer.recipe.pruning_schedule
        sparse = {} if pruning is None else {"sparsity": pruning.sparsity_at(self.progress.step)}
        self.control.report(
            {"status": "running", "phase": "training", "steps": self.training.steps, **row, **stall, **sparse}
        )

    def _save_checkpoint(self) -> None:
        self.checkpoints.write_weights(self.progress.step, self.trainer.weights())
        self._write_state()
        averaging = self.training.averaging
        self.checkpoints.keep_last(averaging.last if averaging.enabled else 1)
        self.control.report({"status": SAVED, "phase": "checkpoint", "checkpoint": self.progress.step})

    def _write_state(self) -> None:
        self.progress.fit_seconds = time.perf_counter() - self._since
        self.progress.faults = self.faults.state()
        self.checkpoints.write_state(self.progress, self.trainer.state())
