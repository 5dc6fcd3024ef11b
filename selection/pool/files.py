"""A candidate pool as a folder.

``labels.npz`` holds ``video_ids``, ``indptr``, ``indices``, ``class_count``. A candidate is ``<name>.json`` (``name``,
``size_bytes``, free-form parts), ``<name>.npz`` (``video_ids``, ``top_indices``, ``top_scores``) and, for a precision
that predicts otherwise, ``<name>.<precision>.npz``. The JSON is written last: a candidate that has one is complete.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gapsack.selection.errors import PoolError
from gapsack.selection.files import read_json, replace_text, whole_file
from gapsack.selection.pool.candidate import Candidate
from gapsack.selection.pool.lists import Labels, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from numpy.typing import NDArray

T = TypeVar("T")
LABELS_FILE = "labels.npz"
FREE_FORM = ("metrics", "hyperparameters", "origin")


def read_pool(path: str | PathLike[str]) -> tuple[Labels, list[Candidate]]:
    """The labels and the candidates of a pool folder, by name. Raises a PoolError that names the file."""
    folder = Path(path)
    if not folder.is_dir():
        raise PoolError(f"a candidate pool is a folder; got {folder}, which is none.")
    labels = read_labels(folder)
    records = {file: _read_json(file) for file in sorted(folder.glob("*.json"))}
    # An ensemble.json that lies in the same folder says what it is; it is no candidate.
    records = {
        file: record for file, record in records.items() if not str(record.get("format", "")).startswith("gapsack.")
    }
    names = {str(record.get("name")) for record in records.values()}
    return labels, [_read_candidate(file, record, names) for file, record in records.items()]


def read_labels(path: str | PathLike[str]) -> Labels:
    """The labels of a pool folder. Raises a PoolError that names the file."""
    file = Path(path) / LABELS_FILE
    arrays = _read_npz(file, ("video_ids", "indptr", "indices", "class_count"))
    return _named(
        file, lambda: Labels(arrays["video_ids"], arrays["indptr"], arrays["indices"], int(arrays["class_count"]))
    )


def write_labels(path: str | PathLike[str], labels: Labels) -> None:
    """Write ``labels.npz``, making the folder when missing."""
    arrays: dict[str, NDArray[Any]] = {
        "video_ids": labels.video_ids,
        "indptr": labels.indptr,
        "indices": labels.indices,
        "class_count": np.asarray(labels.class_count, np.int64),
    }
    _write_npz(Path(path) / LABELS_FILE, arrays)


def write_candidate(path: str | PathLike[str], candidate: Candidate) -> None:
    """Write a candidate's files, its JSON last: safe beside other writers, and seen by readers only when complete."""
    folder = Path(path)
    for precision, lists in candidate.by_precision.items():
        _write_npz(folder / f"{candidate.name}.{precision}.npz", _arrays(lists))
    _write_npz(folder / f"{candidate.name}.npz", _arrays(candidate.predictions))
    record = {"name": candidate.name, "size_bytes": candidate.size_bytes}
    record |= {part: getattr(candidate, part) for part in FREE_FORM}
    replace_text(folder / f"{candidate.name}.json", json.dumps(record, indent=2, allow_nan=False) + "\n")


def _read_candidate(file: Path, record: dict[str, Any], names: set[str]) -> Candidate:
    name = record.get("name")
    if name != file.stem:
        raise PoolError(f"{file}: a candidate's file bears its name; got the name {name!r} inside.")
    sizes = record.get("size_bytes")
    if not isinstance(sizes, dict):
        raise PoolError(f"{file}: size_bytes must map precisions to bytes; got {sizes!r}.")
    free_form: dict[str, dict[str, Any]] = {part: record.get(part) or {} for part in FREE_FORM}
    own = {}
    for precision in sizes:
        lists_file = file.with_name(f"{name}.{precision}.npz")
        if not lists_file.exists():
            continue
        if f"{name}.{precision}" in names:
            raise PoolError(
                f"{lists_file} could be the {precision} predictions of {name} or those of the candidate "
                f"{name}.{precision}; expected names that do not end in another's precision."
            )
        own[precision] = _read_lists(lists_file)
    plain = _read_lists(file.with_name(f"{name}.npz"))
    return _named(file, lambda: Candidate(str(name), sizes, plain, own, **free_form))


def _read_lists(file: Path) -> Predictions:
    arrays = _read_npz(file, ("video_ids", "top_indices", "top_scores"))
    return _named(file, lambda: Predictions(arrays["video_ids"], arrays["top_indices"], arrays["top_scores"]))


def _arrays(lists: Predictions) -> dict[str, NDArray[Any]]:
    return {"video_ids": lists.video_ids, "top_indices": lists.top_indices, "top_scores": lists.top_scores}


def _read_json(file: Path) -> dict[str, Any]:
    record = read_json(file, error=PoolError)
    if not isinstance(record, dict):
        raise PoolError(f"{file}: expected a JSON object; got {type(record).__name__}.")
    return record


def _read_npz(file: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive]
            if missing:
                raise PoolError(f"{file}: expected the arrays {', '.join(keys)}; {', '.join(missing)} not there.")
            return {key: archive[key] for key in keys}
    except FileNotFoundError as error:
        raise PoolError(f"{file}: expected this file in the pool; it is not there.") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise PoolError(f"{file}: expected an .npz archive of plain arrays; got {error}.") from error


def _write_npz(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with whole_file(file) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _named(file: Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except PoolError as error:
        raise PoolError(f"{file}: {error}") from error
