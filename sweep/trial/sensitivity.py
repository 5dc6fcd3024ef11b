"""A precision for each tensor of a member, by what each costs: bytes saved for GAP lost, measured on training videos.

Each group of tensors is stored smaller by itself, all else as trained, and the GAP that this loses is measured. Losses
are taken to add up; of all recipes whose sum is within the allowance the smallest is taken, and measured as a whole. If
it loses more than is allowed after all, the next one is chosen with half the allowance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from gapsack.models.precisions import mixed
from gapsack.selection.decimals import score_text, telling_decimals
from gapsack.selection.errors import InputError

OTHERS = "other matrices"
"""The last of what has a precision of its own, after the groups of the family's large tensors."""

EXACT = "32"
LARGE_OPTIONS = (EXACT, "16", "8", "4")
OTHERS_OPTIONS = (EXACT, "16", "8")  # a few percent of the bytes: not worth what int4 loses
"""Letters of a mixed precision's name that are tried."""

ATTEMPTS = 8
"""Recipes measured as a whole before giving up."""


@dataclass(frozen=True)
class SensitivityResult:
    """What was measured, and the recipe that follows.

    Attributes:
        recipe: Name of the mixed precision.
        gap_loss: What it loses as a whole, on the videos measured; negative where it happens to gain.
        by_group: GAP that each group loses by itself at each option; options that cannot hold the weights are missing.
    """

    recipe: str
    gap_loss: float
    by_group: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def choose_recipe(
    groups: Sequence[str], gap: Callable[[str], float], size_bytes: Callable[[str], int], max_gap_loss: float
) -> SensitivityResult:
    """The smallest mixed precision that loses at most `max_gap_loss`; ties go to the smaller expected loss.

    Args:
        groups: Those of the family's large tensors (`tensors.groups_of`).
        gap: GAP of the model as a precision stores it; InputError where that cannot hold the weights.
        size_bytes: Exact size of the model in a precision.
        max_gap_loss: What a recipe may lose of the GAP of the float32 weights.

    Raises:
        InputError: none of the recipes that were tried is within it.
    """
    names = (*groups, OTHERS)
    exact = gap(mixed([EXACT] * len(names)))
    by_group = {name: _losses(gap, exact, place, len(names)) for place, name in enumerate(names)}
    # A gain is chance: it must not pay for the loss of another tensor.
    costs = [{EXACT: 0.0} | {option: max(0.0, loss) for option, loss in by_group[name].items()} for name in names]
    expected = {
        mixed(letters): sum(cost[letter] for cost, letter in zip(costs, letters, strict=True))
        for letters in product(*costs)
    }
    ordered = sorted(expected, key=lambda recipe: (size_bytes(recipe), expected[recipe], recipe))
    allowance = max_gap_loss
    tried: dict[str, float] = {}
    while len(tried) < ATTEMPTS:
        recipe = next((name for name in ordered if name not in tried and expected[name] <= allowance), None)
        if recipe is None:
            break
        tried[recipe] = exact - gap(recipe)
        if tried[recipe] <= max_gap_loss:
            return SensitivityResult(recipe, tried[recipe], by_group)
        allowance /= 2
    digits = telling_decimals([*tried.values(), max_gap_loss])
    losses = ", ".join(f"{recipe} {score_text(loss, digits)}" for recipe, loss in tried.items())
    raise InputError(f"expected a mixed precision that loses at most {max_gap_loss:g} GAP, got losses of {losses}")


def _losses(gap: Callable[[str], float], exact: float, place: int, count: int) -> dict[str, float]:
    """What each option of the group at `place` of `count` loses by itself."""
    losses = {}
    for option in OTHERS_OPTIONS if place == count - 1 else LARGE_OPTIONS:
        if option != EXACT:
            letters = [EXACT] * count
            letters[place] = option
            try:
                losses[option] = exact - gap(mixed(letters))
            except InputError:  # beyond the range of float16
                continue
    return losses
