"""One schema of ensemble.json: what a search writes, and what a person may write by hand."""

import json

import pytest

from gapsack.selection.errors import InputError
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember

BY_HAND = {"members": [{"name": "a", "weight": 1}], "budget_bytes": 9}
SIZED = [EnsembleMember("a", "int8", 0.75, 5), EnsembleMember("b", "float16", 0.25, 2)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ensemble.json"


def write(path, record):
    path.write_text(json.dumps(record))
    return path


def test_members_weights_and_a_budget_are_enough(path):
    found = Ensemble.read(write(path, BY_HAND))
    assert found.members == (EnsembleMember("a", "", 1.0, 0),)
    assert (found.budget_bytes, found.total_bytes, found.reserve_bytes) == (9, 0, 0)
    assert (found.blend, found.metric, found.gap, found.pool) == ("probability", "gap", None, None)


def test_the_total_is_that_of_the_members_where_nobody_says(path):
    record = {"members": [vars(member) for member in SIZED], "budget_bytes": 9}
    assert Ensemble.read(write(path, record)).total_bytes == 7
    assert Ensemble.read(write(path, record | {"total_bytes": 8})).total_bytes == 8


def test_what_is_written_is_read_again_and_keys_of_others_are_left_aside(path):
    written = Ensemble(tuple(SIZED), total_bytes=7, budget_bytes=9, pool="../pool", preference="Größe – kleiner")
    written.write(path)
    assert Ensemble.read(path) == written
    assert "Größe – kleiner" in path.read_text(encoding="utf-8")
    write(path, written.to_dict() | {"weather": "fine"})
    assert Ensemble.read(path) == written


def test_without_a_pool_the_file_has_no_such_key(path):
    written = Ensemble(tuple(SIZED), total_bytes=7, budget_bytes=9)
    assert "pool" not in written.to_dict()
    assert list(written.to_dict())[:5] == ["format", "members", "blend", "total_bytes", "reserve_bytes"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"members": BY_HAND["members"]}, "budget_bytes is not there"),
        (BY_HAND | {"members": []}, "needs members"),
        (BY_HAND | {"members": ["a"]}, "members.0 is 'a'"),
        (BY_HAND | {"members": [{"name": "a"}]}, "members.0.weight is not there"),
        (BY_HAND | {"blend": "mean"}, "blend is 'mean'"),
        (BY_HAND | {"format": "gapsack.ensemble/2"}, "has the format 'gapsack.ensemble/1'"),
        ([], "a JSON object; got list"),
        (BY_HAND | {"members": [1]}, "members.0 is 1"),
        (BY_HAND | {"members": [{"name": "a", "weight": "x"}]}, "members.0.weight is 'x'"),
        (BY_HAND | {"members": [{"name": "a", "weight": "1"}]}, "members.0.weight is '1'"),
        (BY_HAND | {"members": [{"name": "a", "weight": True}]}, "members.0.weight is True"),
        (BY_HAND | {"members": [{"name": "a", "weight": 1, "size_bytes": 3.0}]}, "members.0.size_bytes is 3.0"),
        (BY_HAND | {"members": [{"name": "a", "weight": -1}]}, "weights are positive; that of a is -1.0"),
        (BY_HAND | {"members": [{"name": "a", "weight": 2}]}, "weights sum to 1, within 0.005; these sum to 2.0"),
        (
            BY_HAND | {"members": [{"name": "a", "weight": 0.5}, {"name": "a", "weight": 0.5}]},
            "each member once, in one precision; a is there again",
        ),
        (BY_HAND | {"budget_bytes": 2**70}, "budget_bytes is above 0"),
    ],
)
def test_what_is_no_ensemble_is_told_with_its_file_and_key(path, record, told):
    with pytest.raises(InputError) as caught:
        Ensemble.read(write(path, record))
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_weights_rounded_by_hand_are_a_mean(path):
    members = [{"name": name, "weight": 0.333} for name in "abc"]
    assert len(Ensemble.read(write(path, BY_HAND | {"members": members})).members) == 3


def test_a_key_given_twice_is_refused(path):
    path.write_text('{"members": [{"name": "a", "weight": 1, "weight": 0.5}], "budget_bytes": 9}')
    with pytest.raises(InputError, match="the key 'weight' twice in one object"):
        Ensemble.read(path)


@pytest.mark.parametrize(
    "metric", ["gap", "gap@20", "log_loss", "binary_log_loss", "categorical_log_loss", "map", "mine"]
)
def test_metrics_of_earlier_versions_are_read_by_their_names(path, metric):
    record = {"members": [{"name": "a", "weight": 1.0}], "budget_bytes": 10, "metric": metric, "tuning_score": -0.5}
    path.write_text(json.dumps(record))
    # It meant the binary one, whatever the labels, and would mean the categorical one of some today.
    assert Ensemble.read(path).metric == ("binary_log_loss" if metric == "log_loss" else metric)
    assert Ensemble.read(path).weighting == {}
