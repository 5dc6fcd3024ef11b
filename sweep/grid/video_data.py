"""The data section of videos: TFRecord files in the YouTube-8M format, which a grid that names no format has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from gapsack.models.family import Family
from gapsack.models.tasks import Task, View
from gapsack.models.tasks.youtube8m import Level, YouTube8M
from gapsack.sweep.data.dataset import Dataset, dataset_of
from gapsack.sweep.data.files import Split, expand, split_holdout
from gapsack.sweep.grid.section import DataFiles, Patterns, Section


class Holdout(Section):
    """Which of the `validate` files are held out: `count` of them drawn by `seed`, or those that `files` names."""

    count: PositiveInt | None = None
    seed: NonNegativeInt = 0
    files: Annotated[Patterns, Field(min_length=1)] | None = None
    allow_damaged: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names of held-out files that need not be whole."""

    @model_validator(mode="before")
    @classmethod
    def _one_rule(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        if given.get("files") is None:
            return {"count": 60, **{key: value for key, value in given.items() if (key, value) != ("count", None)}}
        # The dumped form carries `count: null` and the default seed beside `files`; both mean "not given".
        if given.get("count") is not None or given.get("seed", 0) != 0:
            raise ValueError("expected either files, or count and seed, got both")
        return given


class Data(DataFiles):
    """The TFRecord files of a sweep and the shape of their records."""

    format: Literal["youtube8m"] = Field(default="youtube8m", exclude=True)
    """Left out where a grid is written, as runs of earlier versions have it."""
    level: Level
    validation: Annotated[Patterns, Field(min_length=1, alias="validate")]
    holdout: Holdout = Holdout()
    classes: PositiveInt = 3862
    rgb: NonNegativeInt = 1024
    audio: NonNegativeInt = 128
    max_frames: PositiveInt = 300
    keys: dict[Literal["id", "labels", "rgb", "audio"], Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default={}
    )
    """What the features of a record are called, where that is not as in YouTube-8M."""

    @model_validator(mode="after")
    def _some_values(self) -> Self:
        if self.rgb + self.audio == 0:
            raise ValueError("expected rgb or audio above 0, got 0 for both")
        return self

    @property
    def task(self) -> Task:
        """What models are given and are to say."""
        keys = tuple(sorted(self.keys.items()))
        return YouTube8M(self.level, self.classes, self.rgb, self.audio, self.max_frames, keys)

    def view(self, family: Family, hyperparameters: Mapping[str, Any], sample_frames: int) -> View:
        """How a model with these (complete) hyperparameters sees the data; at video level there is one frame."""
        return family.view(hyperparameters, sample_frames if self.level == "frame" else 1)

    @property
    def dataset(self) -> Dataset:
        """What reads the files."""
        return dataset_of(self.task.to_dict())

    def files(self) -> Split:
        """The training and the held-out files.

        Raises:
            DataError: a pattern matches nothing, or no file is left to train on.
            ConfigError: the hold-out rule cannot be followed.
        """
        listed = None if self.holdout_patterns is None else expand(self.holdout_patterns)
        return split_holdout(
            expand(self.train_patterns),
            expand(self.validate_patterns),
            count=self.holdout.count,
            files=listed,
            seed=self.holdout.seed,
        )

    @property
    def allow_damaged(self) -> tuple[str, ...]:
        """Names of held-out files that need not be whole."""
        return self.holdout.allow_damaged

    @property
    def holdout_seed(self) -> int:
        """By which the hold-out is drawn."""
        return self.holdout.seed

    @property
    def kind(self) -> str:
        """In words, for people."""
        return f"{self.level} level"

    @property
    def facts(self) -> dict[str, Any]:
        """What a trial's record tells of the data, beside the files."""
        return {"level": self.level}

    @property
    def holdout_patterns(self) -> tuple[str, ...] | None:
        """Where the listed hold-out files are; None when they are drawn by seed."""
        return None if self.holdout.files is None else self.located(self.holdout.files)
