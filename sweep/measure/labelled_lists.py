"""Running the one graph on a stream of videos, in bounded memory, and the metrics of its best classes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.gap import gap_of_lists
from gapsack.selection.metrics.list_metrics import hit_at_one_of_lists, mean_average_precision_of_lists
from gapsack.selection.metrics.objectives import UserMetric, objective_of, score_of_lists
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.data.dataset import Examples
from gapsack.sweep.data.stream.prefetch import Prefetch
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from gapsack.models.graph import GraphOutput, Predictor

AHEAD = 2
"""Batches that the graph answers, or that wait for it, while the one before is taken in."""


@dataclass(frozen=True)
class Evaluation:
    """How well a graph predicts some videos, by its 20 best classes a video, as the challenge measures it."""

    videos: int
    labels: int
    gap: float
    mean_average_precision: float
    hit_at_one: float
    named: dict[str, float] = field(default_factory=dict)
    """Scores by another metric, where one was asked for: higher is better, of losses too."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; a score by another metric beside the others, by its name."""
        values = asdict(self)
        del values["named"]
        return values | self.named


class LabelledLists:
    """Gathers each batch's best classes and its labels: about 200 bytes a video, whatever the number of classes."""

    def __init__(self, class_count: int) -> None:
        self._class_count = class_count
        self._ids: list[NDArray[np.str_]] = []
        self._indices: list[NDArray[np.int32]] = []
        self._scores: list[NDArray[np.float32]] = []
        self._counts: list[NDArray[np.int64]] = []
        self._labels: list[NDArray[np.int32]] = []

    def add(
        self,
        video_ids: NDArray[np.str_],
        top_indices: NDArray[np.int32],
        top_scores: NDArray[np.float32],
        labels: NDArray[np.bool_],
    ) -> None:
        """Add a batch: ids [b], lists [b, k], labels bool [b, classes]."""
        self._ids.append(video_ids)
        self._indices.append(top_indices)
        self._scores.append(top_scores)
        self._counts.append(labels.sum(axis=1))
        self._labels.append(np.nonzero(labels)[1].astype(np.int32))

    def evaluate(self, metric: str | UserMetric | None = None) -> Evaluation:
        """The metrics of all videos so far, and another one, for which a class that is not listed scores 0.

        Raises:
            DataError: there are no videos, or none has a label.
            InputError: the metric cannot be computed for these labels.
        """
        labels = self.labels()
        indices, scores = np.concatenate(self._indices), np.concatenate(self._scores)
        return Evaluation(
            videos=labels.video_count,
            labels=labels.label_count,
            gap=gap_of_lists(indices, scores, labels),
            mean_average_precision=mean_average_precision_of_lists(indices, scores, labels),
            hit_at_one=hit_at_one_of_lists(indices, scores, labels),
            named={} if metric is None else self._named(labels, metric),
        )

    def _named(self, labels: Labels, metric: str | UserMetric) -> dict[str, float]:
        objective = objective_of(metric, labels)
        return {objective.name: score_of_lists(self.predictions(), labels, objective)}

    def labels(self) -> Labels:
        """The ground truth of all videos so far.

        Raises:
            DataError: there are no videos, or none has a label.
        """
        if not self._ids:
            raise DataError("expected at least one video to evaluate, got none")
        labels = self.truth()
        if labels.label_count == 0:
            raise DataError(
                "expected videos with labels to evaluate, got none: files without labels can only be predicted"
            )
        return labels

    def truth(self) -> Labels:
        """As `labels`, of at least one video; there may be no label."""
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(self._counts))]).astype(np.int64)
        return Labels(np.concatenate(self._ids), indptr, np.concatenate(self._labels), self._class_count)

    def predictions(self) -> Predictions:
        """The lists of all videos so far, as a pool holds them."""
        return Predictions(np.concatenate(self._ids), np.concatenate(self._indices), np.concatenate(self._scores))


def evaluate_graph(
    graph: Predictor,
    batches: Iterable[Examples],
    class_count: int,
    advance: Callable[[int], object],
    metric: str | UserMetric | None = None,
) -> Evaluation:
    """Predict every batch and score all of them; `advance` gets the number of videos of each batch."""
    return gather_lists(graph, batches, class_count, advance).evaluate(metric)


def gather_lists(
    graph: Predictor, batches: Iterable[Examples], class_count: int, advance: Callable[[int], object]
) -> LabelledLists:
    """Predict every batch and keep its best classes beside its labels."""
    lists = LabelledLists(class_count)
    with closing(predicted(graph, batches, advance)) as answers:
        for batch, output in answers:
            lists.add(batch.video_ids, output.top_indices, output.top_scores, batch.labels)
    return lists


def predicted(
    graph: Predictor, batches: Iterable[Examples], advance: Callable[[int], object]
) -> Generator[tuple[Examples, GraphOutput]]:
    """Each batch beside what the graph answers; `advance` gets its videos once the caller has taken it in.

    Reading, the graph and the caller work at the same time: batches are taken in a thread, the graph runs in another,
    and at most `AHEAD` batches are read or answered that the caller has not asked for. To be closed by a caller that
    may leave before the end.
    """

    def answer(batch: Examples) -> tuple[Examples, GraphOutput]:
        return batch, graph.predict(batch.inputs)

    with Prefetch((partial(answer, batch) for batch in batches), threads=1, depth=AHEAD) as answers:
        for batch, output in answers:
            yield batch, output
            advance(len(batch.video_ids))
