from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from gapsack.models.graph import GraphOutput
from gapsack.selection.gap import gap_at_k
from gapsack.sweep.data.reader import Batch
from gapsack.sweep.errors import DataError
from gapsack.sweep.measure.labelled_lists import LabelledLists, evaluate_graph

CLASSES = 40


class FakeGraph:
    """Answers each batch with scores that were drawn beforehand, by the video's number in its frames."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    inputs = ("frames", "num_frames")

    def predict(self, inputs: Mapping[str, np.ndarray]) -> GraphOutput:
        assert set(inputs) == set(self.inputs)
        scores = self.scores[inputs["frames"][:, 0, 0].astype(int)]
        indices = np.argsort(-scores, axis=1)[:, :20].astype(np.int32)
        return GraphOutput(scores, indices, np.take_along_axis(scores, indices, axis=1))


def batches(labels: np.ndarray, size: int = 3) -> list[Batch]:
    rows = np.arange(len(labels))
    return [
        Batch(
            np.array([f"v{row}" for row in chunk]),
            chunk[:, None, None].astype(np.float32),
            np.ones(len(chunk), np.int32),
            labels[chunk],
        )
        for chunk in np.split(rows, range(size, len(rows), size))
    ]


def test_metrics_of_a_stream_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((11, CLASSES)).astype(np.float32)
    labels = rng.random((11, CLASSES)) < 0.1
    seen: list[int] = []
    evaluation = evaluate_graph(FakeGraph(scores), batches(labels), CLASSES, seen.append)
    assert evaluation.gap == pytest.approx(gap_at_k(scores, labels), abs=1e-12)
    assert (evaluation.videos, evaluation.labels) == (11, int(labels.sum()))
    assert seen == [3, 3, 3, 2]


def test_another_metric_is_told_beside_the_others_by_its_name() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random((11, CLASSES)).astype(np.float32)
    labels = np.eye(CLASSES, dtype=bool)[np.arange(11) % CLASSES]
    told = evaluate_graph(FakeGraph(scores), batches(labels), CLASSES, len_of, "accuracy").to_dict()
    assert told["accuracy"] == pytest.approx((scores.argmax(1) == labels.argmax(1)).mean())
    plain = evaluate_graph(FakeGraph(scores), batches(labels), CLASSES, len_of).to_dict()
    assert told == plain | {"accuracy": told["accuracy"]}
    assert "named" not in plain


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(DataError, match="at least one video"):
        LabelledLists(CLASSES).evaluate()
    no_labels = batches(np.zeros((3, CLASSES), bool))
    with pytest.raises(DataError, match="files without labels can only be predicted"):
        evaluate_graph(FakeGraph(np.ones((3, CLASSES))), no_labels, CLASSES, len_of)


def len_of(count: int) -> None:
    assert count > 0
