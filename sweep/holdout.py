"""A model measured on the held-out files: its best classes a video, never a dense [videos, classes] array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from selection.errors import TrainingError
from selection.gap import gap_of_lists
from selection.lists import Labels, Predictions
from sweep.data.faults import Faults
from sweep.data.features import Features
from sweep.data.reader import evaluation_batches

GAP_K = 20


class Predictor(Protocol):
    """What predicts: a `models.training.Trainer`."""

    def predict_top(self, frames: NDArray[Any], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Best classes and their scores, [b, k] each, descending."""


@dataclass(frozen=True)
class Measured:
    """The hold-out as a model sees it: its lists, the ground truth, and what was wrong with the files."""

    predictions: Predictions
    labels: Labels
    faults: dict[str, Any]

    @property
    def gap(self) -> float:
        """GAP@20."""
        return gap_of_lists(self.predictions.top_indices, self.predictions.top_scores, self.labels, GAP_K)


@dataclass(frozen=True)
class Holdout:
    """The held-out files, read in the same order with the same frames each time."""

    files: Sequence[str]
    features: Features
    batch_size: int
    sample_frames: int
    max_bad_share: float

    def measure(self, predictor: Predictor, k: int = GAP_K, *, tick: Callable[[], None] = lambda: None) -> Measured:
        """Predict every video's `k` best classes (all of them where there are fewer); `tick` is called each batch.

        Raises:
            TrainingError: a score is not finite.
            DataError: too many records are faulty.
        """
        faults = Faults(self.max_bad_share)
        ids, indices, scores, counts, labels = [], [], [], [], []
        with evaluation_batches(
            self.files,
            self.features,
            batch_size=self.batch_size,
            sample_frames=self.sample_frames,
            faults=faults,
        ) as batches:
            for batch in batches:
                tick()
                top_indices, top_scores = predictor.predict_top(batch.frames, min(k, self.features.classes))
                if not np.isfinite(top_scores).all():
                    raise TrainingError("expected finite scores on the held-out videos, got some that are not")
                ids.append(batch.video_ids)
                indices.append(top_indices)
                scores.append(top_scores)
                counts.append(batch.labels.sum(axis=1))
                labels.append(np.nonzero(batch.labels)[1])
        faults.check(complete=True)
        video_ids = np.concatenate(ids)
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        truth = Labels(video_ids, indptr, np.concatenate(labels).astype(np.int32), self.features.classes)
        lists = Predictions(video_ids, np.concatenate(indices), np.concatenate(scores))
        return Measured(lists, truth, faults.summary())
