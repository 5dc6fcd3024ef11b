"""The task of YouTube-8M, at frame level and at video level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from gapsack.models.tasks.task import Input, LabelKind, Received, Task, View
from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Level = Literal["frame", "video"]


@dataclass(frozen=True)
class YouTube8M(Task):
    """Videos of YouTube-8M.

    A model takes `frames` [batch, frames, rgb + audio] and `num_frames` int32 [batch], the number of them that are
    real; those beyond are zero bytes. Frames are uint8 at frame level, dequantized inside of the model, and float32
    features of one frame a video at video level.

    Attributes:
        level: Whether records hold frames, or one vector a video.
        classes: Size of the vocabulary.
        rgb: Video features of a frame.
        audio: Audio features of a frame, after those of video.
        max_frames: Frames used of a video at most, before any are sampled.
        keys: What features of the records are called instead of id, labels, rgb and audio (mean_rgb and mean_audio at
            video level), by these names in the order of the alphabet.
    """

    name: ClassVar[str] = "youtube8m"
    items: ClassVar[str] = "videos"

    level: Level
    classes: int = 3862
    rgb: int = 1024
    audio: int = 128
    max_frames: int = 300
    keys: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.level not in ("frame", "video"):
            raise InputError(f"expected level frame or video, got {self.level!r}")
        for name, least in (("classes", 1), ("rgb", 0), ("audio", 0), ("max_frames", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
                raise InputError(f"expected {name} as a whole number of at least {least}, got {value!r}")
        if self.width == 0:
            raise InputError("expected rgb or audio of at least 1, got 0 for both")

    @property
    def width(self) -> int:
        """Values of a frame."""
        return self.rgb + self.audio

    @property
    def frame_features(self) -> dict[str, int]:
        """Names of the records' features that make a frame, one after the other, and how many values each has."""
        prefix, given = "" if self.level == "frame" else "mean_", dict(self.keys)
        widths = {"rgb": self.rgb, "audio": self.audio}
        return {given.get(part, prefix + part): width for part, width in widths.items() if width}

    @property
    def labels(self) -> LabelKind:
        """Any of a video's classes may be true."""
        return "multi_label"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All frames of a video, and how many there are."""
        if self.level == "video":
            return Input("frames", (1, self.width), "float32"), Input("num_frames", (), "int32")
        return Input("frames", (None, self.width), "uint8"), Input("num_frames", (), "int32")

    def model_inputs(self, view: View) -> tuple[Input, ...]:
        """So many frames of every video."""
        frames, num_frames = self.inputs
        places = 1 if self.level == "video" else view.sample_frames
        return Input("frames", (places, self.width), frames.dtype), num_frames

    @property
    def dimensions(self) -> dict[str, Any]:
        """Classes, and features of a frame."""
        return {"classes": self.classes, "rgb": self.rgb, "audio": self.audio, "task": self.to_dict()}

    def to_dict(self) -> dict[str, Any]:
        """See the base."""
        values = {"name": self.name, **asdict(self), "keys": dict(self.keys)}
        # A task of the usual names is what it was before there were others.
        return values if self.keys else {key: value for key, value in values.items() if key != "keys"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """See the base."""
        return cls(**{**values, "keys": tuple(sorted(dict(values.get("keys", ())).items()))})

    def features(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Dequantized frames, zero beyond a video's end, not normalised; and their number."""
        from gapsack.models.tasks.youtube8m.float_frames import dequantized

        frames = dequantized(inputs["frames"], inputs["num_frames"])
        return {"frames": frames, "num_frames": inputs["num_frames"]}

    def example_inputs(self, rng: np.random.Generator, count: int) -> dict[str, NDArray[Any]]:
        """Random bytes, or features; videos of 1 to 40 frames."""
        import numpy as np

        if self.level == "video":
            frames: NDArray[Any] = rng.standard_normal((count, 1, self.width)).astype(np.float32)
            return {"frames": frames, "num_frames": np.ones(count, np.int32)}
        num_frames = np.linspace(1, 40, count).astype(np.int32)
        frames = rng.integers(0, 256, (count, 40, self.width)).astype(np.uint8)
        frames[np.arange(40) >= num_frames[:, np.newaxis]] = 0
        return {"frames": frames, "num_frames": num_frames}

    def receive(self, *, as_features: bool = False) -> Received:
        """Records, or frames and their number; dequantized frames as the 2018 challenge fed them."""
        from gapsack.models.tasks.youtube8m import graph

        if as_features:
            return graph.challenge_features(self.width)
        records = graph.frame_records if self.level == "frame" else graph.video_records
        return records(self.frame_features)

    def seen(self, inputs: Mapping[str, Any], view: View) -> dict[str, Any]:
        """Sampled frames, or the first ones; at video level the one there is."""
        from gapsack.models.tasks.youtube8m import graph

        if self.level == "video":
            return dict(inputs)
        return graph.seen_frames(inputs, view, self.max_frames)

    @property
    def collections(self) -> dict[str, str]:
        """As the challenge's inference code looks them up."""
        return {"frames": "input_batch_raw", "num_frames": "num_frames"}


TASK = YouTube8M
