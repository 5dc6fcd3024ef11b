from collections.abc import Callable

from gapsack.dashboards.hyperparameters import distinct, value_text, varied
from gapsack.dashboards.records import SweepRecords, TrialRecord


def test_only_what_differs_is_varied(records: SweepRecords) -> None:
    assert varied(records.trials) == ("clusters", "hidden")
    assert varied(records.trials[:1]) == ()


def test_a_hyperparameter_that_some_trials_lack_is_compared_among_the_others(
    trial: Callable[..., TrialRecord],
) -> None:
    trials = [trial(8, 64, 1, 0.8, hyperparameters=values) for values in ({"a": 1}, {"a": 1, "b": 2}, {"b": 3})]
    assert varied(trials) == ("b",)


def test_numbers_are_ordered_by_size_and_text_by_name() -> None:
    assert distinct([100, 8, None, 32, 8]) == [8, 32, 100]
    assert distinct(["relu", "gelu", "relu"]) == ["gelu", "relu"]
    assert distinct([{"name": "dense"}, "relu"]) == ["relu"]  # what describes a task is nothing that one varies
    assert distinct(["relu", 3, True]) == [3, True, "relu"]


def test_values_are_short() -> None:
    assert [value_text(value) for value in (16, 3.31284e-05, 0.5, "relu", True)] == [
        "16",
        "3.313e-05",
        "0.5",
        "relu",
        "True",
    ]
