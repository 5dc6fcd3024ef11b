"""What a data set's records hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gapsack.sweep.errors import ConfigError

Level = Literal["frame", "video"]
RecordPart = Literal["id", "labels", "rgb", "audio"]

_NAMES: dict[Level, dict[str, tuple[str, ...]]] = {
    # The edition of 2017 and AudioSet have video_id.
    "frame": {"id": ("id", "video_id"), "labels": ("labels",), "rgb": ("rgb",), "audio": ("audio",)},
    "video": {"id": ("id", "video_id"), "labels": ("labels",), "rgb": ("mean_rgb",), "audio": ("mean_audio",)},
}

_LONGEST_NAME_BYTES = 255


@dataclass(frozen=True)
class Features:
    """Level of the records, size of the vocabulary, and how many values a frame has.

    `level` "frame": `tf.train.SequenceExample` with `rgb` and `audio` as one bytes value a frame (uint8).
    `level` "video": `tf.train.Example` with `mean_rgb` and `mean_audio` as float lists; it counts as one frame.
    `rgb`, `audio`: values of a frame; of 0 the records need not have any.
    `max_frames`: frames beyond this many are never used (the recipe uses 300 of up to 360).
    `keys`: by part of a record, what its feature is called there instead of by the names above.
    """

    level: Level
    classes: int
    rgb: int = 1024
    audio: int = 128
    max_frames: int = 300
    # Not in the text form, by which a reader's resume state knows what it was made of.
    keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.level not in _NAMES:
            raise ConfigError(f"data.level is 'frame' or 'video', got {self.level!r}.")
        for name, least in (("classes", 1), ("rgb", 0), ("audio", 0), ("max_frames", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} is at least {least}, got {getattr(self, name)}.")
        if self.width == 0:
            raise ConfigError("data.rgb or data.audio is at least 1, got 0 for both.")
        for part, name in self.keys:
            if part not in _NAMES[self.level] or not 0 < len(name.encode()) <= _LONGEST_NAME_BYTES:
                parts = ", ".join(_NAMES[self.level])
                raise ConfigError(
                    f"data.keys gives {parts} a name of 1 to {_LONGEST_NAME_BYTES} bytes, got {part}: {name!r}."
                )

    @property
    def width(self) -> int:
        """Values of one frame: rgb first, then audio."""
        return self.rgb + self.audio

    @property
    def bytes_per_value(self) -> int:
        """1 for the uint8 of a frame, 4 for the float32 of a video-level mean."""
        return 1 if self.level == "frame" else 4

    def names(self, part: RecordPart) -> tuple[str, ...]:
        """What the feature of a part is called in the records, the first of these that is there."""
        given = dict(self.keys).get(part)
        return _NAMES[self.level][part] if given is None else (given,)
