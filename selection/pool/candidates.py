"""The candidate pool: models to choose from, with their sizes and what they predict for the same items.

On disk it is a folder that trials write, ``select`` reads and anyone can make by hand (see ``selection.pool.files``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gapsack.selection.decimals import mib_numbers, score_texts
from gapsack.selection.errors import PoolError
from gapsack.selection.pool.files import read_pool, write_candidate, write_labels
from gapsack.selection.shown import html_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from gapsack.selection.pool.candidate import Candidate
    from gapsack.selection.pool.lists import Labels


MOST_NAMED = 6
"""Candidates that a pool names where it is printed."""


@dataclass(frozen=True)
class CandidatePool:
    """Candidates and the ground truth of the items that they all predict.

    Rows of the predictions are put into the order of the labels, by item id.

    Raises:
        PoolError: no candidate, a name twice, predictions of other items than the labels', or a shared group that
            takes other bytes in one candidate than in another.
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
        _check_groups(aligned)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "candidates", aligned)

    def __repr__(self) -> str:
        names = ", ".join(candidate.name for candidate in self.candidates[:MOST_NAMED])
        more = f", … ({len(self.candidates)})" if len(self.candidates) > MOST_NAMED else ""
        return f"<CandidatePool {names}{more}; {self._items()}>"

    def _repr_html_(self) -> str:
        precisions = list(dict.fromkeys(name for each in self.candidates for name in each.size_bytes))
        columns_of_cells = (
            [each.name for each in self.candidates],
            score_texts([each.metrics.get("gap") for each in self.candidates]),
            *(mib_numbers([each.size_bytes.get(name) for each in self.candidates]) for name in precisions),
        )
        rows = list(zip(*columns_of_cells, strict=True))
        columns = ["candidate", "GAP", *(f"{name} MiB" for name in precisions)]
        return html_table("Candidate pool", columns, rows, below=f"{self._items()}.")

    def _items(self) -> str:
        labels = self.labels
        return f"{labels.video_count:,} items with {labels.label_count:,} labels of {labels.class_count:,} classes"

    def __getitem__(self, name: str) -> Candidate:
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise PoolError(f"the pool has the candidates {', '.join(c.name for c in self.candidates)}; got {name!r}.")

    def take(self, videos: NDArray[np.integer]) -> CandidatePool:
        """The pool of some items only, in the order given."""
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
    def read(cls, path: str | PathLike[str], *, left_out: Callable[[str], object] | None = None) -> CandidatePool:
        """Read a pool folder. Candidates come in the order of their names. Raises PoolError.

        Args:
            path: of the folder.
            left_out: see ``selection.pool.files.read_pool``.
        """
        return cls(*read_pool(path, left_out))

    def write(self, path: str | PathLike[str]) -> None:
        """Write a pool folder, made when missing; files of other candidates in it stay."""
        write_labels(path, self.labels)
        for candidate in self.candidates:
            write_candidate(path, candidate)


def _aligned(candidate: Candidate, labels: Labels) -> Candidate:
    return replace(
        candidate,
        predictions=candidate.predictions.aligned_to(labels, candidate.name),
        by_precision={
            precision: lists.aligned_to(labels, f"{candidate.name}.{precision}")
            for precision, lists in candidate.by_precision.items()
        },
    )


def _check_groups(candidates: Iterable[Candidate]) -> None:
    """Raise a PoolError where the tensors of a shared group cannot be the same, since their bytes are not as many."""
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for candidate in candidates:
        for group, sizes in candidate.shared.items():
            for precision, size in sizes.items():
                other, known = first.setdefault((group, precision), (candidate.name, size))
                if size != known:
                    raise PoolError(
                        f"the shared group {group} must take the same bytes in every candidate at {precision}; "
                        f"got {known} in {other} and {size} in {candidate.name}."
                    )
