"""What a search that began from an earlier ensemble changed."""

from __future__ import annotations

from dataclasses import dataclass

from gapsack.selection.report.difference import Difference


@dataclass(frozen=True)
class Placed:
    """A member that is in one of the two ensembles alone."""

    name: str
    precision: str
    weight: float
    size_bytes: int


@dataclass(frozen=True)
class Stayed:
    """A member of both: its precision and weight in the earlier ensemble and in this one."""

    name: str
    precision_before: str
    precision: str
    weight_before: float
    weight: float


@dataclass(frozen=True)
class Changes:
    """From the earlier ensemble to this one.

    Attributes:
        joined: members that are new, heaviest first.
        left: members that are gone, heaviest first.
        stayed: members of both, heaviest first.
        total_bytes_before: of the earlier members, as the earlier ensemble says.
        tuning_score_before: its score on the items that this one was chosen on, with its own weights; None where
            members or precisions of it are not in the pool.
        tuning_gain: what this one scores more there.
        held_out_gain: what this one scores more on items that did not choose weights, those of both being searched
            again without them where folds report; None without such items.
        notes: sentences on what of the earlier ensemble could not be taken.
    """

    joined: tuple[Placed, ...]
    left: tuple[Placed, ...]
    stayed: tuple[Stayed, ...]
    total_bytes_before: int
    tuning_score_before: float | None = None
    tuning_gain: float | None = None
    held_out_gain: Difference | None = None
    notes: tuple[str, ...] = ()
