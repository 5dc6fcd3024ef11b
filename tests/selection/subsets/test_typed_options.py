"""The options of a search as keywords: for type checkers, help and signatures the same as `Options`."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields

import pytest
from pools import case_of_seven

from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.frontier import frontier
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.typed_options import SearchOptions
from gapsack.selection.units import MIB


def test_type_checkers_see_every_option_with_its_type():
    typed = {name: annotation.__forward_arg__ for name, annotation in SearchOptions.__annotations__.items()}
    assert typed == {each.name: each.type for each in fields(Options)}
    assert not SearchOptions.__required_keys__


@pytest.mark.parametrize("function", [search_ensemble, frontier])
def test_help_shows_every_option_with_its_default(function):
    shown = inspect.signature(function).parameters
    for each in fields(Options):
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        assert shown[each.name].default == default
        assert shown[each.name].kind is inspect.Parameter.KEYWORD_ONLY
    assert "metric: gap@20" in inspect.getdoc(function)
    assert "options" not in shown


def test_a_budget_in_mib_is_one_in_bytes():
    _, _, pool = case_of_seven()
    by_mib = search_ensemble(pool, budget_mib=100 / MIB, folds=1)
    assert by_mib.to_dict() == search_ensemble(pool, budget_bytes=100, folds=1).to_dict()


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({}, "got neither"),
        ({"budget_mib": 1.0, "budget_bytes": 1}, "got both"),
        ({"budget_mib": 0}, "expected a budget above 0 MB, got 0"),
        ({"budget_mib": float("nan")}, "got nan"),
        ({"budget_mib": float("inf")}, "got inf"),
        ({"budget_bytes": -1}, "got -1"),
        ({"budget_bytes": 1.5}, "got 1.5"),
    ],
)
def test_other_budgets_are_refused(budget, told):
    with pytest.raises(BudgetError, match=told):
        search_ensemble(case_of_seven()[2], **budget)


def test_an_option_outside_its_range_is_told_as_ever():
    with pytest.raises(InputError, match="folds must be"):
        search_ensemble(case_of_seven()[2], budget_mib=1.0, folds=0)
