import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.selection import decimals
from gapsack.selection.units import MIB

SCORES = st.floats(1e-9, 1.0)


@pytest.mark.parametrize(
    ("difference", "error", "text"),
    [
        (0.3098, 0.01887, "+0.3098 ± 0.0189"),  # four decimals at least
        (0.00021, 0.000123, "+0.00021 ± 0.00012"),  # two digits of the error
        (-0.0001, 0.0004, "-0.0001 ± 0.0004"),  # one digit of an error that begins with a large one
        (0.0012, 0.00096, "+0.0012 ± 0.0010"),
        (0.5, 0.0000002, "+0.500000 ± 0.000000"),  # six at most
        (0.00002, 0.0, "+0.000020 ± 0.000000"),  # without an error the difference itself decides
        (0.0, 0.0, "0.0000 ± 0.0000"),
        (-0.00001, 0.05, "0.0000 ± 0.0500"),  # nothing that is shown as zero has a sign
    ],
)
def test_a_difference_is_as_long_as_its_error(difference: float, error: float, text: str) -> None:
    assert decimals.measured_text(difference, error) == text


def test_a_column_of_differences_has_the_decimals_of_the_surest() -> None:
    pairs = [(0.3098, 0.01887), None, (-0.0012, 0.00034)]
    assert decimals.measured_texts(pairs, minus="−") == ["+0.30980 ± 0.01887", None, "−0.00120 ± 0.00034"]
    assert decimals.signed_texts([0.0123, 0.00002, None, 0.0]) == ["+0.01230", "+0.00002", None, "0.00000"]
    assert decimals.signed_texts([0.0123, 0.00002], [0.002]) == ["+0.0123", "0.0000"]


@given(st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(0.0, 1.0)), min_size=1))
def test_an_estimate_and_its_error_are_equally_long(pairs: list[tuple[float, float]]) -> None:
    parts = [part for text in decimals.measured_texts(pairs) if text for part in text.split(" ± ")]
    lengths = {len(part.partition(".")[2]) for part in parts}
    assert len(lengths) == 1
    assert lengths <= {4, 5, 6}


def test_what_a_mib_is_worth_is_a_column_of_one_length() -> None:
    assert decimals.per_mib_texts([1.8, 0.18, None, 0.034]) == ["1.800", "0.180", None, "0.034"]
    assert decimals.per_mib_texts([0.000335, 2.6e-06, 0.0]) == ["0.0003350", "0.0000026", "0.0000000"]
    assert decimals.per_mib_texts([1.8, 2.6e-06]) == ["1.8000", "0.0000"]  # five digits of the largest at most
    assert decimals.per_mib_texts([123.4, 5678.0]) == ["123", "5678"]
    assert decimals.per_mib_texts([]) == []


@given(SCORES)
def test_what_a_mib_is_worth_has_two_digits_and_no_exponent(score: float) -> None:
    [text] = decimals.per_mib_texts([score])
    assert text is not None
    assert float(text) == pytest.approx(score, rel=0.051)
    assert "e" not in text


def test_scores_that_rise_by_little_are_told_apart() -> None:
    assert decimals.telling_decimals([0.81, 0.82, None]) == 4
    assert decimals.telling_decimals([0.81234, 0.81233]) == 5
    assert decimals.telling_decimals([0.812341, 0.812342, 0.9]) == 6
    assert decimals.telling_decimals([0.8, 0.8, 0.8 + 1e-9]) == 4  # no digits tell those apart
    assert decimals.telling_decimals([]) == 4


@given(st.floats(-1.0, 1.0), st.integers(4, 6))
def test_bounds_are_rounded_away_from_what_they_bound(score: float, digits: int) -> None:
    slack = 1e-9 * 10.0 ** (6 - digits)  # a bound that is itself a round number stays that
    assert float(decimals.floor_text(score, digits)) <= score + slack
    assert score <= float(decimals.bound_text(score, digits)) + slack


def test_a_round_bound_stays_as_it_is() -> None:
    assert decimals.bound_text(0.93) == decimals.floor_text(0.93) == "0.9300"
    assert (decimals.floor_text(0.93219), decimals.bound_text(0.93211)) == ("0.9321", "0.9322")


@pytest.mark.parametrize(
    ("weight", "text"), [(0.25, "0.2500"), (1.0, "1.0000"), (0.00002, "<0.0001"), (0.00006, "0.0001"), (0.0, "0.0000")]
)
def test_a_small_weight_does_not_look_like_none(weight: float, text: str) -> None:
    assert decimals.weight_text(weight) == text


def test_the_smallest_size_sets_the_decimals_of_a_column() -> None:
    assert decimals.mib_decimals([400 * MIB, 0.5 * MIB]) == 3
    assert decimals.mib_decimals([400 * MIB, None, 90 * MIB]) == 1
    assert decimals.mib_decimals([]) == 1
    assert decimals.mib_decimals([1]) == 3
    assert decimals.mib_numbers([1019.7 * MIB, None, 4 * MIB]) == ["1,019.70", None, "4.00"]
    assert decimals.mib_numbers([-2 * MIB, 15 * MIB], signed=True) == ["-2.00", "+15.00"]


def test_what_is_not_finite_decides_nothing() -> None:
    assert decimals.score_decimals([math.nan, math.inf, None, 0.0], [None]) == 4
