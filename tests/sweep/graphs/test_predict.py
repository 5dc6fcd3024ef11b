from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gapsack.models.graph import GraphOutput
from gapsack.sweep.data.reader import Batch
from gapsack.sweep.errors import DataError
from gapsack.sweep.graphs.predict import write_predictions

CLASSES = 40


class FakeGraph:
    """Answers the videos that it is given, one after the other, with scores that were drawn beforehand."""

    inputs = ("frames", "num_frames")

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def predict(self, inputs: Mapping[str, np.ndarray]) -> GraphOutput:
        count = len(inputs["num_frames"])
        scores, self.scores = self.scores[:count], self.scores[count:]
        indices = np.argsort(-scores, axis=1)[:, :20].astype(np.int32)
        return GraphOutput(scores, indices, np.take_along_axis(scores, indices, axis=1))


def batches(*sizes: int) -> Iterator[Batch]:
    first = 0
    for size in sizes:
        ids = np.array([f"v{first + row}" for row in range(size)])
        frames, labels = np.zeros((size, 1, 2), np.uint8), np.zeros((size, CLASSES), bool)
        yield Batch(ids, frames, np.ones(size, np.int32), labels)
        first += size


def test_the_csv_is_the_challenges(tmp_path: Path) -> None:
    scores = np.random.default_rng(1).random((4, CLASSES)).astype(np.float32)
    path = tmp_path / "out" / "submission.csv"
    seen: list[int] = []
    assert write_predictions(FakeGraph(scores), batches(3, 1), path, seen.append) == 4
    assert seen == [3, 1]
    table = pd.read_csv(path)
    assert list(table.columns) == ["VideoId", "LabelConfidencePairs"]
    assert list(table["VideoId"]) == ["v0", "v1", "v2", "v3"]
    pairs = np.array(table["LabelConfidencePairs"][2].split(), float).reshape(20, 2)
    np.testing.assert_array_equal(pairs[:, 0], np.argsort(-scores[2])[:20])
    np.testing.assert_allclose(pairs[:, 1], np.sort(scores[2])[::-1][:20], rtol=1e-5)


def test_a_failing_stream_leaves_no_csv_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        yield from batches(3)
        raise DataError("too many faulty records")

    seen: list[int] = []
    with pytest.raises(DataError, match="too many faulty records"):
        write_predictions(FakeGraph(np.ones((3, CLASSES), np.float32)), broken(), tmp_path / "a.csv", seen.append)
    assert seen == [3]
    assert list(tmp_path.iterdir()) == []
