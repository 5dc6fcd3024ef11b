"""What a task is: named inputs, labels, the loss, and how the one graph takes examples in.

Models of every family give probabilities, float32 [batch, classes]; labels are bool [batch, classes], with exactly one
true class an example where classes exclude each other, and a single class where the question is yes or no.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LabelKind = Literal["multi_label", "multi_class", "binary"]
"""Any classes of an example are true; exactly one is; or there is one class, which is true or not."""

PREDICTIONS = ("predictions", "probabilities")
"""What an output of somebody's model with several is called that is taken for the probabilities, the first there is."""


@dataclass(frozen=True)
class Input:
    """One named input, of one example.

    Attributes:
        name: As models, batches and the graph's signature call it.
        shape: Without the batch; None where examples differ in length, and a batch is padded to its longest.
        dtype: By the name that numpy and TensorFlow share.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class View:
    """How a model sees inputs of many frames; of no effect where a task has none.

    Attributes:
        sample_frames: Places that every video has in a batch.
        whole: Each frame once, in its place, the rest zeros; otherwise every place holds a frame of the video: drawn at
            random with replacement in training, evenly spaced in evaluation and in the graph.
    """

    sample_frames: int = 1
    whole: bool = False


@dataclass(frozen=True)
class Received:
    """What the one graph takes in, as tensors of the current `tf.Graph`.

    Attributes:
        serialized: Records, string [batch]; None where the task has no records, or arrays are taken.
        inputs: By name; a caller that has them feeds them in the place of records.
    """

    serialized: Any
    inputs: dict[str, Any]


class Task(ABC):
    """What every task says; frozen dataclasses that compare equal when models of them can be blended.

    The suite `tests/contracts/test_task.py` is what a task must do.
    """

    name: ClassVar[str]
    """In grid files, pools and graphs."""

    items: ClassVar[str] = "items"
    """What people are told that examples are, in the plural."""

    if TYPE_CHECKING:  # fields of the dataclasses; a property here would be taken for a field's default

        @property
        def classes(self) -> int:
            """Classes that a model gives a probability to."""

        @property
        def labels(self) -> LabelKind:
            """What can be true of an example."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[Input, ...]:
        """What the graph takes in, besides records."""

    @abstractmethod
    def model_inputs(self, view: View) -> tuple[Input, ...]:
        """What a model with this view takes in."""

    @property
    @abstractmethod
    def dimensions(self) -> dict[str, Any]:
        """Hyperparameters that the data decide; a family takes those that it has."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `task_from_dict` makes the task again; `name` is among them."""

    @classmethod
    @abstractmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The task of `to_dict`, without its name; TypeError or InputError for other values."""

    def loss(self, probabilities: Any, labels: Any, smoothing: float, logits: Any = None) -> Any:
        """Mean loss of a batch: tensors [batch, classes], float32 and bool; labels become y (1 - e) + e / n for
        `smoothing` e, with n the classes of which one is true, or 2. `logits` are taken instead where they are given.
        """
        from gapsack.models.tasks.losses import categorical_cross_entropy, cross_entropy

        kind = categorical_cross_entropy if self.labels == "multi_class" else cross_entropy
        return kind(probabilities, labels, smoothing, logits)

    @abstractmethod
    def features(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Float32 values of a model's inputs, by `keras.ops`: what a model of one's own is given."""

    @abstractmethod
    def example_inputs(self, rng: np.random.Generator, count: int) -> dict[str, NDArray[Any]]:
        """`count` random examples as the graph takes them in, of different lengths where those may differ."""

    # The one graph. TensorFlow is imported inside.

    @abstractmethod
    def receive(self, *, as_features: bool = False) -> Received:
        """Lay down placeholders in the current graph; `as_features` for float32 features and no records."""

    @abstractmethod
    def seen(self, inputs: Mapping[str, Any], view: View) -> dict[str, Any]:
        """What a member with this view sees of the graph's inputs, as tensors of the current graph."""

    @property
    def collections(self) -> dict[str, str]:
        """Names of MetaGraph collections by input."""
        return {given.name: given.name for given in self.inputs}
