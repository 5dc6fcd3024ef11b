"""A built graph at work on data files: which files, which graph, and what was left out of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapsack.models.graph.decoding import Decoding, decode_where_it_fits, decoding_of
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


@dataclass
class Served:
    """What a graph has answered so far, and how.

    Attributes:
        items: Answered.
        seconds: From the first batch that was asked for to the last that was taken in; loading is not among them.
        decoding: Of its weights; None before it is loaded.
    """

    items: int = 0
    seconds: float = 0.0
    decoding: Decoding | None = None

    @property
    def items_per_second(self) -> float:
        """Answered and taken in; 0 before the first."""
        return self.items / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        decoding = None if self.decoding is None else self.decoding.to_dict()
        return {"seconds": self.seconds, "items_per_second": self.items_per_second, "decoding": decoding}


@dataclass(frozen=True)
class Job:
    """A graph and the files that it is to read, of what `items` says; both are checked before TensorFlow is loaded."""

    graph: Path
    files: tuple[str, ...]
    dataset: Dataset
    batch_size: int
    faults: Faults
    decode_once: bool | None = None
    run: RunFolder | None = None
    items: str = Task.items
    served: Served = field(default_factory=Served, compare=False)

    @classmethod
    def prepare(
        cls,
        source: Source,
        patterns: Sequence[str],
        *,
        batch_size: int,
        max_bad_share: float,
        decode_once: bool | None = None,
    ) -> Job:
        """A job on the files that the patterns match, or on the held-out files of the graph's run.

        With `decode_once` all weights are decoded when the graph is loaded, and kept as float32; None leaves it to the
        memory (`decode_where_it_fits`).

        Raises:
            InputError: no files are named and the graph belongs to no run, or a pattern matches nothing.
        """
        files = expand(patterns) if patterns else _held_out(source)
        task = graph_task(source.path)
        dataset, faults = dataset_of(task.to_dict()), Faults(max_bad_share)
        return cls(source.path, tuple(files), dataset, batch_size, faults, decode_once, source.run, task.items)

    def evaluate(self, advance: Callable[[int], object], metric: str | UserMetric | None = None) -> Evaluation:
        """The graph's metrics on the files, and another one; `advance` gets the videos of each batch."""
        with self._batches() as batches, self._serving(advance) as (graph, counted):
            return evaluate_graph(graph, batches, self.dataset.classes, counted, metric)

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
        with self._batches() as batches, self._serving(advance) as (graph, counted):
            return write_predictions(graph, batches, out, counted)

    def facts(self) -> dict[str, Any]:
        """What was run on what, how fast, and the records that were left out."""
        return {
            "graph": str(self.graph),
            "files": len(self.files),
            "records": self.faults.summary(),
            **self.served.to_dict(),
        }

    def _batches(self) -> Batches:
        return self.dataset.raw(self.files, batch_size=self.batch_size, faults=self.faults)

    @contextmanager
    def _serving(self, advance: Callable[[int], object]) -> Iterator[tuple[Predictor, Callable[[int], object]]]:
        """The graph, loaded, and what to call with the items of each batch: they are counted and handed on."""
        load_tensorflow(keep_memory=True)
        once = self.decode_once
        graph = load_graph(self.graph, decode_once=bool(once))
        self.served.decoding = decode_where_it_fits(graph) if once is None else decoding_of(graph, once=once)
        began = time.perf_counter()

        def counted(items: int) -> None:
            self.served.items += items
            self.served.seconds = time.perf_counter() - began
            advance(items)

        yield graph, counted


def _held_out(source: Source) -> list[str]:
    files = None if source.run is None else source.run.data_files()
    if files is None:
        raise InputError(
            f"expected data files to run {source.path} on, got none: it belongs to no run with held-out files"
        )
    expand(files_of(files.holdout))  # they may have moved since the run; this says which are missing
    return list(files.holdout)
