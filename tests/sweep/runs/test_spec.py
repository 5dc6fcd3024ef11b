import json

import pytest

from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec


def test_a_spec_survives_json(small_trial):
    spec = small_trial()
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


KEPT = {
    "682f9397a9ea1c454581879e4cf5b95ab8de83326f7b6bba6025b28db7d6f903": {},
    "34f0e68eab13ae766702c15a341c238a1e73978464ae99e799c00f6973173e04": {
        "steps": 24,
        "batch_size": 8,
        "sample_frames": 4,
        "learning_rate": 1,
        "seed": 3,
        "clip_norm": None,
        "global_clip_norm": 5,
        "accumulate": 2,
        "schedule": "cosine",
        "warmup_steps": 3,
        "ema_decay": 0.9,
        "compute": "bfloat16",
        "xla": False,
        "pruning": {"sparsity": 0.75, "every_steps": 3},
        "precisions": ["float16", "auto"],
        "sensitivity": {"gap_loss": 1e-3},
    },
}
"""Sections `training` by the fingerprint that the first release gave them."""


@pytest.mark.parametrize("fingerprint", KEPT)
def test_a_checkpoint_of_an_earlier_release_goes_on(fingerprint):
    grid = Grid.model_validate(
        {
            "name": "small",
            "data": {"level": "frame", "validate": ["*"], "classes": 24, "rgb": 16, "audio": 8, "max_frames": 8},
            "model": {"family": "gated_netvlad", "options": {"mixtures": 2}},
            "search": {"points": [{"clusters": 2, "hidden": 8}]},
            "training": KEPT[fingerprint],
        }
    )
    sweep = SweepSpec("/runs/run", grid, ("/data/train0.tfrecord",), ("/data/holdout0.tfrecord",))
    assert sweep.trial({"clusters": 2, "hidden": 8}).fingerprint() == fingerprint


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


def test_kernels_that_were_asked_for_are_part_of_the_fingerprint(small_trial):
    spec = small_trial()
    values = spec.to_dict()
    found = {spec.fingerprint()}
    for kernels in ("plain", "cpu"):
        values["grid"]["training"]["kernels"] = kernels
        found.add(TrialSpec.from_dict(values).fingerprint())
    assert len(found) == 3
