"""The candidate pool: models to choose from, with their sizes and what they predict for the same videos.

On disk it is a folder that trials write, ``select`` reads and anyone can make by hand (see ``selection.pool.files``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import PoolError
from gapsack.selection.pool.lists import Labels, Predictions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Candidate", "CandidatePool", "Labels", "Predictions", "write_candidate", "write_labels"]

# A name becomes a file name and, in the graph, part of a variable's name.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")


@dataclass(frozen=True)
class Candidate:
    """One model that may join the ensemble.

    Attributes:
        name: letters, digits and ``. _ + = -``; unique in a pool; not "labels".
        size_bytes: bytes of the model by precision ("float32", "float16", "int8", ...), at least one, all positive.
        predictions: the lists that serve every precision without its own.
        by_precision: lists of the precisions that change the predictions.
        metrics: free-form figures; numbers in it can serve as a second budget.
        hyperparameters: free-form.
        origin: free-form; where the model came from and how to find its weights.
    """

    name: str
    size_bytes: dict[str, int]
    predictions: Predictions
    by_precision: dict[str, Predictions] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME_PATTERN.fullmatch(self.name) or self.name == "labels":
            raise PoolError(
                "a candidate's name must start with a letter or digit, hold letters, digits and ._+=- only, "
                f"and not be 'labels'; got {self.name!r}."
            )
        if not isinstance(self.size_bytes, dict) or not self.size_bytes:
            raise PoolError(
                f"candidate {self.name}: size_bytes must name at least one precision; got {self.size_bytes!r}."
            )
        for precision, size in self.size_bytes.items():
            if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
                raise PoolError(
                    f"candidate {self.name}: the size of {precision} must be a positive whole number of bytes; "
                    f"got {size!r}."
                )
        unknown = sorted(set(self.by_precision) - set(self.size_bytes))
        if unknown:
            raise PoolError(
                f"candidate {self.name}: predictions of a precision need its size in size_bytes; "
                f"got none for {', '.join(unknown)}."
            )

    def predictions_at(self, precision: str) -> Predictions:
        """The lists that a precision of ``size_bytes`` predicts."""
        if precision not in self.size_bytes:
            raise PoolError(
                f"candidate {self.name} comes in the precisions {', '.join(self.size_bytes)}; got {precision!r}."
            )
        return self.by_precision.get(precision, self.predictions)


@dataclass(frozen=True)
class CandidatePool:
    """Candidates and the ground truth of the videos that they all predict.

    Rows of the predictions are put into the order of the labels, by video id.

    Raises:
        PoolError: no candidate, a name twice, or predictions of other videos than the labels'.
    """

    labels: Labels
    candidates: tuple[Candidate, ...]

    def __init__(self, labels: Labels, candidates: Iterable[Candidate]) -> None:
        aligned = tuple(_aligned(candidate, labels) for candidate in candidates)
        if not aligned:
            raise PoolError("a pool needs at least one candidate; got none.")
        seen: set[str] = set()
        for candidate in aligned:
            if candidate.name in seen:
                raise PoolError(f"every candidate needs a name of its own; got {candidate.name!r} twice.")
            seen.add(candidate.name)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "candidates", aligned)

    def __getitem__(self, name: str) -> Candidate:
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise PoolError(f"the pool has the candidates {', '.join(c.name for c in self.candidates)}; got {name!r}.")

    def take(self, videos: NDArray[np.integer]) -> CandidatePool:
        """The pool of some videos only, in the order given."""
        return CandidatePool(
            self.labels.take(videos),
            [
                replace(
                    candidate,
                    predictions=candidate.predictions.take(videos),
                    by_precision={name: lists.take(videos) for name, lists in candidate.by_precision.items()},
                )
                for candidate in self.candidates
            ],
        )

    @classmethod
    def read(cls, path: str | PathLike[str]) -> CandidatePool:
        """Read a pool folder. Candidates come in the order of their names. Raises PoolError."""
        from gapsack.selection.pool.files import read_pool

        return read_pool(path)

    def write(self, path: str | PathLike[str]) -> None:
        """Write a pool folder, made when missing; files of other candidates in it stay."""
        write_labels(path, self.labels)
        for candidate in self.candidates:
            write_candidate(path, candidate)


def write_candidate(path: str | PathLike[str], candidate: Candidate) -> None:
    """Write one candidate into a pool folder; safe beside other writers, and seen by readers only when complete."""
    from gapsack.selection.pool.files import write_candidate as write

    write(path, candidate)


def write_labels(path: str | PathLike[str], labels: Labels) -> None:
    """Write the labels of a pool folder."""
    from gapsack.selection.pool.files import write_labels as write

    write(path, labels)


def _aligned(candidate: Candidate, labels: Labels) -> Candidate:
    return replace(
        candidate,
        predictions=candidate.predictions.aligned_to(labels, candidate.name),
        by_precision={
            precision: lists.aligned_to(labels, f"{candidate.name}.{precision}")
            for precision, lists in candidate.by_precision.items()
        },
    )
