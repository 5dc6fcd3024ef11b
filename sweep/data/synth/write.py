"""A small data set in the YouTube-8M format, for trying the whole way and for benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.files import whole_file
from gapsack.sweep.data.features import Features, Level
from gapsack.sweep.data.synth.world import Video, World
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ID_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_IDS = len(_ID_CHARACTERS) ** 4
_ID_STEP = 5_234_569  # shares no factor with 62^4, so that every number below 62^4 gets an id of its own


def write_synth(
    directory: Path,
    *,
    level: Level = "frame",
    train_files: int,
    validate_files: int,
    videos_per_file: int,
    classes: int,
    min_frames: int,
    max_frames: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write train0000.tfrecord … and validate0000.tfrecord … into `directory`; returns their paths.

    Every video has between `min_frames` and `max_frames` frames of 1,024 + 128 values; at `level` "video" only their
    mean is written. The same arguments give the same bytes. `progress(done, total)` is called after each file. A file
    is complete or not there. Raises `ConfigError` for sizes that cannot be.
    """
    features = Features(level, classes)
    _check(train_files, validate_files, videos_per_file, min_frames, max_frames)
    names = [f"{part}{i:04d}" for part, count in _parts(train_files, validate_files) for i in range(count)]
    world = World(classes, features.width, seed)
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, name in enumerate(names):
        rng = np.random.default_rng((seed, 1, number))
        videos = (world.video(int(rng.integers(min_frames, max_frames + 1)), rng) for _ in range(videos_per_file))
        records = _records(videos, number * videos_per_file, features)
        paths.append(_write(directory / f"{name}.tfrecord", records))
        if progress is not None:
            progress(number + 1, len(names))
    return paths


def _parts(train_files: int, validate_files: int) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("train", train_files), ("validate", validate_files)


def _check(train_files: int, validate_files: int, videos_per_file: int, min_frames: int, max_frames: int) -> None:
    if not 0 < (train_files + validate_files) * videos_per_file <= _IDS or min(train_files, validate_files) < 0:
        raise ConfigError(
            f"The files must hold between 1 and {_IDS} videos in all, got {train_files} train and {validate_files} "
            f"validate files of {videos_per_file}."
        )
    if not 1 <= min_frames <= max_frames:
        raise ConfigError(f"Frames go from at least 1 up to max_frames, got {min_frames} to {max_frames}.")


def _records(videos: Iterator[Video], first: int, features: Features) -> Iterator[bytes]:
    for number, video in enumerate(videos, first):
        video_id = _video_id(number)
        rgb, audio = np.split(video.frames, [features.rgb], axis=1)
        if features.level == "frame":
            yield encode.sequence_example(video_id, video.labels, rgb, audio)
        else:
            yield encode.example(video_id, video.labels, _mean(rgb), _mean(audio))


def _mean(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean of the dequantized frames: x = q * 4/255 + 4/512 - 2."""
    mean: NDArray[np.float32] = (frames.mean(axis=0) * (4 / 255) + (4 / 512 - 2)).astype(np.float32)
    return mean


def _video_id(number: int) -> str:
    """Four characters that look drawn at random; a different id for every number below 62^4."""
    rest = number * _ID_STEP % _IDS
    characters = []
    for _ in range(4):
        rest, digit = divmod(rest, len(_ID_CHARACTERS))
        characters.append(_ID_CHARACTERS[digit])
    return "".join(characters)


def _write(path: Path, records: Iterator[bytes]) -> Path:
    with whole_file(path) as file:
        for record in records:
            file.write(frame_record(record))
    return path
