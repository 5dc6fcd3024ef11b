"""Pools of real YouTube-8M videos: nine small models, trained in a minute, and videos that none of them has seen.

    python -m benchmarks.video_pools FILES...

FILES are video-level records. The first three fifths of the videos train, and the labels that they have most of are
those that count. Of the others some choose an ensemble, and the rest judges.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.small_sets import Part, Small
from gapsack.selection.gap import gap_at_k
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import raw_batches

CLASSES = 200  # the most frequent of 3,862; of a few thousand videos the others have a handful each
TRAINING = 0.6
CHOOSING = 300
RGB = 1024

Inputs = NDArray[np.float32]


def read(files: Sequence[Path]) -> tuple[Inputs, NDArray[np.bool_]]:
    """Features [videos, rgb and audio] and labels [videos, classes] of all videos."""
    features = Features("video", 3862)
    with raw_batches([str(file) for file in files], features, batch_size=512, faults=Faults(0.001)) as stream:
        parts = [(np.array(batch.frames[:, 0]), np.array(batch.labels)) for batch in stream]
    return np.concatenate([each for each, _ in parts]), np.concatenate([each for _, each in parts])


class Of:
    """A model of some of the features."""

    def __init__(self, model: Any, part: slice = slice(None)) -> None:
        self.model, self.part = model, part

    def fit(self, inputs: Inputs, labels: NDArray[np.bool_]) -> None:
        self.model.fit(inputs[:, self.part], labels.astype(np.float32))

    def scores(self, inputs: Inputs) -> NDArray[np.float32]:
        """[videos, classes] between 0 and 1."""
        predict = getattr(self.model, "predict_proba", self.model.predict)
        return np.clip(predict(inputs[:, self.part]), 0.0, 1.0).astype(np.float32)


def models() -> list[Of]:
    """Linear models, neighbours and networks of pictures, of sound and of both."""
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.neural_network import MLPClassifier

    rgb, audio = slice(0, RGB), slice(RGB, None)
    return [
        Of(Ridge(1.0)),
        Of(Ridge(30.0)),
        Of(Ridge(3.0), rgb),
        Of(Ridge(3.0), audio),
        Of(KNeighborsRegressor(10)),
        Of(KNeighborsRegressor(30), rgb),
        Of(KNeighborsRegressor(30), audio),
        Of(MLPClassifier((32,), max_iter=15, random_state=0)),
        Of(MLPClassifier((128,), max_iter=10, random_state=1), rgb),
    ]


def trained(files: Sequence[Path]) -> tuple[Part, NDArray[np.int64]]:
    """Scores of all models for the videos that none has seen, and the models' bytes."""
    from sklearn.exceptions import ConvergenceWarning

    inputs, labels = read(files)
    count = int(len(inputs) * TRAINING)
    kept = np.argsort(-labels[:count].sum(axis=0), kind="stable")[:CLASSES]
    labels = labels[:, kept]
    scores, sizes = [], []
    for model in models():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few passes are meant
            model.fit(inputs[:count], labels[:count])
        scores.append(model.scores(inputs[count:]))
        sizes.append(len(pickle.dumps(model.model)))
    return Part(np.stack(scores), labels[count:]), np.array(sizes)


def video_pools(files: Sequence[Path], splits: int) -> Iterator[Small]:
    """The same models, and each time other videos that choose; the others judge. Nothing without files."""
    if not files:
        return
    whole, sizes = trained(files)
    for split in range(splits):
        order = np.random.default_rng([split, 11]).permutation(len(whole.labels))
        parts = (order[:CHOOSING], order[CHOOSING:])
        choose, judge = (Part(whole.scores[:, part], whole.labels[part]) for part in parts)
        yield Small("YouTube-8M", choose, judge, sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description="What the models of real videos score.")
    parser.add_argument("files", type=Path, nargs="+")
    whole, sizes = trained(parser.parse_args().files)
    for scores, size in zip(whole.scores, sizes, strict=True):
        print(f"{size:>12,} bytes  GAP@20 {gap_at_k(scores, whole.labels):.5f}")


if __name__ == "__main__":
    main()
