"""A candidate pool as a folder.

``labels.npz`` holds ``video_ids``, ``indptr``, ``indices``, ``class_count``. A candidate is ``<name>.json`` (``name``,
``size_bytes``, ``shared`` where it has some, free-form parts), ``<name>.npz`` (``video_ids``, ``top_indices``,
``top_scores``) and, for a precision that predicts otherwise, ``<name>.<precision>.npz``. The JSON is written last: a
candidate that has one is complete. Large lists are not read but mapped into memory (``selection.npz``).
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gapsack.selection.errors import DamagedCandidateError, PoolError
from gapsack.selection.files import read_json, replace_text, whole_file
from gapsack.selection.npz import read_npz
from gapsack.selection.pool.candidate import Candidate, check_name, check_shared, check_sizes
from gapsack.selection.pool.kinds import class_count_of
from gapsack.selection.pool.lists import Labels, Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from numpy.typing import NDArray

T = TypeVar("T")
LABELS_FILE = "labels.npz"
FREE_FORM = ("metrics", "hyperparameters", "origin")


def read_pool(
    path: str | PathLike[str], left_out: Callable[[str], object] | None = None
) -> tuple[Labels, list[Candidate]]:
    """The labels and the candidates of a pool folder, by name.

    Args:
        path: of the folder.
        left_out: is told of each candidate whose files cannot be read, in a sentence, and the pool goes without it;
            None takes such a candidate for an error.

    Raises:
        PoolError: something is wrong with the folder, its labels or a candidate, or none is left; names the file.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise PoolError(f"a candidate pool is a folder; got {folder}, which is none.")
    labels = read_labels(folder)
    kept = _Kept(left_out)
    records = _of_candidates(kept.of({file: partial(_read_json, file) for file in _json_files(folder)}))
    names = {str(record.get("name")) for record in records.values()}
    found = kept.of({file: partial(_read_candidate, file, record, names, labels) for file, record in records.items()})
    kept.tell(any_left=bool(found))
    return labels, list(found.values())


def read_records(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """What a pool folder says of its candidates, by name, without a look at labels or lists; see ``read_record``."""
    records = _of_candidates({file: _read_json(file) for file in _json_files(Path(path))})
    return [_checked(file, record) for file, record in records.items()]


def _json_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _of_candidates(records: dict[Path, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """Records without those that are no candidate's: an ensemble.json in the same folder says what it is."""
    return {
        file: record for file, record in records.items() if not str(record.get("format", "")).startswith("gapsack.")
    }


def read_labels(path: str | PathLike[str]) -> Labels:
    """The labels of a pool folder. Raises a PoolError that names the file."""
    file = Path(path) / LABELS_FILE
    arrays = read_npz(file, ("video_ids", "indptr", "indices", "class_count"), error=PoolError)
    return _named(
        file,
        lambda: Labels(arrays["video_ids"], arrays["indptr"], arrays["indices"], class_count_of(arrays["class_count"])),
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
    record: dict[str, Any] = {"name": candidate.name, "size_bytes": candidate.size_bytes}
    if candidate.shared:
        record["shared"] = candidate.shared
    record |= {part: getattr(candidate, part) for part in FREE_FORM}
    replace_text(folder / f"{candidate.name}.json", json.dumps(record, indent=2, allow_nan=False) + "\n")


class _Kept:
    """What can be read of a pool's candidates, and what is told of the others; see `read_pool`."""

    def __init__(self, left_out: Callable[[str], object] | None) -> None:
        self._left_out = left_out
        self._damages: dict[Path, DamagedCandidateError] = {}

    def of(self, readers: Mapping[Path, Callable[[], T]]) -> dict[Path, T]:
        """What the readers of the candidates' files return, without those that fail."""
        found = {}
        for file, read in readers.items():
            try:
                found[file] = read()
            except DamagedCandidateError as error:
                if self._left_out is None:
                    raise
                self._damages[file] = error
        return found

    def tell(self, *, any_left: bool) -> None:
        """Tell of those that are left out; a pool of which nothing is left is an error after all."""
        for file, error in self._damages.items():
            if not any_left:
                raise error
            if self._left_out is not None:
                self._left_out(f"{file.stem} is left out: {error}")


def read_record(file: Path) -> dict[str, Any]:
    """A candidate's JSON, checked: its name, its sizes, its shared groups, and its free-form parts, all of them.

    Raises:
        PoolError: it is not there, or no candidate's; names the file.
    """
    return _checked(file, _read_json(file))


def _checked(file: Path, record: dict[str, Any]) -> dict[str, Any]:
    name = record.get("name")
    if name != file.stem:
        raise PoolError(f"{file}: a candidate's file bears its name; got the name {name!r} inside.")
    # Checked before either becomes part of another file's name.
    _named(file, lambda: check_name(name))
    _named(file, lambda: check_sizes(str(name), record.get("size_bytes")))
    shared = record.get("shared", {})
    _named(file, lambda: check_shared(str(name), record["size_bytes"], shared))
    free_form = {part: record.get(part) or {} for part in FREE_FORM}
    for part, value in free_form.items():
        if not isinstance(value, dict):
            raise PoolError(f"{file}: {part} must be a JSON object; got {value!r}.")
    return {"name": name, "size_bytes": record["size_bytes"], "shared": shared, **free_form}


def _read_candidate(file: Path, record: dict[str, Any], names: set[str], labels: Labels) -> Candidate:
    checked = _checked(file, record)
    name, sizes = checked["name"], checked["size_bytes"]
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
        own[precision] = _read_lists(lists_file, labels)
    plain = _read_lists(file.with_name(f"{name}.npz"), labels)
    free_form = {part: checked[part] for part in FREE_FORM}
    return _named(file, lambda: Candidate(name, sizes, plain, own, shared=checked["shared"], **free_form))


def _read_lists(file: Path, labels: Labels) -> Predictions:
    arrays = read_npz(file, ("video_ids", "top_indices", "top_scores"), error=DamagedCandidateError, mapped=True)
    ids, classes, scores = arrays["video_ids"], arrays["top_indices"], arrays["top_scores"]
    return _named(file, lambda: Predictions(ids, classes, scores, known_ids=labels.video_ids))


def _arrays(lists: Predictions) -> dict[str, NDArray[Any]]:
    return {"video_ids": lists.video_ids, "top_indices": lists.top_indices, "top_scores": lists.top_scores}


def _read_json(file: Path) -> dict[str, Any]:
    record = read_json(file, error=DamagedCandidateError)
    if not isinstance(record, dict):
        raise DamagedCandidateError(f"{file}: expected a JSON object; got {type(record).__name__}.")
    if not record:
        raise DamagedCandidateError(f"{file}: expected a candidate; got an empty JSON object.")
    return record


def _write_npz(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with whole_file(file) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _named(file: Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except PoolError as error:
        raise PoolError(f"{file}: {error}") from error
