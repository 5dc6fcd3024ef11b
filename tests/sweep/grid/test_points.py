import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.points import trial_point, trial_points
from gapsack.sweep.grid.schema import Grid


def grid_of(search, options=None):
    return Grid.model_validate(
        {
            "name": "g",
            "data": {"level": "frame", "validate": ["v"], "classes": 7},
            "model": {"family": "gated_netvlad", "options": options or {}},
            "search": search,
        }
    )


AXES = st.dictionaries(
    st.sampled_from(["clusters", "hidden", "mixtures", "dropout"]),
    st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True),
    min_size=1,
)


@given(AXES)
def test_a_grid_is_the_product_of_its_axes_with_a_name_each(axes):
    points = trial_points(grid_of({"grid": axes}))
    assert len(points) == math.prod(len(values) for values in axes.values())
    assert len({point.name for point in points}) == len(points)
    for point in points:
        assert set(point.axes) == set(axes)
        assert all(value in axes[key] for key, value in point.axes.items())
        assert point.hyperparameters == {**point.axes, "classes": 7, "rgb": 1024, "audio": 128}


def test_points_follow_the_grid_in_the_order_written():
    points = trial_points(
        grid_of({"grid": {"hidden": [3, 4], "clusters": [2]}, "points": [{"clusters": 9, "hidden": 1}]})
    )
    assert [point.name for point in points] == ["K2-H3", "K2-H4", "K9-H1"]


def test_names_tell_what_varies_beside_clusters_and_hidden():
    grid = grid_of({"grid": {"hidden": [3], "mixtures": [2], "dropout": [0.25]}}, options={"clusters": 8})
    assert [point.name for point in trial_points(grid)] == ["K8-H3-mixtures2-dropout0.25"]


def test_a_name_is_a_file_name():
    point = trial_point(grid_of({"grid": {"activation": ["a/b c"]}}), {"activation": "../a b"})
    assert point.name == "activation.._a_b"


def test_the_same_trial_twice_is_an_error():
    grid = grid_of({"grid": {"clusters": [2], "hidden": [3]}, "points": [{"clusters": 2, "hidden": 3}]})
    with pytest.raises(ConfigError, match=r"K2-H3 again \(search\.points\[0\], first in search\.grid\)"):
        trial_points(grid)


def test_a_sampler_has_no_points_of_its_own():
    assert trial_points(grid_of({"sampler": {"trials": 3, "space": {"clusters": {"choices": [2]}}}})) == []


def names(search):
    return [point.name for point in trial_points(grid_of(search))]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.10000000001], ["dropout0.1", "dropout0.10000000001"]),
        ([0.10000000001, 0.1], ["dropout0.1", "dropout0.1_"]),
        ([0.12345678, 0.12345679, 0.123457], ["dropout0.123457", "dropout0.12345679", "dropout0.123457_"]),
        (["a b", "a_b", "a/b"], ["dropouta_b", "dropouta_b_", "dropouta_b_"]),
        ([1, "1"], ["dropout1", "dropout1_"]),
        ([True, "True"], ["dropoutTrue", "dropoutTrue_"]),
    ],
)
def test_values_that_are_printed_alike_have_names_of_their_own(values, expected):
    found = names({"grid": {"dropout": values}})
    assert len(set(found)) == len(values)
    for name, begins in zip(found, expected, strict=True):
        assert name.startswith(begins) if begins.endswith("_") else name == begins
    assert names({"points": [{"dropout": value} for value in values]}) == found
    sampled = grid_of({"sampler": {"trials": 3, "space": {"dropout": {"choices": values}}}})
    assert [trial_point(sampled, {"dropout": value}).name for value in values] == found


@given(st.lists(st.one_of(st.floats(0, 1), st.text("ab _/1.", max_size=3), st.integers(0, 12)), unique_by=repr))
def test_no_two_values_of_an_axis_share_a_name(values):
    different = list(dict.fromkeys(values))
    if different:
        assert len(set(names({"grid": {"dropout": different}}))) == len(different)


def test_values_that_are_added_behind_others_rename_nothing():
    first = [0.10000000001, 0.2, "a b"]
    before = names({"grid": {"dropout": first}})
    assert names({"grid": {"dropout": [*first, 0.1, "a_b", 0.20000000001]}})[:3] == before
    assert before == ["dropout0.1", "dropout0.2", "dropouta_b"]


def test_the_same_value_twice_is_the_same_trial():
    with pytest.raises(ConfigError, match=r"dropout0\.1 again"):
        names({"points": [{"dropout": 0.1}, {"dropout": 0.1}]})
    with pytest.raises(ConfigError, match="dropout1 again"):
        names({"points": [{"dropout": 1}, {"dropout": 1.0}]})
