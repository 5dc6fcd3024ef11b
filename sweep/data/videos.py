"""YouTube-8M files as a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gapsack.sweep.data.beginnings import inspect_files
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import evaluation_batches, raw_batches, training_batches

if TYPE_CHECKING:
    from gapsack.sweep.data.batch import Batch
    from gapsack.sweep.data.faults import Faults
    from gapsack.sweep.data.stream.stream import Stream


@dataclass(frozen=True)
class Videos:
    """TFRecord files of videos; see `dataset.Dataset`."""

    features: Features

    @classmethod
    def of_task(cls, task: Mapping[str, Any]) -> Videos:
        """The files of a YouTube-8M task, from its plain values."""
        values = {key: value for key, value in task.items() if key != "name"}
        return cls(Features(**{**values, "keys": tuple(sorted(dict(values.get("keys", ())).items()))}))

    @property
    def classes(self) -> int:
        """Size of the vocabulary."""
        return self.features.classes

    def training(
        self,
        files: Sequence[str],
        *,
        batch_size: int,
        sample_frames: int,
        whole: bool,
        seed: int,
        faults: Faults,
        resume: dict[str, Any] | None = None,
    ) -> Stream[Batch]:
        """See `reader.training_batches`."""
        return training_batches(
            files,
            self._cut(sample_frames, whole=whole),
            batch_size=batch_size,
            sample_frames=sample_frames,
            whole=whole,
            seed=seed,
            faults=faults,
            resume=resume,
        )

    def evaluation(
        self, files: Sequence[str], *, batch_size: int, sample_frames: int, whole: bool, faults: Faults
    ) -> Stream[Batch]:
        """See `reader.evaluation_batches`."""
        return evaluation_batches(
            files,
            self._cut(sample_frames, whole=whole),
            batch_size=batch_size,
            sample_frames=sample_frames,
            whole=whole,
            faults=faults,
        )

    def raw(self, files: Sequence[str], *, batch_size: int, faults: Faults) -> Stream[Batch]:
        """See `reader.raw_batches`."""
        return raw_batches(files, self.features, batch_size=batch_size, faults=faults)

    def inspect(self, files: Sequence[str], faults: Faults) -> None:
        """See `beginnings.Inspectable`."""
        inspect_files(files, self.features, faults)

    def _cut(self, sample_frames: int, *, whole: bool) -> Features:
        """Features of which no video has more frames than a batch has places for."""
        return (
            replace(self.features, max_frames=min(self.features.max_frames, sample_frames)) if whole else self.features
        )
