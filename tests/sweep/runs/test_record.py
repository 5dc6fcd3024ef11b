"""record.json is read as what it was written, or refused with its path, the key and the way on."""

import json
import re

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.runs.record import TrialResult


@pytest.fixture
def path(tmp_path, trial_result):
    path = tmp_path / "record.json"
    done = trial_result(averaging_range=(10, 20), averaging_evaluated=((10, 20, 0.5), (20, 20, 0.4)), gap=1)
    path.write_text(json.dumps(done.to_dict()))
    return path


def test_a_record_is_read_as_it_was_written(path, trial_result):
    written = trial_result(averaging_range=(10, 20), averaging_evaluated=((10, 20, 0.5), (20, 20, 0.4)), gap=1.0)
    assert TrialResult.read(path) == written
    assert json.loads(path.read_text()) == written.to_dict()


def test_keys_that_later_versions_add_are_left_out(path, trial_result):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weather": "fine"}))
    assert TrialResult.read(path).name == trial_result().name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "gapsack.trial/2"}, "got the format 'gapsack.trial/2'"),
        ({"format": None}, "got the format None"),
        ({"gap": "0.5"}, "gap as '0.5'"),
        ({"size_bytes": {"float16": 2.5}}, "size_bytes.float16 as 2.5"),
        ({"averaging_range": [1]}, "averaging_range"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_key(path, change, told):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        TrialResult.read(path)
    assert f"expected the record of a finished trial in {path}" in str(caught.value)
    assert "delete the file to have the trial trained again" in str(caught.value)


@pytest.mark.parametrize(("text", "told"), [("{", "no JSON"), ("[]", "the format None")])
def test_a_file_that_is_no_record_is_refused(path, text, told):
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        TrialResult.read(path)


def test_a_key_that_is_missing_is_named(path):
    values = json.loads(path.read_text())
    del values["gap"]
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="got gap missing"):
        TrialResult.read(path)
