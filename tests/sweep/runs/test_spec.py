import json

import pytest

from gapsack.sweep.runs.spec import TrialSpec


def test_a_spec_survives_json(small_trial):
    spec = small_trial()
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def changed(spec, **values):
    return TrialSpec.from_dict(spec.to_dict() | values)


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"learning_rate": 0.5}},
        {"training": {"seed": 9}},
        {"data": {"max_frames": 7}},
        {"model": {"options": {"mixtures": 3}}},
    ],
)
def test_what_changes_the_result_changes_the_fingerprint(small_trial, change):
    spec = small_trial()
    (section, values) = next(iter(change.items()))
    grid = spec.to_dict()["grid"]
    other = changed(spec, grid=grid | {section: grid[section] | values})
    assert other.fingerprint() != spec.fingerprint()


def test_other_files_change_the_fingerprint_and_their_folder_does_not(small_trial):
    spec = small_trial()
    moved = [f"gs://bucket/{path.rsplit('/', 1)[-1]}" for path in spec.train_files]
    assert changed(spec, train_files=moved).fingerprint() == spec.fingerprint()
    assert changed(spec, train_files=moved[:1]).fingerprint() != spec.fingerprint()


def test_resources_tracking_and_places_do_not_change_the_fingerprint(small_trial):
    spec = small_trial()
    grid = spec.to_dict()["grid"] | {"storage": "elsewhere", "name": "other", "budget": {"mib": 5}}
    grid["resources"] = grid["resources"] | {"cpus": 4, "retries": 0}
    assert changed(spec, run_folder="/elsewhere", grid=grid).fingerprint() == spec.fingerprint()
