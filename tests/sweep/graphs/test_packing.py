"""From ensemble.json and a pool to members: origins of today and of the first version, and what cannot be packed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gapsack.models.graph import Member, SavedModelMember
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json
from gapsack.selection.pool.origin import SavedModelOrigin, TrialOrigin
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.ensemble import EnsembleMember as Chosen
from gapsack.sweep.graphs.packing import read_packing

SIZES = {"classes": 24, "rgb": 16, "audio": 8}
MODEL = {**SIZES, "clusters": 4, "hidden": 8, "mixtures": 2}
SEEN = YouTube8M("frame", 24, rgb=16, audio=8, max_frames=8)
TASK = SEEN.to_dict()
TRIAL = TrialOrigin(
    run="r",
    family="gated_netvlad",
    weights="../trials/a/weights.npz",
    calibration="../trials/a/calibration.npz",
    sample_frames=4,
    task=TASK,
).to_dict()
SAVED = SavedModelOrigin(saved_models={"float32": "../b"}, sample_frames=4, task=TASK).to_dict()
FIRST: dict[str, Any] = {
    "kind": "trial",
    "run": "r",
    "family": "gated_netvlad",
    "weights": "../trials/a/weights.npz",
    "calibration": "../trials/a/calibration.npz",
    "sample_frames": 4,
    "level": "frame",
    "features": {"rgb": 16, "audio": 8},
    "max_frames": 8,
}


def pack(folder: Path, **origins: dict[str, Any]) -> Any:
    for name, origin in origins.items():
        hyperparameters = MODEL if "family" in origin else {}
        record = {"name": name, "size_bytes": {"float32": 5}, "origin": origin, "hyperparameters": hyperparameters}
        replace_json(folder / "pool" / f"{name}.json", record)
    members = tuple(Chosen(name, "float32", 1 / len(origins), 5) for name in origins)
    Ensemble(members, total_bytes=5 * len(members), budget_bytes=99).write(folder / "ensemble.json")
    return read_packing(folder / "ensemble.json")


@pytest.mark.parametrize("origin", [TRIAL, FIRST], ids=["today", "first version"])
def test_a_trial_is_packed_by_its_origin(origin: dict[str, Any], tmp_path: Path) -> None:
    packing = pack(tmp_path, a=origin, b=SAVED)
    pool = tmp_path / "pool"
    assert packing.task == SEEN
    assert packing.members == (
        Member(
            name="a",
            family="gated_netvlad",
            hyperparameters=MODEL,
            precision="float32",
            weight=0.5,
            weights=pool / "../trials/a/weights.npz",
            sample_frames=4,
            calibration=pool / "../trials/a/calibration.npz",
        ),
        SavedModelMember("b", pool / "../b", "float32", 0.5, 4),
    )


def test_a_saved_model_is_packed_with_the_output_that_was_named(tmp_path: Path) -> None:
    [whole, named] = pack(tmp_path, a=SAVED, b={**SAVED, "output": "mood"}).members
    assert (whole.output, named.output) == (None, "mood")


def test_members_know_what_they_share_at_their_precision(tmp_path: Path) -> None:
    pack(tmp_path, a=TRIAL, b=SAVED)
    for name in "ab":
        record = read_json(tmp_path / "pool" / f"{name}.json")
        sizes = {"float32": 5, "int8": 4}
        shared = {"body": {"float32": 3, "int8": 2}, "small": {"int8": 1}}
        replace_json(tmp_path / "pool" / f"{name}.json", record | {"size_bytes": sizes, "shared": shared})
    assert [member.shared for member in read_packing(tmp_path / "ensemble.json").members] == [{"body": 3}] * 2


def test_members_of_other_data_are_refused_by_name(tmp_path: Path) -> None:
    other = SAVED | {"task": TASK | {"max_frames": 9}}
    with pytest.raises(InputError, match=r"expected members of the same task, .* got a .*max_frames=8.*b .*=9"):
        pack(tmp_path, a=TRIAL, b=other)


def test_members_without_weights_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got only predictions of b, c"):
        pack(tmp_path, a=TRIAL, b={"kind": "import"}, c={})


def test_a_wrong_origin_is_told_with_its_file_and_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pool/a\.json: .*origin\.sample_frames as 'four'"):
        pack(tmp_path, a=TRIAL | {"sample_frames": "four"})


def test_a_task_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weather"):
        pack(tmp_path, a=TRIAL | {"task": {"name": "weather"}})


def test_a_precision_that_the_candidate_has_not_is_refused(tmp_path: Path) -> None:
    pack(tmp_path, a=TRIAL)
    for precision, got in (("float16", "got float16"), ("", "got none")):
        Ensemble((Chosen("a", precision, 1.0, 5),), total_bytes=5, budget_bytes=99).write(tmp_path / "ensemble.json")
        with pytest.raises(InputError, match=rf"expected a in a precision that it has \(float32\), {got}"):
            read_packing(tmp_path / "ensemble.json")
