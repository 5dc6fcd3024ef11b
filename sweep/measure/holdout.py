"""A model measured on the held-out files: its best classes a video, never a dense [videos, classes] array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gapsack.models.errors import TrainingError
from gapsack.models.tasks import View
from gapsack.selection.gap import gap_of_lists
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.data.dataset import Dataset, Examples
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.measure.labelled_lists import LabelledLists

GAP_K = 20

Tick = Callable[[], None]
"""Called before each batch; what it raises ends the measuring."""


def no_tick() -> None:
    """Lets a measurement run to its end."""


class Watch(Protocol):
    """Is told of each measurement, and raises where the files or what is in them should not be measured on."""

    def evaluating(self) -> None:
        """It begins."""

    def evaluated(self, labels: Labels) -> None:
        """All was read, with these labels."""


class TopPredictor(Protocol):
    """What predicts: a `models.training.Trainer`."""

    def predict_top(self, inputs: Mapping[str, NDArray[Any]], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Best classes and their scores, [b, k] each, descending."""


@dataclass(frozen=True)
class Measured:
    """Videos as a model sees them: its lists, the ground truth, and what was wrong with the files."""

    predictions: Predictions
    labels: Labels
    faults: dict[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """GAP@20."""
        return gap_of_lists(self.predictions.top_indices, self.predictions.top_scores, self.labels, GAP_K)


@dataclass(frozen=True)
class HoldoutSet:
    """The held-out files, read in the same order with the same frames each time; `tick` is called each batch.

    All must be whole but those that `allow_damaged` names.
    """

    files: Sequence[str]
    dataset: Dataset
    batch_size: int
    view: View
    max_bad_share: float
    tick: Tick = no_tick
    allow_damaged: tuple[str, ...] = ()
    watch: Watch | None = None

    def example(self) -> dict[str, NDArray[Any]]:
        """Inputs of the first video, as a batch of one.

        Raises:
            DataError: too many records are faulty.
        """
        faults = Faults(self.max_bad_share, self.allow_damaged)
        with self.dataset.evaluation(
            self.files, batch_size=1, sample_frames=self.view.sample_frames, whole=self.view.whole, faults=faults
        ) as batches:
            return dict(next(iter(batches)).inputs)

    def measure(self, predictor: TopPredictor, k: int = GAP_K) -> Measured:
        """Predict every video's `k` best classes (all of them where there are fewer).

        Raises:
            TrainingError: a score is not finite.
            DataError: too many records are faulty, a file is not whole, or `watch` says so.
        """
        if self.watch is not None:
            self.watch.evaluating()
        faults = Faults(self.max_bad_share, self.allow_damaged)
        with self.dataset.evaluation(
            self.files,
            batch_size=self.batch_size,
            sample_frames=self.view.sample_frames,
            whole=self.view.whole,
            faults=faults,
        ) as batches:
            seen = measured(batches, predictor, k, self.dataset.classes, self.tick)
        faults.check(complete=True)
        if self.watch is not None:
            self.watch.evaluated(seen.labels)
        return replace(seen, faults=faults.summary())


def measured(batches: Iterable[Examples], predictor: TopPredictor, k: int, classes: int, tick: Tick) -> Measured:
    """Predict the `k` best of `classes` classes, or all, of every video of `batches`; `tick` is called each batch.

    Raises:
        TrainingError: a score is not finite.
    """
    lists = LabelledLists(classes)
    for batch in batches:
        tick()
        top_indices, top_scores = predictor.predict_top(batch.inputs, min(k, classes))
        if not np.isfinite(top_scores).all():
            raise TrainingError("expected finite scores of every video that is measured, got some that are not")
        lists.add(batch.video_ids, top_indices, top_scores, batch.labels)
    return Measured(lists.predictions(), lists.truth())
