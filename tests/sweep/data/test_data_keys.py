"""Records whose features have other names than YouTube-8M's of 2018, or only some of them; ids that look alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models.tasks import task_from_dict
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import Batch, raw_batches, training_batches
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.data.videos import Videos
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec

RGB = np.arange(15, dtype=np.uint8).reshape(3, 5)
AUDIO = np.arange(100, 109, dtype=np.uint8).reshape(3, 3)
MEANS = np.arange(5, dtype="f4"), np.arange(3, dtype="f4")
SHAPE = {"classes": 10, "rgb": 5, "audio": 3}


def frame_level(names: Mapping[str, str], video_id: bytes = b"abcd") -> bytes:
    """A record at frame level with the features that `names` has, by these names."""
    parts = {"id": encode._feature(1, video_id), "labels": encode._feature(3, b"\x01\x04")}
    lists = {"rgb": encode._frame_list(RGB), "audio": encode._frame_list(AUDIO)}
    context = encode._map({names[part]: value for part, value in parts.items() if part in names})
    frames = encode._map({names[part]: value for part, value in lists.items() if part in names})
    return frame_record(encode._field(1, context) + encode._field(2, frames))


def video_level(names: Mapping[str, str]) -> bytes:
    parts = {
        "id": encode._feature(1, b"abcd"),
        "labels": encode._feature(3, b"\x01\x04"),
        "rgb": encode._feature(2, MEANS[0].tobytes()),
        "audio": encode._feature(2, MEANS[1].tobytes()),
    }
    return frame_record(encode._field(1, encode._map({names[part]: parts[part] for part in names})))


def read(path: Path, features: Features) -> Batch:
    [batch] = raw_batches([str(path)], features, batch_size=10, faults=Faults(0.0))
    return batch


USUAL = {part: part for part in ("id", "labels", "rgb", "audio")}
CASES = [
    # names in the records, data.keys, values of video and audio
    (USUAL, {}, 5, 3),
    (USUAL | {"id": "video_id"}, {}, 5, 3),
    (USUAL | {"id": "video_id", "audio": "audio_embedding"}, {"audio": "audio_embedding"}, 5, 3),
    ({"id": "name", "labels": "classes", "rgb": "r", "audio": "a"}, {"id": "name", "labels": "classes"}, 5, 3),
    ({"id": "id", "labels": "labels", "rgb": "rgb"}, {}, 5, 0),
    ({"id": "video_id", "labels": "labels", "audio": "audio_embedding"}, {"audio": "audio_embedding"}, 0, 3),
]


@pytest.mark.parametrize("level", ["frame", "video"])
@pytest.mark.parametrize(("names", "keys", "rgb", "audio"), CASES)
def test_records_are_read_by_the_names_they_have(
    tmp_path: Path, *, level: Any, names: dict[str, str], keys: dict[str, str], rgb: int, audio: int
) -> None:
    if names.get("rgb") == "r":
        keys = keys | {"rgb": "r", "audio": "a"}
    if level == "video":
        prefix = {part: name if part in keys else f"mean_{name}" for part, name in names.items()}
        names = names | {part: prefix[part] for part in ("rgb", "audio") if part in names}
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame_level(names) if level == "frame" else video_level(names))
    features = Features(level, classes=10, rgb=rgb, audio=audio, keys=tuple(sorted(keys.items())))
    batch = read(path, features)
    assert batch.video_ids.tolist() == ["abcd"]
    assert np.flatnonzero(batch.labels[0]).tolist() == [1, 4]
    both = (RGB, AUDIO) if level == "frame" else tuple(values[np.newaxis] for values in MEANS)
    expected = np.concatenate([values for values, width in zip(both, (rgb, audio), strict=True) if width], axis=1)
    np.testing.assert_array_equal(batch.frames[0], expected)
    with training_batches([str(path)], features, batch_size=2, sample_frames=4, seed=0, faults=Faults(0.0)) as batches:
        assert next(batches).frames.shape == (2, 4 if level == "frame" else 1, rgb + audio)

    task = YouTube8M(level, 10, rgb, audio, keys=tuple(sorted(keys.items())))
    assert task_from_dict(task.to_dict()) == task
    assert ("keys" in task.to_dict()) == bool(keys)
    assert Videos.of_task(task.to_dict()).features == features
    pytest.importorskip("tensorflow")
    from gapsack.models.tasks.youtube8m import graph

    parse = graph.parse_frame_level if level == "frame" else graph.parse_video_level
    frames, counts = parse([path.read_bytes()[12:-4]], task.frame_features)
    np.testing.assert_array_equal(frames, batch.frames)
    np.testing.assert_array_equal(counts, batch.num_frames)


def test_what_is_missing_is_named_beside_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    for names, features, sentence in (
        (
            USUAL | {"id": "key"},
            Features("frame", **SHAPE),
            "expected a bytes feature id or video_id, got none .features there: key, labels; lists of frames there: "
            "audio, rgb; data.keys may name others",
        ),
        (
            {"id": "video_id", "labels": "labels", "audio": "audio_embedding"},
            Features("frame", **SHAPE),
            "expected rgb, got none .features there: labels, video_id; lists of frames there: audio_embedding",
        ),
        (USUAL, Features("frame", **SHAPE, keys=(("audio", "a"),)), "expected a, got none .*audio, rgb"),
    ):
        path.write_bytes(frame_level(names))
        with pytest.raises(DataError, match=sentence):
            read(path, features)
        with pytest.raises(DataError, match=sentence):  # and before a sweep begins
            faults = Faults(0.0)
            Videos(features).inspect([str(path)], faults)
            faults.check(complete=True)


def test_ids_that_end_with_zeros_are_ids_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    ids = [b"ab", b"ab\0", b"\0ab", b"ab\0\0"]
    path.write_bytes(b"".join(frame_level(USUAL, video_id) for video_id in ids))
    assert read(path, Features("frame", **SHAPE)).video_ids.tolist() == ["ab", "ab\\x00", "\\x00ab", "ab\\x00\\x00"]


def grid(**data: Any) -> Grid:
    return Grid.model_validate(
        {
            "name": "keys",
            "data": {"level": "frame", "validate": ["*"], **SHAPE, **data},
            "model": {"family": "dbof"},
            "search": {"points": [{"clusters": 4, "hidden": 4}]},
        }
    )


def test_keys_of_the_grid_reach_the_reader_and_the_fingerprint() -> None:
    plain, named = grid(), grid(keys={"audio": "audio_embedding"})
    assert named.data.task.to_dict()["keys"] == {"audio": "audio_embedding"}
    assert named.data.dataset.features.names("audio") == ("audio_embedding",)
    assert grid(keys={}).to_dict() == plain.to_dict()
    fingerprints = {
        SweepSpec("/run", each, ("a",), ("b",)).trial({"clusters": 4, "hidden": 4}).fingerprint()
        for each in (plain, named)
    }
    assert len(fingerprints) == 2
    assert Grid.model_validate(named.to_dict()) == named


@pytest.mark.parametrize(
    ("change", "message"),
    [({"keys": {"video": "x"}}, "keys.video"), ({"keys": {"id": ""}}, "keys"), ({"rgb": 0, "audio": 0}, "0 for both")],
)
def test_keys_and_values_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(**change)


@pytest.mark.parametrize("wrong", [{"keys": (("video", "x"),)}, {"keys": (("id", ""),)}, {"rgb": 0, "audio": 0}])
def test_features_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Features("frame", **SHAPE | wrong)
    if "rgb" in wrong:
        with pytest.raises(InputError, match="0 for both"):
            YouTube8M("frame", 10, 0, 0)
