"""SavedModels from elsewhere as members: their variables are copied, their signature is laid down in the one graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.graph.files import file_sizes
from gapsack.models.graph.names import SAVED_MODEL_FILE, SIGNATURE, scope
from gapsack.models.precisions import Part
from gapsack.models.tasks import Task
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

PREDICTIONS = ("predictions", "probabilities")
"""Output of a signature with several that is taken for the probabilities, the first that is there."""


@dataclass(frozen=True)
class SavedModelMember:
    """A SavedModel as a member of the ensemble.

    Its signature (`serving_default`, or the only one) takes either frames [batch, frames, width], uint8 or float32
    features, with the number of real ones [batch]; or frames alone, evenly spaced ones; or, at video level, a vector
    [batch, width]. It gives probabilities [batch, classes].

    Attributes:
        name: For messages and progress.
        directory: The SavedModel.
        precision: What its precision is called; its variables are stored as they are.
        weight: Its share in the blend.
        sample_frames: Frames that it sees of each video when it takes frames alone, any number of them.
    """

    name: str
    directory: Path
    precision: str
    weight: float
    sample_frames: int

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of the SavedModel."""
        return sum(file_sizes(self.directory).values())


@dataclass(frozen=True)
class Opened:
    """A SavedModel's signature, loaded.

    Attributes:
        frames: Its input of frames or vectors, a symbolic tensor.
        num_frames: Its input of frame counts, if there is one.
        predictions: Its output of probabilities.
        function: The concrete function.
        variables: Variables by the name of the placeholder that stands for them in the function's graph.
        constants: Constants, likewise.
    """

    frames: Any
    num_frames: Any
    predictions: Any
    function: Any
    variables: dict[str, Any]
    constants: dict[str, NDArray[Any]]

    @property
    def width(self) -> int | None:
        """Values a frame, if the signature says."""
        return _last_dimension(self.frames)

    @property
    def classes(self) -> int | None:
        """Classes, if the signature says."""
        return _last_dimension(self.predictions)

    def names(self, index: int) -> dict[str, str]:
        """Names of the variables in the one graph, as member `index`, by placeholder."""
        taken: dict[str, str] = {}
        for placeholder, variable in self.variables.items():
            name = variable.name.partition(":")[0] or "variable"
            while (full := f"{scope(index)}/saved_model/{name}") in taken.values():
                name += "_"
            taken[placeholder] = full
        return taken


def open_saved_model(directory: Path) -> Opened:
    """Load a SavedModel and find the inputs and the output of its signature.

    Raises:
        InputError: There is none, or its signature is not one of `SavedModelMember`.
    """
    import tensorflow as tf

    if not (directory / SAVED_MODEL_FILE).is_file():
        raise InputError(f"expected a SavedModel in {directory}, got no {SAVED_MODEL_FILE} there")
    try:
        loaded = tf.saved_model.load(str(directory))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"expected a SavedModel in {directory}, which cannot be loaded: {error}") from error
    function = _signature(loaded, directory)
    captures = {inner.name: outer for outer, inner in function.graph.captures}
    inputs = [tensor for tensor in function.inputs if tensor.name not in captures]
    frames, num_frames = _frames_and_counts(inputs, directory)
    variables, constants = _captured(function, captures, directory)
    # Of TensorFlow's function and its output: TensorFlow orders outputs by name.
    outputs = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))
    return Opened(frames, num_frames, _predictions(outputs, directory), function, variables, constants)


def layouts(opened: Opened, index: int) -> dict[str, Part]:
    """Shape and type of every variable, by its name in the one graph."""
    return {
        name: Part(tuple(opened.variables[placeholder].shape), opened.variables[placeholder].dtype.name)
        for placeholder, name in opened.names(index).items()
    }


def stored_arrays(index: int, member: SavedModelMember) -> Iterator[tuple[str, NDArray[Any]]]:
    """Values of every variable by its name in the one graph, one at a time; loads the whole SavedModel."""
    opened = open_saved_model(member.directory)
    for placeholder, name in opened.names(index).items():
        yield name, opened.variables[placeholder].numpy()


def check_task(opened: Opened, member: SavedModelMember, task: Task) -> YouTube8M:
    """The task, which must be YouTube-8M's; InputError when the signature has other features or classes."""
    if not isinstance(task, YouTube8M):
        raise InputError(
            f"expected members of known families in a graph of {task.name}, got the SavedModel {member.name}, "
            f"which can be a member of {YouTube8M.name} only"
        )
    for what, expected, found in (
        (f"frames of {task.rgb} + {task.audio} values", task.width, opened.width),
        (f"{task.classes} classes", task.classes, opened.classes),
    ):
        if found not in (None, expected):
            raise InputError(f"expected {what} in the SavedModel {member.directory}, got {found}")
    return task


def _signature(loaded: Any, directory: Path) -> Any:
    found = dict(loaded.signatures.items())
    if SIGNATURE in found:
        return found[SIGNATURE]
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(found) or "none"
    raise InputError(f"expected a signature {SIGNATURE}, or just one, in the SavedModel {directory}, got {names}")


def _frames_and_counts(inputs: list[Any], directory: Path) -> tuple[Any, Any]:
    frames = [t for t in inputs if t.dtype.name in ("float32", "uint8") and t.shape.rank in (2, 3)]
    counts = [t for t in inputs if t.dtype.is_integer and t.shape.rank == 1]
    fits = len(frames) == 1 and len(counts) <= 1 and len(frames) + len(counts) == len(inputs)
    if not fits or any(tensor.shape[0] is not None for tensor in inputs):
        raise InputError(
            "expected frames [None, frames, width] as uint8 or float32 with their counts [None], or a vector [None, "
            f"width] as float32, as inputs of the SavedModel {directory}, got {_described(inputs)}"
        )
    return frames[0], next(iter(counts), None)


def _predictions(outputs: dict[str, Any], directory: Path) -> Any:
    fitting = {name: t for name, t in outputs.items() if t.dtype.name == "float32" and t.shape.rank == 2}
    named = [fitting[name] for name in PREDICTIONS if name in fitting]
    if not named and len(fitting) != 1:
        raise InputError(
            f"expected one float32 output [None, classes], or one named {' or '.join(PREDICTIONS)}, of the SavedModel "
            f"{directory}, got {_described(list(outputs.values()))}"
        )
    return (named or list(fitting.values()))[0]


def _captured(
    function: Any, captures: dict[str, Any], directory: Path
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    import tensorflow as tf

    variables: dict[str, Any] = {}
    constants: dict[str, NDArray[Any]] = {}
    for placeholder, outer in captures.items():
        if outer.dtype != tf.resource:
            constants[placeholder] = np.asarray(outer.numpy())
            continue
        found = [variable for variable in function.graph.variables if variable.handle is outer]
        if not found:
            raise InputError(
                f"expected a SavedModel of variables and constants alone in {directory}, got another resource, such as "
                "a lookup table"
            )
        variables[placeholder] = found[0]
    return variables, constants


def _last_dimension(tensor: Any) -> int | None:
    size = tensor.shape[-1]
    return None if size is None else int(size)


def _described(tensors: list[Any]) -> str:
    return ", ".join(f"{t.dtype.name} {t.shape}" for t in tensors) or "none"
