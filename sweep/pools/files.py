"""Predictions and labels from elsewhere, as pool values: dense arrays, and the challenge's CSV files.

Predictions: `.npz` with `video_ids` [n] and `scores` [n, classes] (probabilities), or a CSV with the columns
`VideoId,LabelConfidencePairs`. Labels: `.npz` with `video_ids` and `labels` ([n, classes] of 0 and 1, or [n] class
numbers when every video has just one), the pool's own `labels.npz`, or a CSV with `VideoId,Labels` (class numbers
parted by spaces).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapsack.selection.errors import PoolError
from gapsack.selection.pool.lists import Labels, Predictions

PREDICTION_COLUMNS = ("VideoId", "LabelConfidencePairs")
LABEL_COLUMNS = ("VideoId", "Labels")
MATRIX_DIMENSIONS = 2

T = TypeVar("T")


def read_predictions(path: Path, *, class_count: int, top_k: int) -> Predictions:
    """A model's predictions, cut to its `top_k` best classes a video.

    A CSV row with fewer pairs than the longest one is filled with classes of score zero: what such a file leaves out
    was not predicted, which is how the challenge scored it.

    Raises:
        PoolError: the file cannot be read as predictions; it is named.
    """
    if path.suffix == ".npz":
        arrays = _read_arrays(path)
        _require(path, arrays, ("video_ids", "scores"))
        scores = arrays["scores"]
        if scores.ndim == MATRIX_DIMENSIONS and scores.shape[1] != class_count:
            raise PoolError(f"{path}: expected scores of the labels' {class_count} classes, got {scores.shape[1]}")
        return _named(path, lambda: Predictions.from_dense(arrays["video_ids"], scores, top_k))
    return _named(path, lambda: _predictions_of_csv(path, class_count))


def read_labels(path: Path, *, class_count: int | None) -> Labels:
    """The ground truth of the videos.

    Args:
        path: an `.npz` or `.csv` file (see the module).
        class_count: classes of the vocabulary, where the file does not tell.

    Raises:
        PoolError: the file cannot be read as labels, or does not tell the number of classes and none is given.
    """
    if path.suffix != ".npz":
        return _named(path, lambda: _labels_of_csv(path, class_count))
    arrays = _read_arrays(path)
    if "indptr" in arrays:
        _require(path, arrays, ("video_ids", "indptr", "indices", "class_count"))
        return _named(
            path, lambda: Labels(arrays["video_ids"], arrays["indptr"], arrays["indices"], int(arrays["class_count"]))
        )
    _require(path, arrays, ("video_ids", "labels"))
    return _named(path, lambda: _labels_of_array(arrays["video_ids"], arrays["labels"], class_count))


def _predictions_of_csv(path: Path, class_count: int) -> Predictions:
    table = _read_table(path, PREDICTION_COLUMNS)
    pairs = [text.split() for text in table["LabelConfidencePairs"]]
    lengths = np.array([len(words) for words in pairs])
    if (lengths % 2).any():
        row = int(np.flatnonzero(lengths % 2)[0])
        raise PoolError(f"expected pairs of a class and a confidence, got {lengths[row]} numbers in row {row + 2}")
    longest = max(int(lengths.max()) // 2, min(20, class_count))
    indices = np.empty((len(pairs), longest), np.int32)
    scores = np.zeros((len(pairs), longest), np.float32)
    for row, words in enumerate(pairs):
        try:
            listed = np.array(words[::2], np.int64)
            values = np.array(words[1::2], np.float32)
        except ValueError as error:
            raise PoolError(f"expected whole class numbers and confidences, got {error} in row {row + 2}") from error
        if len(listed) and not 0 <= listed.min() <= listed.max() < class_count:
            raise PoolError(f"expected classes from 0 to {class_count - 1}, got {listed.max()} in row {row + 2}")
        order = np.lexsort((listed, -values))
        missing = longest - len(listed)
        # Enough unlisted classes are among the lowest `longest` ones, whatever is listed.
        unlisted = np.setdiff1d(np.arange(min(class_count, longest + len(listed))), listed)[:missing]
        indices[row] = np.concatenate([listed[order], unlisted])
        scores[row, : len(listed)] = values[order]
    return Predictions(table["VideoId"].to_numpy(str), indices, scores)


def _labels_of_csv(path: Path, class_count: int | None) -> Labels:
    if class_count is None:
        raise PoolError("a CSV of labels does not tell how many classes there are: give --classes")
    table = _read_table(path, LABEL_COLUMNS)
    rows = [text.split() for text in table["Labels"]]
    try:
        indices = np.array([word for words in rows for word in words], np.int32)
    except ValueError as error:
        raise PoolError(f"expected class numbers parted by spaces in the column Labels, got {error}") from error
    indptr = np.cumsum([0, *(len(words) for words in rows)])
    return Labels(table["VideoId"].to_numpy(str), indptr, indices, class_count)


def _labels_of_array(video_ids: NDArray[Any], labels: NDArray[Any], class_count: int | None) -> Labels:
    if labels.ndim == MATRIX_DIMENSIONS:
        if class_count not in (None, labels.shape[1]):
            raise PoolError(f"expected labels of {class_count} classes, got an array of {labels.shape[1]}")
        if not np.isin(labels, (0, 1)).all():
            raise PoolError("expected a matrix of labels to hold 0 and 1 alone, got other values")
        return Labels.from_dense(video_ids, labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise PoolError(
            f"expected labels [videos, classes] or whole class numbers [videos], got {labels.dtype} {labels.shape}"
        )
    if class_count is None:
        raise PoolError("class numbers do not tell how many classes there are: give --classes")
    return Labels(video_ids, np.arange(len(labels) + 1), labels.astype(np.int32), class_count)


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise PoolError(f"expected a CSV file that can be read, got: {error}") from error
    if not set(columns) <= set(table.columns):
        raise PoolError(f"expected the columns {','.join(columns)}, got {','.join(map(str, table.columns))}")
    if table.empty:
        raise PoolError("expected at least one row, got none")
    return table


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise PoolError(f"{path}: expected an .npz archive of plain arrays, got: {error}") from error


def _require(path: Path, arrays: dict[str, NDArray[Any]], names: tuple[str, ...]) -> None:
    if not set(names) <= set(arrays):
        raise PoolError(f"{path}: expected the arrays {', '.join(names)}, got {', '.join(arrays) or 'none'}")


def _named(path: Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except PoolError as error:
        raise PoolError(f"{path}: {error}") from error
