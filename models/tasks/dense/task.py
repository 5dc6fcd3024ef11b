"""The task of arrays: named float inputs, multi-label, multi-class or yes-or-no labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from gapsack.models.tasks.task import Input, LabelKind, Received, Task, View
from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DenseTask(Task):
    """Examples of fixed shapes.

    Attributes:
        shapes: (name, shape of one example) of each float32 input.
        classes: Classes to predict; 1 for yes or no.
        labels: What can be true of an example.
    """

    name: ClassVar[str] = "dense"

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    classes: int
    labels: LabelKind = "multi_class"

    def __post_init__(self) -> None:
        names = [name for name, _ in self.shapes]
        if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
            raise InputError(f"expected inputs of different names that are identifiers, got {names}")
        for name, shape in self.shapes:
            if any(size < 1 for size in shape):
                raise InputError(f"expected sizes of at least 1 for the input {name}, got {shape}")
        if self.labels not in get_args(LabelKind):
            raise InputError(f"expected labels {', '.join(get_args(LabelKind))}, got {self.labels!r}")
        if self.classes < 1 or (self.classes == 1) != (self.labels == "binary"):
            raise InputError(
                f"expected 1 class for binary labels and more for others, got {self.classes}, {self.labels}"
            )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All of them, float32."""
        return tuple(Input(name, shape, "float32") for name, shape in self.shapes)

    def model_inputs(self, view: View) -> tuple[Input, ...]:
        """The same, whatever the view."""
        del view
        return self.inputs

    @property
    def dimensions(self) -> dict[str, Any]:
        """Classes, the task itself, and the number of values where there is one input."""
        alone = {"features": math.prod(self.shapes[0][1])} if len(self.shapes) == 1 else {}
        return {"classes": self.classes, "task": self.to_dict(), **alone}

    def to_dict(self) -> dict[str, Any]:
        """See the base."""
        inputs = {name: list(shape) for name, shape in self.shapes}
        return {"name": self.name, "inputs": inputs, "classes": self.classes, "labels": self.labels}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """See the base."""
        if unknown := sorted(set(values) - {"inputs", "classes", "labels"}):
            raise InputError(f"expected inputs, classes and labels of a dense task, got {', '.join(unknown)}")
        inputs = values.get("inputs")
        if not isinstance(inputs, Mapping) or not isinstance(values.get("classes"), int):
            raise InputError(f"expected inputs by name and a number of classes of a dense task, got {dict(values)}")
        shapes = tuple((str(name), tuple(int(size) for size in shape)) for name, shape in inputs.items())
        return cls(shapes, values["classes"], values.get("labels", "multi_class"))

    def features(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs as they are."""
        return {name: inputs[name] for name, _ in self.shapes}

    def example_inputs(self, rng: np.random.Generator, count: int) -> dict[str, NDArray[Any]]:
        """Standard normal values."""
        import numpy as np

        return {name: rng.standard_normal((count, *shape)).astype(np.float32) for name, shape in self.shapes}

    def receive(self, *, as_features: bool = False) -> Received:
        """A placeholder for each input; there are no records."""
        import tensorflow as tf

        del as_features  # they are features already
        placeholder = tf.compat.v1.placeholder
        inputs = {name: placeholder(tf.float32, [None, *shape], name=name) for name, shape in self.shapes}
        return Received(None, inputs)

    def seen(self, inputs: Mapping[str, Any], view: View) -> dict[str, Any]:
        """All members see the same."""
        del view
        return dict(inputs)


TASK = DenseTask
