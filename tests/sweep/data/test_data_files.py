from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.sweep.data.files import expand, split_holdout
from gapsack.sweep.errors import ConfigError, DataError


def test_expand_sorts_and_drops_doubles(tmp_path: Path) -> None:
    for name in ("train01.tfrecord", "train00.tfrecord", "validate00.tfrecord"):
        (tmp_path / name).touch()
    (tmp_path / "train_folder").mkdir()
    found = expand([f"{tmp_path}/train*", f"{tmp_path}/*00.tfrecord"])
    assert [Path(path).name for path in found] == ["train00.tfrecord", "train01.tfrecord", "validate00.tfrecord"]


def test_every_pattern_without_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match=r"nothing matches \S*/b\*, \S*/c\.$"):
        expand([f"{tmp_path}/a", f"{tmp_path}/b*", f"{tmp_path}/c"])


def test_remote_patterns_go_through_fsspec() -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    for name in ("validate1", "validate0", "other"):
        memory.pipe_file(f"memory://expand/{name}", b"x")
    assert expand(["memory://expand/validate*"]) == ["memory://expand/validate0", "memory://expand/validate1"]
    with pytest.raises(DataError, match="memory://expand/none"):
        expand(["memory://expand/none*"])


@settings(deadline=None)
@given(
    train=st.sets(st.sampled_from([f"train{i}" for i in range(9)])),
    validate=st.sets(st.sampled_from([f"validate{i}" for i in range(9)]), min_size=2),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_what_is_not_held_out_trains(train: set[str], validate: set[str], seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(validate) - 1))
    split = split_holdout(sorted(train), sorted(validate), count=count, seed=seed)
    assert len(split.holdout) == count
    assert set(split.holdout) <= validate
    assert set(split.train) == (train | validate) - set(split.holdout)
    shuffled = data.draw(st.permutations(sorted(validate)))
    assert split_holdout(sorted(train), shuffled, count=count, seed=seed) == split


def test_the_seed_draws_the_hold_out() -> None:
    validate = [f"validate{i:04d}" for i in range(3844)]
    draws = {split_holdout([], validate, count=60, seed=seed).holdout for seed in range(5)}
    assert len(draws) == 5


def test_files_can_be_held_out_by_name() -> None:
    split = split_holdout(["t0"], ["v0", "v1", "v2"], files=["v1"])
    assert (split.train, split.holdout) == (("t0", "v0", "v2"), ("v1",))


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ({"count": 4}, ConfigError, "between 1 and the 3 validation files, got 4"),
        ({"count": 0}, ConfigError, "between 1 and the 3 validation files, got 0"),
        ({"files": ["v9"]}, ConfigError, "among the validation files, got v9"),
        ({"files": []}, ConfigError, "at least one file"),
        ({}, ConfigError, "either count or files"),
        ({"count": 1, "files": ["v0"]}, ConfigError, "either count or files"),
        ({"count": 3}, DataError, "left to train on, but all 3"),
    ],
)
def test_rules_that_cannot_be_followed(rule: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        split_holdout([], ["v0", "v1", "v2"], **rule)


def test_a_held_out_file_must_not_train() -> None:
    with pytest.raises(DataError, match=r"data\.train has v0"):
        split_holdout(["v0", "t0"], ["v0", "v1"], files=["v0"])
