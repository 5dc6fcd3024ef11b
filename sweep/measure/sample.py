"""Some of a trial's training videos, seen as the hold-out is: for choices that must not look at held-out videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.tasks import View
from gapsack.sweep.data.batch import Items
from gapsack.sweep.data.dataset import Dataset, Examples
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.measure.holdout import GAP_K, Measured, Tick, TopPredictor, measured, no_tick
from gapsack.sweep.runs.spec import TrialSpec

if TYPE_CHECKING:
    from gapsack.models.calibration import Calibration
    from gapsack.models.training import Trainer

CALIBRATION_BATCH = 16
"""Videos of an eager call, which keeps what every layer gives: a few hundred MB at 300 frames."""


@dataclass(frozen=True)
class TrainingSample:
    """The first `videos` of the training files in an order drawn by `seed`; the same frames each time.

    It is read again for each pass, so that memory stays that of the reader whatever its size; `tick` is called each
    batch.
    """

    files: tuple[str, ...]
    dataset: Dataset
    videos: int
    view: View
    seed: int
    tick: Tick = no_tick

    @classmethod
    def of(cls, spec: TrialSpec, videos: int, tick: Tick = no_tick) -> TrainingSample:
        """A sample of a trial's training files."""
        return cls(spec.train_files, spec.grid.data.dataset, videos, spec.view, spec.grid.training.seed, tick)

    def batches(self, batch_size: int) -> Iterator[Examples]:
        """The videos in batches of `batch_size`, the last one smaller; all there are where there are fewer."""
        order = np.random.default_rng(self.seed).permutation(len(self.files))
        left = self.videos
        with self.dataset.evaluation(
            [self.files[index] for index in order],
            batch_size=batch_size,
            sample_frames=self.view.sample_frames,
            whole=self.view.whole,
            faults=Faults(1.0),  # training has judged these files
        ) as batches:
            while left > 0 and (batch := next(batches, None)) is not None:
                yield Items(
                    batch.video_ids[:left],
                    {name: array[:left] for name, array in batch.inputs.items()},
                    batch.labels[:left],
                )
                left -= len(batch.video_ids)

    def measure(self, predictor: TopPredictor, batch_size: int) -> Measured:
        """The sample as a model sees it; as `Holdout.measure`."""
        return measured(self.batches(batch_size), predictor, GAP_K, self.dataset.classes, self.tick)

    def calibrate(self, trainer: Trainer) -> Calibration:
        """Moments of the inputs of every matrix, by the weights that `trainer` has loaded."""
        from gapsack.models.calibration import calibrate

        def inputs() -> Iterator[Mapping[str, NDArray[Any]]]:
            for batch in self.batches(CALIBRATION_BATCH):
                self.tick()
                yield batch.inputs

        return calibrate(trainer.model, inputs())
