"""Predictions and labels from elsewhere, as pool values: dense arrays, tables, and the challenge's CSV files.

Predictions: `.npz` with `video_ids` [n] and `scores` [n, classes] (probabilities; [n] of two classes are those of the
second); a table, CSV or Parquet, with a column of ids and one for each class; or a CSV with the columns
`VideoId,LabelConfidencePairs`. Labels: `.npz` with `video_ids` and `labels` ([n, classes] of 0 and 1, or [n] class
numbers when every item has just one), the pool's own `labels.npz`; a table with ids and `label`, class numbers, or with
ids and a column of 0 and 1 for each class; or a CSV with `VideoId,Labels` (class numbers parted by spaces). Of a model
with several outputs, `named_outputs` says what of a file is which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapsack.selection.errors import PoolError
from gapsack.selection.npz import open_npz, read_npz
from gapsack.selection.pool.kinds import class_count_of
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.pools.named_outputs import IDS, hint_of_outputs, output_array, output_columns
from gapsack.sweep.pools.tables import id_column, is_archive, matrix_of, read_frame, read_head

PREDICTION_COLUMNS = ("VideoId", "LabelConfidencePairs")
LABEL_COLUMNS = ("VideoId", "Labels")
LABEL = "label"
MATRIX_DIMENSIONS = 2

T = TypeVar("T")


def read_predictions(path: Path, *, class_count: int, top_k: int, output: str | None = None) -> Predictions:
    """A model's predictions, cut to its `top_k` best classes an item.

    A CSV row with fewer pairs than the longest one is filled with classes of score zero: what such a file leaves out
    was not predicted, which is how the challenge scored it. `output` names one of several that the file has
    (`named_outputs`).

    Raises:
        PoolError: the file cannot be read as predictions; it is named.
    """
    if is_archive(path):
        ids, scores = _ids_and_array(path, "scores", output)
        return _named(path, lambda: _of_matrix(ids, scores, class_count, top_k))
    return _named(path, lambda: _predictions_of_table(path, class_count, top_k, output))


def read_dense(path: Path, *, class_count: int, output: str | None = None) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Ids [n] and a model's probabilities of all classes [n, classes], of any file that `read_predictions` takes.

    What a CSV of pairs leaves out is 0.

    Raises:
        PoolError: the file cannot be read as predictions; it is named.
    """
    if is_archive(path):
        ids, found = _ids_and_array(path, "scores", output)
        return ids, _named(path, lambda: as_classes(found, class_count))
    lists = read_predictions(path, class_count=class_count, top_k=class_count, output=output)
    scores = np.zeros((len(lists.video_ids), class_count), np.float32)
    np.put_along_axis(scores, lists.top_indices.astype(np.int64), lists.top_scores, axis=1)
    return np.asarray(lists.video_ids), scores


def predicted_classes(path: Path, output: str | None = None) -> int | None:
    """How many classes a file of predictions has, by its head; None where that does not tell, as a CSV's of pairs.

    `output` names one of several, as for `read_predictions`.

    Raises:
        PoolError: it cannot be read; it is named.
    """
    if is_archive(path):
        with open_npz(path, error=PoolError) as archive:
            name = _known(lambda: output_array(archive.names, "scores", output))
            shape = () if name is None else archive.shape(name)
        width = (*shape, 1)[1] if len(shape) in (1, MATRIX_DIMENSIONS) else None
    else:
        head = _named(path, lambda: _of_output(read_head(path), output))
        width = None if id_column(head) is None or set(PREDICTION_COLUMNS) <= set(head) else len(head.columns) - 1
    return 2 if width == 1 else width


def has_output(path: Path, output: str) -> bool:
    """Whether a file of predictions or labels has an output of that name, by its head.

    Raises:
        PoolError: it cannot be read; it is named.
    """
    if is_archive(path):
        with open_npz(path, error=PoolError) as archive:
            return output != IDS and output in archive.names
    head = _named(path, lambda: read_head(path))
    return _named(path, lambda: output_columns(head, id_column(head), output)) is not None


def read_labels(
    path: Path,
    *,
    class_count: int | None,
    otherwise: Callable[[], int | None] = lambda: None,
    output: str | None = None,
) -> Labels:
    """The ground truth of the items.

    Args:
        path: an `.npz`, `.csv` or `.parquet` file (see the module).
        class_count: classes of the vocabulary, where the file does not tell.
        otherwise: asked for the same where neither tells.
        output: of a model with several, whose labels they are: an array or columns of that name, where there are such.

    Raises:
        PoolError: the file cannot be read as labels, or does not tell the number of classes and none is given.
    """
    if class_count is not None:
        class_count_of(class_count)
    if not is_archive(path):
        return _named(path, lambda: _labels_of_table(path, class_count, otherwise, output))
    arrays = _read_arrays(path)
    if "indptr" in arrays:
        _require(path, arrays, ("video_ids", "indptr", "indices", "class_count"))
        return _named(path, lambda: _labels_of_lists(arrays, class_count))
    name = _named(path, lambda: output_array(list(arrays), "labels", output))
    _require(path, arrays, ("video_ids", name))
    labels = arrays[name]
    if labels.ndim == 1 and labels.dtype.kind in "iu" and class_count is None:
        class_count = otherwise()
    return _named(path, lambda: _labels_of_array(arrays["video_ids"], labels, class_count))


def as_classes(scores: NDArray[Any], class_count: int) -> NDArray[Any]:
    """Scores [n, classes], of such, or of [n] or [n, 1] probabilities of the second of two classes.

    Raises:
        PoolError: they are of another number of classes.
    """
    if scores.ndim == 1 or (scores.ndim == MATRIX_DIMENSIONS and scores.shape[1] == 1):
        if class_count == 1:
            return scores.reshape(-1, 1)
        if class_count == 2:
            second = scores.reshape(-1)
            if not ((second >= 0) & (second <= 1)).all():
                wrong = second[~((second >= 0) & (second <= 1))][0]
                raise PoolError(f"expected probabilities of the second class from 0 to 1, got {wrong}")
            return np.stack([1 - second, second], axis=1)
    if scores.ndim == MATRIX_DIMENSIONS and scores.shape[1] == class_count:
        return scores
    got = scores.shape[1] if scores.ndim == MATRIX_DIMENSIONS else f"the shape {scores.shape}"
    raise PoolError(f"expected scores of the labels' {class_count} classes, got {got}")


def _of_matrix(ids: NDArray[Any], scores: NDArray[Any], class_count: int, top_k: int) -> Predictions:
    return Predictions.from_dense(ids, as_classes(scores, class_count), top_k)


def _predictions_of_table(path: Path, class_count: int, top_k: int, output: str | None) -> Predictions:
    table = _of_output(read_frame(path), output)
    ids = id_column(table)
    if set(PREDICTION_COLUMNS) <= set(table):
        return _predictions_of_pairs(table, class_count)
    if ids is None:
        raise PoolError(
            f"expected the columns {','.join(PREDICTION_COLUMNS)}, or id and a column for each class, "
            f"got {','.join(map(str, table.columns))[:200]}"
        )
    found, scores = matrix_of(table, ids)
    try:
        return _of_matrix(found, scores, class_count, top_k)
    except PoolError as error:
        raise PoolError(f"{error}{hint_of_outputs(table, ids)}") from error


def _of_output(table: pd.DataFrame, output: str | None) -> pd.DataFrame:
    """A table of predictions, of several outputs of a model the one that is named."""
    found = None if output is None else output_columns(table, id_column(table), output)
    return table if found is None else found


def _predictions_of_pairs(table: pd.DataFrame, class_count: int) -> Predictions:
    video_ids, texts = (table[name].to_numpy(object) for name in PREDICTION_COLUMNS)
    pairs = [text.split() for text in texts]
    lengths = np.array([len(words) for words in pairs])
    if (lengths % 2).any():
        row = int(np.flatnonzero(lengths % 2)[0])
        raise PoolError(f"expected pairs of a class and a confidence, got {lengths[row]} numbers in row {row + 2}")
    longest = max(int(lengths.max()) // 2, min(20, class_count))
    indices = np.empty((len(pairs), longest), np.int32)
    scores = np.zeros((len(pairs), longest), np.float32)
    for row, words in enumerate(pairs):
        listed = _classes(words[::2], class_count, f"in row {row + 2}")
        values = _confidences(words[1::2], row + 2)
        order = np.lexsort((listed, -values))
        missing = longest - len(listed)
        # Enough unlisted classes are among the lowest `longest` ones, whatever is listed.
        unlisted = np.setdiff1d(np.arange(min(class_count, longest + len(listed))), listed)[:missing]
        if len(unlisted) < missing:
            raise PoolError(f"expected a class once an item, got one twice in row {row + 2}")
        indices[row] = np.concatenate([listed[order], unlisted])
        scores[row, : len(listed)] = values[order]
    return Predictions(video_ids, indices, scores)


def _labels_of_table(
    path: Path, class_count: int | None, otherwise: Callable[[], int | None], output: str | None
) -> Labels:
    table = read_frame(path)
    ids = id_column(table)
    own = None if output is None else output_columns(table, ids, output)
    if own is not None:
        # A column of the output's name has class numbers, as the column of labels has where there is one output.
        table = own.rename(columns={output: LABEL})
    if ids is not None and LABEL not in table:
        return _labels_of_array(*matrix_of(table, ids), class_count)
    columns = LABEL_COLUMNS if ids is None else (ids, LABEL)
    if not set(columns) <= set(table):
        raise PoolError(
            f"expected the columns {','.join(LABEL_COLUMNS)}, id,{LABEL}, or id and a column for each class, "
            f"got {','.join(map(str, table.columns))[:200]}"
        )
    if class_count is None:
        class_count = otherwise()
    if class_count is None:
        raise PoolError("class numbers do not tell how many classes there are: give --classes")
    video_ids, texts = (table[name].astype(str).to_numpy(object) for name in columns)
    rows = [_classes(text.split(), class_count, f"in row {row}") for row, text in enumerate(texts, 2)]
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    return Labels(video_ids, indptr, np.concatenate(rows), class_count)


def _classes(words: Sequence[str], class_count: int, where: str) -> NDArray[np.int64]:
    """Class numbers of a CSV; the first wrong one is named."""
    try:
        found = np.array(words, np.int64)
    except (ValueError, OverflowError):
        wrong = next(word for word in words if not word.removeprefix("-").isdecimal() or len(word) > len(str(2**60)))
        numbers = ": numbers to predict are no labels, regression is not supported" if _is_number(wrong) else ""
        raise PoolError(
            f"expected whole class numbers below {class_count}, got {wrong[:60]!r} {where}{numbers}"
        ) from None
    outside = (found < 0) | (found >= class_count)
    if outside.any():
        raise PoolError(f"expected classes from 0 to {class_count - 1}, got {found[outside][0]} {where}")
    return found


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _confidences(words: Sequence[str], row: int) -> NDArray[np.float32]:
    try:
        return np.array(words, np.float32)
    except ValueError as error:
        raise PoolError(f"expected confidences as numbers, got {error} in row {row}") from error


def _labels_of_lists(arrays: dict[str, NDArray[Any]], class_count: int | None) -> Labels:
    own = class_count_of(arrays["class_count"])
    if class_count not in (None, own):
        raise PoolError(f"expected labels of {class_count} classes, got some of {own}")
    return Labels(arrays["video_ids"], arrays["indptr"], arrays["indices"], own)


def _labels_of_array(video_ids: NDArray[Any], labels: NDArray[Any], class_count: int | None) -> Labels:
    if labels.ndim == MATRIX_DIMENSIONS:
        if class_count not in (None, labels.shape[1]):
            raise PoolError(f"expected labels of {class_count} classes, got an array of {labels.shape[1]}")
        return Labels.from_dense(video_ids, labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        numbers = ", and regression is not supported" if labels.dtype.kind == "f" else ""
        raise PoolError(
            f"expected labels [items, classes] or whole class numbers [items], got {labels.dtype} {labels.shape}"
            f"{numbers}"
        )
    if class_count is None:
        raise PoolError("class numbers do not tell how many classes there are: give --classes")
    return Labels(video_ids, np.arange(len(labels) + 1), labels, class_count)


def _ids_and_array(path: Path, usual: str, output: str | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ids [n] of an archive and its array of an output."""
    arrays = _read_arrays(path)
    name = _named(path, lambda: output_array(list(arrays), usual, output))
    _require(path, arrays, ("video_ids", name))
    return arrays["video_ids"], arrays[name]


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    return read_npz(path, error=PoolError)


def _require(path: Path, arrays: dict[str, NDArray[Any]], names: tuple[str, ...]) -> None:
    if not set(names) <= set(arrays):
        raise PoolError(f"{path}: expected the arrays {', '.join(names)}, got {', '.join(arrays) or 'none'}")


def _known(find: Callable[[], T]) -> T | None:
    """What is found; None where it is not, which whoever reads the file tells."""
    try:
        return find()
    except PoolError:
        return None


def _named(path: Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except PoolError as error:
        raise PoolError(f"{path}: {error}") from error
