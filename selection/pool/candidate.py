"""One model to choose from: its name, its size in each precision, and what it predicts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import PoolError
from gapsack.selection.units import MAX_SIZE_BYTES

if TYPE_CHECKING:
    from gapsack.selection.pool.lists import Predictions

# A name becomes a file name and, in the graph, part of a variable's name.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")
MAX_NAME_LENGTH, MAX_PRECISION_LENGTH = 160, 60
"""Together they leave room, in the 255 bytes of a file's name, for what stands around both while it is written."""


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
        shared: bytes of groups of tensors by group and precision, {"body": {"float16": 1000}}: tensors that are the
            same in every candidate that names the group at that precision, and count once in an ensemble. They are part
            of ``size_bytes``.
    """

    name: str
    size_bytes: dict[str, int]
    predictions: Predictions
    by_precision: dict[str, Predictions] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_sizes(self.name, self.size_bytes)
        check_shared(self.name, self.size_bytes, self.shared)
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

    def shared_at(self, precision: str) -> dict[str, int]:
        """Bytes of the groups of tensors that are shared at a precision, by group."""
        return {group: sizes[precision] for group, sizes in self.shared.items() if precision in sizes}


def check_name(name: object) -> None:
    """Raise a PoolError when a candidate cannot be called so."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name) or name == "labels":
        raise PoolError(
            "a candidate's name must start with a letter or digit, hold letters, digits and ._+=- only, "
            f"and not be 'labels'; got {name!r}."
        )
    if len(name) > MAX_NAME_LENGTH:
        raise PoolError(
            f"a candidate's name must have at most {MAX_NAME_LENGTH} characters; got {len(name)} in {name[:40]}…"
        )


def check_sizes(name: str, size_bytes: object) -> None:
    """Raise a PoolError when these are not a candidate's sizes by precision."""
    if not isinstance(size_bytes, dict) or not size_bytes:
        raise PoolError(f"candidate {name}: size_bytes must name at least one precision; got {size_bytes!r}.")
    for precision, size in size_bytes.items():
        if (
            not isinstance(precision, str)
            or not NAME_PATTERN.fullmatch(precision)
            or len(precision) > MAX_PRECISION_LENGTH
        ):
            raise PoolError(
                f"candidate {name}: a precision must start with a letter or digit and hold at most "
                f"{MAX_PRECISION_LENGTH} letters, digits and ._+=-; got {precision!r}."
            )
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_SIZE_BYTES:
            raise PoolError(
                f"candidate {name}: the size of {precision} must be a positive whole number of bytes, "
                f"at most {MAX_SIZE_BYTES}; got {size!r}."
            )


def check_shared(name: str, size_bytes: dict[str, int], shared: object) -> None:
    """Raise a PoolError when these are not the shared groups of a candidate with some sizes by precision."""
    if not isinstance(shared, dict):
        raise PoolError(f"candidate {name}: shared must name groups of tensors with their bytes; got {shared!r}.")
    for group, sizes in shared.items():
        if not isinstance(group, str) or not NAME_PATTERN.fullmatch(group) or len(group) > MAX_NAME_LENGTH:
            raise PoolError(
                f"candidate {name}: a shared group must start with a letter or digit and hold at most "
                f"{MAX_NAME_LENGTH} letters, digits and ._+=-; got {str(group)[:200]!r}."
            )
        if not isinstance(sizes, dict) or not sizes:
            raise PoolError(f"candidate {name}: the shared group {group} needs bytes by precision; got {sizes!r}.")
        for precision, size in sizes.items():
            if precision not in size_bytes:
                raise PoolError(
                    f"candidate {name}: the shared group {group} must be of precisions that have a size "
                    f"({', '.join(size_bytes)}); got {precision!r}."
                )
            if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
                raise PoolError(
                    f"candidate {name}: the shared group {group} must take a positive whole number of bytes at "
                    f"{precision}; got {size!r}."
                )
    for precision, size in size_bytes.items():
        total = sum(sizes[precision] for sizes in shared.values() if precision in sizes)
        if total > size:
            raise PoolError(
                f"candidate {name}: shared groups are a part of the {size} bytes at {precision}; got {total} bytes of "
                "them."
            )
