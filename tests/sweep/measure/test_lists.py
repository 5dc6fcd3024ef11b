from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from gapsack.selection.gap import gap_at_k
from gapsack.sweep.data.reader import RawBatch
from gapsack.sweep.errors import DataError
from gapsack.sweep.measure.lists import LabelledLists, evaluate_graph, write_predictions

CLASSES = 40


class Output(NamedTuple):
    probabilities: np.ndarray
    top_indices: np.ndarray
    top_scores: np.ndarray


class FakeGraph:
    """Answers each batch with scores that were drawn beforehand, by the video's number in its frames."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def predict(self, frames: np.ndarray, num_frames: np.ndarray) -> Output:
        scores = self.scores[frames[:, 0, 0].astype(int)]
        indices = np.argsort(-scores, axis=1)[:, :20].astype(np.int32)
        return Output(scores, indices, np.take_along_axis(scores, indices, axis=1))


def batches(labels: np.ndarray, size: int = 3) -> list[RawBatch]:
    rows = np.arange(len(labels))
    return [
        RawBatch(
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
    evaluation = evaluate_graph(FakeGraph(scores), batches(labels), CLASSES, seen.append)  # type: ignore[arg-type]
    assert evaluation.gap == pytest.approx(gap_at_k(scores, labels), abs=1e-12)
    assert (evaluation.videos, evaluation.labels) == (11, int(labels.sum()))
    assert seen == [3, 3, 3, 2]


def test_nothing_to_evaluate_is_said() -> None:
    with pytest.raises(DataError, match="at least one video"):
        LabelledLists(CLASSES).evaluate()
    no_labels = batches(np.zeros((3, CLASSES), bool))
    with pytest.raises(DataError, match="files without labels can only be predicted"):
        evaluate_graph(FakeGraph(np.ones((3, CLASSES))), no_labels, CLASSES, len_of)  # type: ignore[arg-type]


def len_of(count: int) -> None:
    assert count > 0


def test_the_csv_is_the_challenges(tmp_path: Path) -> None:
    scores = np.random.default_rng(1).random((4, CLASSES)).astype(np.float32)
    path = tmp_path / "out" / "submission.csv"
    stream = batches(np.zeros((4, CLASSES), bool))
    assert write_predictions(FakeGraph(scores), stream, path, len_of) == 4  # type: ignore[arg-type]
    table = pd.read_csv(path)
    assert list(table.columns) == ["VideoId", "LabelConfidencePairs"]
    assert list(table["VideoId"]) == ["v0", "v1", "v2", "v3"]
    pairs = np.array(table["LabelConfidencePairs"][2].split(), float).reshape(20, 2)
    np.testing.assert_array_equal(pairs[:, 0], np.argsort(-scores[2])[:20])
    np.testing.assert_allclose(pairs[:, 1], np.sort(scores[2])[::-1][:20], rtol=1e-5)


def test_a_failing_stream_leaves_no_csv_behind(tmp_path: Path) -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield batches(np.zeros((4, CLASSES), bool))[0]
        raise DataError("too many faulty records")

    with pytest.raises(DataError):
        write_predictions(FakeGraph(np.ones((4, CLASSES))), broken(), tmp_path / "a.csv", len_of)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
