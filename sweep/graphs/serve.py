"""A built graph at work on data files: which files, which graph, and what was left out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapsack.models.graph.formats import load_graph
from gapsack.models.quiet_start import load_tensorflow
from gapsack.models.tasks import Task
from gapsack.selection.errors import GapsackError, InputError
from gapsack.selection.metrics.objectives import UserMetric
from gapsack.sweep.data.dataset import Batches, Dataset, dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.files import expand
from gapsack.sweep.data.parts import files_of
from gapsack.sweep.graphs.packing import graph_task
from gapsack.sweep.graphs.predict import write_predictions
from gapsack.sweep.measure.labelled_lists import Evaluation, evaluate_graph
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.provenance import file_list_summary
from gapsack.sweep.runs.sources import Source
from gapsack.sweep.tracking.ensemble_runs import tracked_evaluation
from gapsack.sweep.tracking.store import UsedData

if TYPE_CHECKING:
    from gapsack.models.graph import Predictor


@dataclass(frozen=True)
class Job:
    """A graph and the files that it is to read, of what `items` says; both are checked before TensorFlow is loaded."""

    graph: Path
    files: tuple[str, ...]
    dataset: Dataset
    batch_size: int
    faults: Faults
    decode_once: bool = False
    run: RunFolder | None = None
    items: str = Task.items

    @classmethod
    def prepare(
        cls,
        source: Source,
        patterns: Sequence[str],
        *,
        batch_size: int,
        max_bad_share: float,
        decode_once: bool = False,
    ) -> Job:
        """A job on the files that the patterns match, or on the held-out files of the graph's run.

        With `decode_once` all weights are decoded when the graph is loaded, and kept as float32.

        Raises:
            InputError: no files are named and the graph belongs to no run, or a pattern matches nothing.
        """
        files = expand(patterns) if patterns else _held_out(source)
        task = graph_task(source.path)
        dataset, faults = dataset_of(task.to_dict()), Faults(max_bad_share)
        return cls(source.path, tuple(files), dataset, batch_size, faults, decode_once, source.run, task.items)

    def evaluate(self, advance: Callable[[int], object], metric: str | UserMetric | None = None) -> Evaluation:
        """The graph's metrics on the files, and another one; `advance` gets the videos of each batch."""
        with self._batches() as batches:
            return evaluate_graph(self._load(), batches, self.dataset.classes, advance, metric)

    def record(self, figures: Mapping[str, float]) -> str | None:
        """Log an evaluation's figures with the ensemble of the graph, where the run is recorded.

        Why that could not be done, if it could not; that the graph was never recorded is no reason.
        """
        if self.run is None:
            return None
        try:
            summary = file_list_summary(self.files, None)
            data = UsedData("evaluated", "evaluation", str(summary["list_crc32c"]), summary)
            tracked_evaluation(self.run, self.graph, figures, data)
        except GapsackError as error:
            return str(error)
        return None

    def predict(self, out: Path, advance: Callable[[int], object]) -> int:
        """Write the prediction CSV; the number of videos."""
        with self._batches() as batches:
            return write_predictions(self._load(), batches, out, advance)

    def facts(self) -> dict[str, Any]:
        """What was run on what, and the records that were left out."""
        return {"graph": str(self.graph), "files": len(self.files), "records": self.faults.summary()}

    def _batches(self) -> Batches:
        return self.dataset.raw(self.files, batch_size=self.batch_size, faults=self.faults)

    def _load(self) -> Predictor:
        load_tensorflow()
        return load_graph(self.graph, decode_once=self.decode_once)


def _held_out(source: Source) -> list[str]:
    files = None if source.run is None else source.run.data_files()
    if files is None:
        raise InputError(
            f"expected data files to run {source.path} on, got none: it belongs to no run with held-out files"
        )
    expand(files_of(files.holdout))  # they may have moved since the run; this says which are missing
    return list(files.holdout)
