"""Candidates that are made one after the other, and go into their pool together or not at all.

Everything is written beside the pool first, so that a full disk is met before the pool is touched. A new pool is then
moved to its name as a whole; into one that exists files are moved one by one, each candidate's JSON after all arrays,
and taken back when a move fails. A process killed among these moves leaves complete candidates and arrays that no
candidate names: the same import, repeated, finds the former equal and writes over the latter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.checkpoints import write_weights
from gapsack.selection.errors import PoolError
from gapsack.selection.files import make_folder, move_whole, sync_folder
from gapsack.selection.npz import open_npz
from gapsack.selection.outputs import check_folder, target_of
from gapsack.selection.pool import Candidate, CandidatePool, write_candidate, write_labels
from gapsack.selection.pool.candidate import check_name
from gapsack.selection.pool.files import LABELS_FILE, read_pool
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.pools.scratch import remove_abandoned, scratch_folder

WEIGHTS_FOLDER = "weights"
"""In the pool's folder: the weights of imported checkpoints."""


class Staged:
    """What is to go into a pool.

    Attributes:
        pool: The pool's folder, there or not.
        scratch: A folder on the same disk for what is not ready.
        labels: The pool's, or those of the first candidate when it is new.
    """

    def __init__(self, pool: Path, scratch: Path) -> None:
        self.pool, self.scratch = pool, scratch
        self.labels: Labels | None = None
        self._known: dict[str, Candidate] = {}
        if (pool / LABELS_FILE).is_file():
            self.labels, known = read_pool(pool)
            self._known = {candidate.name: candidate for candidate in known}
        self._is_new = self.labels is None
        self._added: dict[str, Candidate] = {}
        self._ready = scratch / "ready"
        self._ready.mkdir()

    def check_name(self, name: str) -> None:
        """Raise PoolError when a candidate cannot be called so, or one in the pool or staged is."""
        check_name(name)
        if name in self._known:
            raise PoolError(f"expected a new name in the pool {self.pool}, got {name}, which is there already")
        if name in self._added:
            raise PoolError(f"expected every model to have a name of its own, got {name} twice")

    def weights(self, name: str, weights: Mapping[str, NDArray[Any]]) -> Path:
        """Keep a candidate's weights; the file lies in `WEIGHTS_FOLDER` of the pool, under its name, once written."""
        path = self._ready / WEIGHTS_FOLDER / f"{name}.npz"
        write_weights(path, weights)
        return path

    def check_labels(self, labels: Labels, source: object) -> None:
        """Take the ground truth for that of the pool, if it has none yet.

        Raises:
            PoolError: it is not the pool's: other items, classes or labels.
        """
        if self.labels is None:
            self.labels = labels
            return
        try:
            difference = self.labels.difference(labels)
        except PoolError as error:
            raise PoolError(f"expected the labels of the pool {self.pool} in {source}: {error}") from error
        if difference is not None:
            raise PoolError(f"expected the labels of the pool {self.pool} in {source}, got {difference}")

    def add(self, candidate: Candidate, labels: Labels | None = None) -> None:
        """Stage a candidate, with the ground truth of the items that it predicts where the pool need not have it.

        One that is in the pool already, the same in all that a search looks at, is left as it is there.

        Raises:
            PoolError: These are other items than the pool's, or it cannot be a candidate there.
        """
        if labels is not None:
            self.check_labels(labels, f"the data of {candidate.name}")
        if self.labels is None:
            raise PoolError(f"expected labels for the new pool {self.pool}, got none")
        known = self._known.get(candidate.name)
        (aligned,) = CandidatePool(self.labels, [candidate]).candidates
        if known is not None and _same(aligned, CandidatePool(self.labels, [known]).candidates[0]):
            return
        self.check_name(candidate.name)
        self._check_files(candidate)
        self._added[candidate.name] = candidate

    def write(self) -> CandidatePool:
        """Write all into the pool, each candidate's JSON last; the whole pool.

        Raises:
            PoolError: there would be no candidate in it.
        """
        if self.labels is None:
            raise PoolError(f"expected labels for the new pool {self.pool}, got none")
        everything = {**self._known, **self._added}
        pool = CandidatePool(self.labels, sorted(everything.values(), key=_file_name))
        if self._is_new:
            write_labels(self._ready, self.labels)
        for candidate in self._added.values():
            write_candidate(self._ready, candidate)
        if self._added or self._is_new:
            self._move()
        return pool

    def _check_files(self, candidate: Candidate) -> None:
        """Raise PoolError when a file of the candidate is, or could be taken for, another one's."""
        names = {candidate.name, *self._known, *self._added}
        for each in (candidate, *self._known.values(), *self._added.values()):
            for precision in each.size_bytes:
                if f"{each.name}.{precision}" in names:
                    raise PoolError(
                        f"expected names that do not end in another's precision, got {each.name}.{precision} beside "
                        f"{each.name}, which comes in {precision}"
                    )
        for file in (self.pool / f"{each}.npz" for each in (candidate.name, *_own_names(candidate))):
            if file.exists() and not _holds_lists(file):
                raise PoolError(f"expected the name {file.name} to be free in the pool {self.pool}, got another file")
        if self._is_new and (self.pool / f"{candidate.name}.json").exists():
            raise PoolError(f"expected the name {candidate.name}.json to be free in {self.pool}, got another file")

    def _move(self) -> None:
        if not self.pool.exists():
            _sync(self._ready)
            self._ready.replace(self.pool)
            try:
                sync_folder(self.pool.parent)
            except BaseException:
                self.pool.replace(self._ready)
                raise
            return
        files = sorted((path for path in self._ready.rglob("*") if path.is_file()), key=_moved_last)
        moved: list[Path] = []
        try:
            for file in files:
                target = self.pool / file.relative_to(self._ready)
                make_folder(target.parent)
                moved.append(target)
                move_whole(file, target)
        except BaseException:
            for target in reversed(moved):
                target.unlink(missing_ok=True)
            raise


@contextmanager
def staging(pool: Path) -> Iterator[Staged]:
    """Staging for a pool; what is not written when the block ends is dropped.

    If this process is killed, what it staged is dropped by the next one that stages something for the pool.

    Raises:
        PoolError: the pool that is there cannot be read, or its folder cannot be written to.
    """
    check_folder(pool)
    pool = target_of(pool)
    remove_leftovers(pool)
    made = _missing_above(pool)
    make_folder(pool.parent)
    try:
        # In a pool that is there, which may be a disk of its own; beside one that is not, so that it appears at once.
        place = pool if pool.is_dir() else pool.parent
        with scratch_folder(place, pool.name) as scratch:
            yield Staged(pool, scratch)
    finally:
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()


def remove_leftovers(pool: Path) -> None:
    """Remove what killed processes staged for a pool, and nothing that a living one does."""
    for place in (pool, pool.parent):  # in the pool, or beside it when it was new
        remove_abandoned(place, pool.name)


def _missing_above(pool: Path) -> list[Path]:
    """Folders that are made for the pool to lie in, the innermost first."""
    return [folder for folder in pool.parents if not folder.exists()]


def _moved_last(file: Path) -> tuple[bool, str]:
    """Candidates' JSON files come after all that they name."""
    return file.suffix == ".json", str(file)


def _sync(folder: Path) -> None:
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(path)


def _file_name(candidate: Candidate) -> str:
    """By which candidates are in order when a pool is read."""
    return f"{candidate.name}.json"


def _own_names(candidate: Candidate) -> list[str]:
    return [f"{candidate.name}.{precision}" for precision in candidate.by_precision]


def _holds_lists(file: Path) -> bool:
    """Whether a file is a candidate's predictions: what an import that was killed left behind."""
    try:
        with open_npz(file, error=PoolError) as archive:
            return "top_indices" in archive.names
    except PoolError:
        return False


def _same(one: Candidate, other: Candidate) -> bool:
    """Whether two aligned candidates are the same to a search."""
    return (
        one.size_bytes == other.size_bytes
        and one.shared == other.shared
        and set(one.by_precision) == set(other.by_precision)
        and all(_equal(one.predictions_at(each), other.predictions_at(each)) for each in one.size_bytes)
    )


def _equal(one: Predictions, other: Predictions) -> bool:
    return np.array_equal(one.top_indices, other.top_indices) and np.array_equal(one.top_scores, other.top_scores)
