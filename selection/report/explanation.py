"""Why an ensemble is what it is: what its members bring, what others would, and what bytes are worth.

All scores are of the metric of the search, higher being better. Tuning figures are of the items that the members were
chosen on, with weights searched again for each ensemble. Those of items that did not choose weights have an error: a
difference below it is noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gapsack.selection.report.difference import Difference


@dataclass(frozen=True)
class MemberValue:
    """What a member brings: the ensemble without it, weights of the others searched again.

    Attributes:
        name: of the member.
        precision: of it.
        freed_bytes: of the budget, without it.
        tuning_loss: score that the ensemble loses without it; None of an only member.
        held_out_loss: the same on items that did not choose weights, where there are any.
        weights: of the others then, by name.
    """

    name: str
    precision: str
    freed_bytes: int
    tuning_loss: float | None
    held_out_loss: Difference | None
    weights: dict[str, float]


@dataclass(frozen=True)
class CandidateValue:
    """What a candidate that is no member would bring: the best ensemble with it that is near and fits.

    Attributes:
        name: of the candidate.
        precision: that it would have; "" where nothing with it fits.
        leaves: members that would leave for it, or be stored otherwise ("a at int8").
        total_bytes: of the members then; None where nothing with it fits.
        tuning_gain: score that the ensemble gains; mostly below zero, as it was chosen for its score.
        held_out_gain: the same on items that did not choose weights, where there are any.
        weights: of all members then, by name; none where nothing with it fits.
    """

    name: str
    precision: str
    leaves: tuple[str, ...]
    total_bytes: int | None
    tuning_gain: float | None
    held_out_gain: Difference | None
    weights: dict[str, float]


@dataclass(frozen=True)
class PrecisionValue:
    """What another precision of a member would change, the others staying as they are.

    Attributes:
        name: of the member.
        taken: its precision.
        precision: the other one.
        added_bytes: that it would take more; negative where it takes fewer.
        tuning_gain: score that the ensemble would gain.
        held_out_gain: the same on items that did not choose weights, where there are any.
        fits: whether the budget has room for it.
        predicts_the_same: whether the member predicts the same at both.
    """

    name: str
    taken: str
    precision: str
    added_bytes: int
    tuning_gain: float
    held_out_gain: Difference | None
    fits: bool
    predicts_the_same: bool


@dataclass(frozen=True)
class AtBudget:
    """The best ensemble that is known for a budget.

    Attributes:
        budget_bytes: the budget.
        total_bytes: of its members.
        members: "name precision" of each.
        tuning_score: on the items that members are chosen on.
        found_by: the search for the ensemble itself, or a short one from it for this budget.
    """

    budget_bytes: int
    total_bytes: int
    members: tuple[str, ...]
    tuning_score: float
    found_by: Literal["this search", "a short search for this budget"]


@dataclass(frozen=True)
class Price:
    """What a MiB is worth around this budget; scores never fall as budgets rise, so no price is negative.

    Attributes:
        here: at the budget; it may be ahead of the ensemble, which need not take what gains less than noise.
        less: at a budget that is a little smaller; None where nothing fits.
        more: at one that is a little larger.
        lost_per_mib: score that each MiB less costs, between ``less`` and ``here``.
        gained_per_mib: score that each MiB more buys, between ``here`` and ``more``.
    """

    here: AtBudget
    less: AtBudget | None
    more: AtBudget
    lost_per_mib: float | None
    gained_per_mib: float


@dataclass(frozen=True)
class Explanation:
    """All of it, each part in order of score.

    Attributes:
        members: who brings most first.
        candidates: who would bring most first; those with whom nothing fits last.
        precisions: of members, those not taken; what gains most first.
        price: of a MiB.
        tuning_score: of the ensemble, from which differences are.
        held_out: on which items the other figures are, as a sentence; "" without such items.
        notes: sentences on what was left out.
    """

    members: tuple[MemberValue, ...]
    candidates: tuple[CandidateValue, ...]
    precisions: tuple[PrecisionValue, ...]
    price: Price
    tuning_score: float
    held_out: str = ""
    notes: tuple[str, ...] = ()
