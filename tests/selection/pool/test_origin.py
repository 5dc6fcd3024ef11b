"""Origins of today and of the first files, read as the same types; what is wrong is told with its file and key."""

import pytest

from gapsack.selection.errors import PoolError
from gapsack.selection.pool.origin import (
    CheckpointOrigin,
    FreeOrigin,
    SavedModelOrigin,
    TrialOrigin,
    WeightsOrigin,
    read_origin,
)

TASK = {"name": "youtube8m", "level": "frame", "classes": 24, "rgb": 16, "audio": 8, "max_frames": 8}
SEEN = {"sample_frames": 4, "max_frames": 8, "level": "frame", "features": {"rgb": 16, "audio": 8}}
WEIGHTS = {"family": "gated_netvlad", "weights": "../w.npz"}
SIZES = {"classes": 24, "rgb": 16, "audio": 8, "clusters": 4}
TRIAL = TrialOrigin(run="r", sample_frames=4, task=TASK, **WEIGHTS)
CHECKPOINT = CheckpointOrigin(checkpoint="/c", scope="tower", sample_frames=4, task=TASK, **WEIGHTS)
SAVED = SavedModelOrigin(saved_models={"float32": "../s"}, sample_frames=4, task=TASK)
FIRST = [
    (TRIAL, {"kind": "trial", "run": "r", **WEIGHTS, **SEEN}, SIZES),
    (CHECKPOINT, {"kind": "checkpoint", "checkpoint": "/c", "scope": "tower", **WEIGHTS, **SEEN}, SIZES),
    (SAVED, {"kind": "savedmodel", "saved_models": {"float32": "../s"}, "classes": 24, **SEEN}, {}),
    # By hand, without a kind; classes and features among the hyperparameters, as the family has them.
    (WeightsOrigin(sample_frames=4, task=TASK, **WEIGHTS), {**WEIGHTS, **SEEN, "features": None}, SIZES),
]


@pytest.mark.parametrize("origin", [TRIAL, CHECKPOINT, SAVED], ids=lambda origin: origin.kind)
def test_an_origin_is_read_as_it_was_written(origin):
    assert read_origin(origin.to_dict(), {}, "a.json") == origin


@pytest.mark.parametrize(("expected", "values", "hyperparameters"), FIRST)
def test_files_of_the_first_version_are_read_as_tasks_of_youtube8m(expected, values, hyperparameters):
    found = read_origin(values, hyperparameters, "a.json")
    assert type(found) is type(expected)
    assert found == expected


def test_what_old_files_leave_out_is_what_was_meant():
    found = read_origin({**WEIGHTS, "level": "video"}, {"classes": 24}, "a.json")
    assert isinstance(found, WeightsOrigin)
    sizes = {"classes": 24, "rgb": 1024, "audio": 128, "max_frames": 300}
    assert found.task == {"name": "youtube8m", "level": "video", **sizes}
    assert (found.sample_frames, found.calibration) == (1, None)


@pytest.mark.parametrize(
    "values", [{}, {"kind": "import"}, {"kind": "mine", "saved_models": "none"}, {"kind": 3.5}, {"family": "lstm"}]
)
def test_a_pool_made_by_hand_may_say_what_it_likes(values):
    found = read_origin(values, {}, "a.json")
    assert type(found) is FreeOrigin
    assert found.to_dict() == values


def test_further_keys_are_kept():
    values = TRIAL.to_dict() | {"note": "the good one"}
    assert read_origin(values, {}, "a.json").to_dict() == values


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "trial", "run": "r", "task": TASK, "weights": "w"}, "got origin.family missing"),
        (TRIAL.to_dict() | {"sample_frames": "4"}, "origin.sample_frames as '4'"),
        (SAVED.to_dict() | {"saved_models": {}}, "origin.saved_models"),
        ({**WEIGHTS, "level": "frame"}, "expected origin.classes as a whole number, got None"),
        ({**WEIGHTS, "level": "frame", "features": 3}, "expected origin.features as rgb and audio, got 3"),
    ],
)
def test_what_cannot_be_packed_is_told_with_its_file_and_key(values, told):
    with pytest.raises(PoolError) as caught:
        read_origin(values, {}, "pool/a.json")
    assert str(caught.value).startswith("pool/a.json: ")
    assert told in str(caught.value)
