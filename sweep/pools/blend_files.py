"""A found ensemble applied to new predictions of its members, which files hold; no graph and no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.files import whole_file
from gapsack.selection.outputs import is_standard_output
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.pools.files import predicted_classes, read_dense
from gapsack.sweep.pools.predictions import PREDICTIONS, check_output, split_named
from gapsack.sweep.storage.mirrored import fetched, place_of

SUFFIXES = (".csv", ".npz", ".parquet")


@dataclass(frozen=True)
class Blended:
    """What an ensemble says of new items.

    Attributes:
        ids: [n].
        scores: [n, classes] probabilities, float32.
    """

    ids: NDArray[Any]
    scores: NDArray[np.float32]

    def write(self, path: Path) -> None:
        """Write `.npz` with `video_ids` and `scores`, or a `.csv` or `.parquet` table, by the file's ending.

        Raises:
            InputError: another ending.
        """
        suffix = ".csv" if is_standard_output(path) else path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"expected a file that ends in {', '.join(SUFFIXES)}, got {path}")
        table = pd.DataFrame(self.scores, columns=[str(number) for number in range(self.scores.shape[1])])
        table.insert(0, "id", self.ids.astype(str))
        with whole_file(path) as file:
            if suffix == ".npz":
                np.savez(file, video_ids=self.ids.astype(str), scores=self.scores)
            elif suffix == ".parquet":
                table.to_parquet(file, index=False)
            else:
                table.to_csv(file, index=False)


def blend_files(
    ensemble: Ensemble, predictions: Sequence[str], class_count: int | None, output: str | None = None
) -> Blended:
    """Read the members' predictions of new items, and blend them.

    Args:
        ensemble: whose weights and blend.
        predictions: `name=file` of each member; the files have the same ids, in any order. Those of other models are
            not looked at.
        class_count: of the vocabulary, where no file tells, as CSV files of pairs do not.
        output: which one is meant of models with several: the one that the ensemble was chosen for.

    Returns:
        Of the items in the order of the first member's file that is given.

    Raises:
        PoolError: a member's file is missing or given twice, cannot be read, or has other ids than the first.
    """
    files = _files_of(ensemble, predictions)
    if output is not None:
        check_output(output, None, list(files.values()))
    widths = (predicted_classes(file, output) for file in files.values())
    classes = class_count or next((width for width in widths if width is not None), None)
    if classes is None:
        raise PoolError("these files do not tell how many classes there are: give --classes")
    first: pd.Index[str] | None = None
    arrays = {}
    for name, file in files.items():
        own, scores = read_dense(file, class_count=classes, output=output)
        ids = pd.Index(own.astype(str))
        if ids.has_duplicates:
            raise PoolError(f"{file}: expected each id once, got {ids[ids.duplicated()][0]!r} again")
        first = ids if first is None else first
        _check_same(file, ids, first, next(iter(files.values())))
        arrays[name] = scores[ids.get_indexer(first)]
    assert first is not None  # an ensemble has a member
    return Blended(first.to_numpy(object), ensemble.predict(arrays).astype(np.float32))


def _files_of(ensemble: Ensemble, predictions: Sequence[str]) -> dict[str, Path]:
    """The file of each member, as they were given: in the order of members, weights would order what is written."""
    files: dict[str, Path] = {}
    for text in predictions:
        name, precision, file = split_named(text, PREDICTIONS)
        if precision is not None:
            raise PoolError(f"expected {name}=file, of the precision that the ensemble has, got {text[:200]!r}")
        if name in files:
            raise PoolError(f"expected one file of predictions for {name}, got two")
        files[name] = place_of(file)
    members = {member.name for member in ensemble.members}
    if lacking := [member.name for member in ensemble.members if member.name not in files]:
        raise PoolError(
            f"expected predictions of every member (--predictions name=file), got none of {', '.join(lacking)}"
        )
    return {name: fetched(file) for name, file in files.items() if name in members}


def _check_same(file: Path, ids: pd.Index[str], first: pd.Index[str], of: Path) -> None:
    missing, strange = first.difference(ids), ids.difference(first)
    if len(missing):
        raise PoolError(f"{file}: expected the ids of {of}, got none of {len(missing)}, {missing[0]!r} among them")
    if len(strange):
        raise PoolError(f"{file}: expected the ids of {of}, got {len(strange)} besides, {strange[0]!r} among them")
