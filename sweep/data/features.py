"""What a data set's records hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gapsack.sweep.errors import ConfigError

Level = Literal["frame", "video"]


@dataclass(frozen=True)
class Features:
    """Level of the records, size of the vocabulary, and how many values a frame has.

    `level` "frame": `tf.train.SequenceExample` with `rgb` and `audio` as one bytes value a frame (uint8).
    `level` "video": `tf.train.Example` with `mean_rgb` and `mean_audio` as float lists; it counts as one frame.
    `max_frames`: frames beyond this many are never used (the recipe uses 300 of up to 360).
    """

    level: Level
    classes: int
    rgb: int = 1024
    audio: int = 128
    max_frames: int = 300

    def __post_init__(self) -> None:
        if self.level not in ("frame", "video"):
            raise ConfigError(f"data.level is 'frame' or 'video', got {self.level!r}.")
        for name in ("classes", "rgb", "audio", "max_frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name} is at least 1, got {getattr(self, name)}.")

    @property
    def width(self) -> int:
        """Values of one frame: rgb first, then audio."""
        return self.rgb + self.audio

    @property
    def bytes_per_value(self) -> int:
        """1 for the uint8 of a frame, 4 for the float32 of a video-level mean."""
        return 1 if self.level == "frame" else 4
