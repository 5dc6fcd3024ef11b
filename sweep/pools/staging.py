"""Candidates that are made one after the other, and go into their pool together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from gapsack.models.checkpoints import write_weights
from gapsack.selection.errors import PoolError
from gapsack.selection.files import make_folder, move_whole
from gapsack.selection.pool import Candidate, CandidatePool, write_candidate, write_labels
from gapsack.selection.pool.files import LABELS_FILE
from gapsack.selection.pool.lists import Labels
from gapsack.sweep.pools.files import read_labels

WEIGHTS_FOLDER = "weights"
"""In the pool's folder: the weights of imported checkpoints."""


class Staged:
    """What is to go into a pool.

    Attributes:
        pool: The pool's folder, there or not.
        scratch: A folder beside it for what is not ready.
        labels: The pool's, or those of the first candidate when it is new.
    """

    def __init__(self, pool: Path, scratch: Path) -> None:
        known = pool / LABELS_FILE
        self.pool, self.scratch = pool, scratch
        self.labels: Labels | None = read_labels(known, class_count=None) if known.is_file() else None
        self._is_new = self.labels is None
        self._candidates: list[Candidate] = []

    def check_name(self, name: str) -> None:
        """Raise PoolError when a candidate of that name is in the pool or staged."""
        if (self.pool / f"{name}.json").exists():
            raise PoolError(f"expected a new name in the pool {self.pool}, got {name}, which is there already")
        if name in (candidate.name for candidate in self._candidates):
            raise PoolError(f"expected every model to have a name of its own, got {name} twice")

    def weights(self, name: str, weights: Mapping[str, NDArray[Any]]) -> Path:
        """Keep a candidate's weights; the file lies in `WEIGHTS_FOLDER` of the pool, under its name, once written."""
        path = self.scratch / f"{name}.npz"
        write_weights(path, weights)
        return path

    def add(self, candidate: Candidate, labels: Labels) -> None:
        """Stage a candidate with the ground truth of the videos that it predicts.

        Raises:
            PoolError: These are other videos than the pool's, or it cannot be a candidate.
        """
        self.labels = self.labels or labels
        CandidatePool(self.labels, [candidate])
        self._candidates.append(candidate)

    def write(self) -> CandidatePool:
        """Write all into the pool, each candidate's JSON last; the whole pool."""
        if self._is_new and self.labels is not None:
            write_labels(self.pool, self.labels)
        for candidate in self._candidates:
            weights = self.scratch / f"{candidate.name}.npz"
            if weights.is_file():
                kept = self.pool / WEIGHTS_FOLDER / weights.name
                make_folder(kept.parent)
                move_whole(weights, kept)
            write_candidate(self.pool, candidate)
        return CandidatePool.read(self.pool)


@contextmanager
def staging(pool: Path) -> Iterator[Staged]:
    """Staging for a pool; what is not written when the block ends is dropped."""
    pool = pool.absolute()
    pool.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=pool.parent, prefix=f".{pool.name}.") as scratch:
        yield Staged(pool, Path(scratch))
