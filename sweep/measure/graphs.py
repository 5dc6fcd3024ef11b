"""A model measured as the one graph would run it: packed alone, and run on labelled data files."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gapsack.models.graph import AnyMember, Graph, build_graph
from gapsack.models.tasks import Task
from gapsack.sweep.data.dataset import dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.measure.holdout import Measured
from gapsack.sweep.measure.labelled_lists import gather_lists


@dataclass(frozen=True)
class DataSet:
    """Labelled files, and how they are read.

    Attributes:
        files: All that are read, in this order.
        task: What models are given and are to say.
        batch_size: Videos that are predicted at once.
        max_bad_share: Share of faulty records beyond which it fails.
        top_k: Best classes kept of each video.
    """

    files: tuple[str, ...]
    task: Task
    batch_size: int = 64
    max_bad_share: float = 0.001
    top_k: int = 100

    def measure(self, member: AnyMember, scratch: Path, advance: Callable[[int], object]) -> Measured:
        """Build the graph of `member` alone in a folder below `scratch`, run it on all files, and remove it.

        So what is measured is what `select build` stores, to the bit. `member`'s weight must be 1; `advance` gets the
        videos of each batch.

        Raises:
            InputError: The weights cannot be stored so, the model does not read such data or gives no probabilities, or
                the files are faulty or without labels.
        """
        with TemporaryDirectory(dir=scratch) as folder:
            build_graph(
                [member],
                Path(folder) / "graph",
                task=self.task,
                top_k=self.top_k,
            )
            graph = Graph(Path(folder) / "graph")
        graph.decode()
        predicted = self._predict(graph, advance)
        # TensorFlow's functions refer to themselves: without this, one model's weights stay until long after the next.
        del graph
        gc.collect()
        return predicted

    def _predict(self, graph: Graph, advance: Callable[[int], object]) -> Measured:
        faults = Faults(self.max_bad_share)
        dataset = dataset_of(self.task.to_dict())
        with dataset.raw(self.files, batch_size=self.batch_size, faults=faults) as batches:
            lists = gather_lists(graph, batches, dataset.classes, advance)
        faults.check(complete=True)
        return Measured(lists.predictions(), lists.labels())
