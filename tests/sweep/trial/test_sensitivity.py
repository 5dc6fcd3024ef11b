"""The choice of a mixed precision, on models of how much each tensor loses."""

from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.models import sizes
from gapsack.models.precisions import mixed
from gapsack.selection.errors import InputError
from gapsack.sweep.trial.sensitivity import LARGE_OPTIONS, OTHERS, OTHERS_OPTIONS, choose_recipe

NETVLAD_GROUPS = ("hidden1", "gates", "experts", "gating_prob")
GROUPS = (*NETVLAD_GROUPS, OTHERS)
OPTIONS = dict.fromkeys(NETVLAD_GROUPS, LARGE_OPTIONS) | {OTHERS: OTHERS_OPTIONS}
SMALL = {"clusters": 8, "hidden": 16, "classes": 30, "mixtures": 2}
LOSSES = {"32": 0.0, "16": 1e-5, "8": 2e-4, "4": 3e-3}
WEIGHT = dict(zip(GROUPS, (1.0, 0.1, 0.02, 2.0, 0.5), strict=True))


@cache
def size_bytes(recipe):
    return sizes.size_bytes("gated_netvlad", SMALL, recipe)


def letters(recipe):
    return recipe.split("_")[1:]


class Model:
    """GAP 0.8 less each tensor's loss; `together` multiplies the sum where more than one is stored smaller."""

    def __init__(self, together=1.0, weight=WEIGHT, impossible=()):
        self.together, self.weight, self.impossible, self.asked = together, weight, impossible, []

    def loss(self, recipe):
        losses = [LOSSES[letter] * self.weight[group] for group, letter in zip(GROUPS, letters(recipe), strict=True)]
        return sum(losses) * (self.together if sum(loss > 0 for loss in losses) > 1 else 1)

    def gap(self, recipe):
        self.asked.append(recipe)
        for group, letter in zip(GROUPS, letters(recipe), strict=True):
            if (group, letter) in self.impossible:
                raise InputError("beyond the range")
        return 0.8 - self.loss(recipe)


def cheapest(model, allowed):
    """The naive choice: look at every recipe."""
    recipes = [mixed(choice) for choice in product(*OPTIONS.values())]
    within = [recipe for recipe in recipes if model.loss(recipe) <= allowed]
    return min(size_bytes(recipe) for recipe in within)


@settings(deadline=None)
@given(st.floats(0, 0.02), st.lists(st.floats(0, 3), min_size=5, max_size=5))
def test_where_losses_add_up_no_recipe_within_the_allowance_is_smaller(allowed, weights):
    model = Model(weight=dict(zip(GROUPS, weights, strict=True)))
    chosen = choose_recipe(NETVLAD_GROUPS, model.gap, size_bytes, allowed + 1e-9)
    assert size_bytes(chosen.recipe) <= cheapest(model, allowed)
    assert model.loss(chosen.recipe) <= allowed + 1e-8
    assert chosen.gap_loss == pytest.approx(model.loss(chosen.recipe), abs=1e-12)


def test_sensitive_tensors_stay_larger():
    chosen = choose_recipe(NETVLAD_GROUPS, Model().gap, size_bytes, 5e-4)
    assert chosen.recipe == "mixed_8_8_4_16_8"
    assert chosen.by_group["gating_prob"]["8"] == pytest.approx(4e-4)
    assert chosen.by_group[OTHERS].keys() == {"16", "8"}
    assert chosen.to_dict()["recipe"] == chosen.recipe


def test_losses_that_more_than_add_up_are_found_by_measuring():
    model = Model(together=3.0)
    chosen = choose_recipe(NETVLAD_GROUPS, model.gap, size_bytes, 5e-4)
    assert model.loss(chosen.recipe) <= 5e-4
    assert size_bytes(chosen.recipe) > size_bytes(choose_recipe(NETVLAD_GROUPS, Model().gap, size_bytes, 5e-4).recipe)
    assert len(model.asked) == len(set(model.asked))


def test_gains_pay_for_nothing():
    lucky = Model(weight=WEIGHT | {GROUPS[0]: -10.0})
    chosen = choose_recipe(NETVLAD_GROUPS, lucky.gap, size_bytes, 5e-4)
    others = dict(zip(GROUPS[1:], letters(chosen.recipe)[1:], strict=True))
    assert sum(LOSSES[letter] * WEIGHT[group] for group, letter in others.items()) <= 5e-4


def test_what_float16_cannot_hold_is_stored_otherwise():
    experts = GROUPS[2]
    model = Model(weight=WEIGHT | {experts: 100.0}, impossible={(experts, "16")})
    chosen = choose_recipe(NETVLAD_GROUPS, model.gap, size_bytes, 5e-4)
    assert letters(chosen.recipe)[2] == "32"
    assert "16" not in chosen.by_group[experts]


def test_no_recipe_within_the_allowance_is_an_error_with_what_was_tried():
    def gap(recipe):
        return 0.8 if recipe == mixed(["32"] * 5) or sum(letter != "32" for letter in letters(recipe)) == 1 else 0.1

    with pytest.raises(InputError, match=r"at most 0.0005 GAP, got losses of mixed_4_4_4_4_8 0.7000, "):
        choose_recipe(NETVLAD_GROUPS, gap, size_bytes, 5e-4)
