from typing import Any

from gapsack.dashboards.page.search_facts import search_facts
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember


def facts(**known: Any) -> list[tuple[str, str]]:
    return search_facts(Ensemble((EnsembleMember("a", "int8", 1.0, 5),), total_bytes=5, budget_bytes=9, **known))


def test_what_is_missing_is_left_out() -> None:
    assert facts() == []
    assert facts(search={"feasible": None, "maximal": 4725}, held_out={"folds": []}) == [
        ("that nothing more fits into", "4,725")
    ]


def test_the_search_tells_how_it_ended_and_how_the_choice_was_made() -> None:
    search = {"stop_reason": "Stopped: the time limit.", "candidates": 18, "feasible": 14225, "could_still_win": 3}
    assert facts(search=search, preference="The smallest within noise.") == [
        ("search", "Stopped: the time limit."),
        ("choice", "The smallest within noise."),
        ("candidates", "18"),
        ("subsets within the budget", "14,225"),
        ("dropped early, could still win", "3"),
    ]


def test_a_difference_says_whether_it_is_noise() -> None:
    difference = {"difference": 0.002, "interval": [0.001, 0.003], "within_noise": False}
    assert facts(difference_to_runner_up=difference) == [("against the runner-up", "+0.0020, +0.0010 to +0.0030")]


def test_folds_are_told_apart_from_other_splits() -> None:
    folds = [{"score": 0.81}, {"score": 0.82}]
    assert facts(held_out={"folds": folds}) == [("held-out score of other splits", "0.8100, 0.8200")]
    assert facts(held_out={"folds": folds, "cross_fitted": True, "videos": 1500}) == [
        ("score on new videos", "cross-fitted on 1,500 videos in 2 folds"),
        ("of each fold", "0.8100, 0.8200"),
    ]
