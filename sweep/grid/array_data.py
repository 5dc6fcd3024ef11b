"""The data section of arrays: `format: arrays`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from gapsack.models.family import Family
from gapsack.models.tasks import LabelKind, Task, View
from gapsack.models.tasks.dense import DenseTask
from gapsack.selection.errors import InputError
from gapsack.sweep.data.dataset import Dataset, dataset_of
from gapsack.sweep.data.describe import item_counts
from gapsack.sweep.data.files import Split, expand
from gapsack.sweep.data.parts import split_items
from gapsack.sweep.data.table import RESERVED
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.section import DataFiles, Patterns, Section

SHARE = 0.2
"""Of the training items that are held out where a grid names neither items nor files."""


class ItemHoldout(Section):
    """Which of the training items are held out: a `share` of all, or `count` of them, drawn by `seed`."""

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    count: PositiveInt | None = None
    seed: NonNegativeInt = 0

    @model_validator(mode="before")
    @classmethod
    def _one_rule(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        if given.get("share") is not None and given.get("count") is not None:
            raise ValueError("expected either share or count, got both")
        if given.get("share") is None and given.get("count") is None:
            return {**given, "share": SHARE}
        return given

    def items(self, total: int) -> int:
        """How many of `total` items; of a share at least one."""
        return max(1, round(self.share * total)) if self.share is not None else self.count or 0


def _underscored(given: object) -> object:
    """`multi-class` is another spelling of `multi_class`."""
    return given.replace("-", "_") if isinstance(given, str) else given


class ArrayData(DataFiles):
    """Npz files of arrays; `inputs`, `classes` and `labels` are filled in from them where a grid file says nothing."""

    format: Literal["arrays"]
    train: Annotated[Patterns, Field(min_length=1)]
    holdout: ItemHoldout | None = None
    inputs: Annotated[
        dict[str, Annotated[tuple[PositiveInt, ...], Field(strict=False)]],
        Field(min_length=1),
    ]
    classes: PositiveInt
    labels: Annotated[LabelKind, BeforeValidator(_underscored)]

    @model_validator(mode="before")
    @classmethod
    def _one_holdout(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        if given.get("validate") and given.get("holdout") is not None:
            raise ValueError("expected either validate, or a holdout of the training items, got both")
        if not given.get("validate") and given.get("holdout") is None:
            return {**given, "holdout": {}}
        return given

    @model_validator(mode="after")
    def _is_a_task(self) -> Self:
        if taken := sorted(set(self.inputs) & set(RESERVED)):
            raise ValueError(f"expected inputs of other names than {' and '.join(RESERVED)}, got {', '.join(taken)}")
        try:
            _ = self.task
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def task(self) -> Task:
        """What models are given and are to say."""
        return DenseTask(tuple(self.inputs.items()), self.classes, self.labels)

    def view(self, family: Family, hyperparameters: Mapping[str, Any], sample_frames: int) -> View:
        """How a model with these (complete) hyperparameters sees the data: there are no frames."""
        del sample_frames
        return family.view(hyperparameters, 1)

    @property
    def dataset(self) -> Dataset:
        """What reads the files."""
        return dataset_of(self.task.to_dict())

    def files(self) -> Split:
        """The training files and the held-out ones, or the parts of both that the hold-out rule says.

        Raises:
            DataError: a pattern matches nothing, a file cannot be read, or is to train and to be held out.
            ConfigError: the hold-out rule cannot be followed.
        """
        train = expand(self.train_patterns)
        if self.holdout is not None:
            counts = item_counts(train, next(iter(self.inputs)))
            return split_items(train, counts, self.holdout.items(sum(counts)), self.holdout.seed)
        held_out = expand(self.validate_patterns)
        if both := sorted(set(train) & set(held_out)):
            raise DataError(f"A file that is held out must not train, but data.train has {', '.join(both)}.")
        return Split(tuple(train), tuple(held_out))

    @property
    def allow_damaged(self) -> tuple[str, ...]:
        """Names of held-out files that need not be whole: an npz file always must be."""
        return ()

    @property
    def holdout_seed(self) -> int:
        """By which the hold-out is drawn; 0 where files are held out."""
        return 0 if self.holdout is None else self.holdout.seed

    @property
    def kind(self) -> str:
        """In words, for people."""
        inputs = (f"{name} [{', '.join(map(str, shape))}]" for name, shape in self.inputs.items())
        return f"arrays {', '.join(inputs)}; {self.labels.replace('_', '-')} labels"

    @property
    def facts(self) -> dict[str, Any]:
        """What a trial's record tells of the data, beside the files."""
        inputs = {name: list(shape) for name, shape in self.inputs.items()}
        return {"format": self.format, "inputs": inputs, "labels": self.labels}
