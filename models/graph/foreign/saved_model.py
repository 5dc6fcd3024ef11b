"""SavedModels from elsewhere as members: their variables are copied, their signature is laid down in the one graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.graph.files import file_sizes
from gapsack.models.graph.loading import load_saved_model, reading
from gapsack.models.graph.names import SIGNATURE, scope
from gapsack.models.precisions import Part
from gapsack.models.tasks import PREDICTIONS, Task
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

VECTOR_RANK = 2
AUDIO = "audio"
"""In the name of an input that is audio, where its width does not tell."""

FRAME_TYPES = ("uint8", "float32", "float16")
PROBABILITY_TYPES = ("float32", "float16", "bfloat16", "float64")
"""What is computed in another precision is cast: probabilities have no more to lose."""


@dataclass(frozen=True)
class SavedModelMember:
    """A SavedModel as a member of the ensemble.

    Its signature (`serving_default`, or the only one) takes either frames [batch, frames, width], uint8 or features,
    with the number of real ones [batch]; or frames alone, evenly spaced ones; or, at video level, a vector [batch,
    width]. Frames and vectors may come in two inputs, rgb and audio. It gives probabilities [batch, classes].

    Attributes:
        name: For messages and progress.
        directory: The SavedModel.
        precision: What its precision is called; its variables are stored as they are.
        weight: Its share in the blend.
        sample_frames: Frames that it sees of each video when it takes frames alone, any number of them.
        shared: As of `Member`; a graph cannot be built of a SavedModel that shares a group with another member.
        output: Which of its signature's outputs are the probabilities; None for the only one, or the one so called.
    """

    name: str
    directory: Path
    precision: str
    weight: float
    sample_frames: int
    shared: Mapping[str, int] = field(default_factory=dict)
    output: str | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of the SavedModel."""
        return sum(file_sizes(self.directory).values())


@dataclass(frozen=True)
class Opened:
    """A SavedModel's signature, loaded.

    Attributes:
        frames: Its inputs of frames or vectors, symbolic tensors alike but for their width: one, or rgb and audio in
            any order.
        num_frames: Its input of frame counts, if there is one.
        predictions: Its output of probabilities.
        function: The concrete function.
        variables: Variables by the name of the placeholder that stands for them in the function's graph.
        constants: Constants, likewise.
    """

    frames: tuple[Any, ...]
    num_frames: Any
    predictions: Any
    function: Any
    variables: dict[str, Any]
    constants: dict[str, NDArray[Any]]

    @property
    def dtype(self) -> Any:
        """Of frames or vectors."""
        return self.frames[0].dtype

    @property
    def rank(self) -> int:
        """3 of frames, 2 of vectors."""
        return int(self.frames[0].shape.rank)

    @property
    def length(self) -> int | None:
        """Frames that it takes, if their number is fixed."""
        return None if self.rank == VECTOR_RANK else self.frames[0].shape[1]

    def columns(self, task: YouTube8M) -> tuple[tuple[Any, slice], ...] | None:
        """Its inputs, each with the values of a frame that it gets: by width, then by name; None when none fits."""
        if len(self.frames) == 1:
            return ((self.frames[0], slice(None)),) if _fits(self.frames[0], task.width) else None
        rgb, audio = slice(None, task.rgb), slice(task.rgb, None)
        orders = [
            order
            for order in (self.frames, self.frames[::-1])
            if _fits(order[0], task.rgb) and _fits(order[1], task.audio)
        ]
        named = [order for order in orders if AUDIO in order[1].name.lower() and AUDIO not in order[0].name.lower()]
        if len(orders) > 1 and not named:
            return None
        for first, second in named or orders:
            return (first, rgb), (second, audio)
        return None

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


def open_saved_model(directory: Path, output: str | None = None) -> Opened:
    """Load a SavedModel and find the inputs and the output of its signature, as `SavedModelMember` says.

    Raises:
        InputError: There is none, or its signature is not one of `SavedModelMember`.
    """
    loaded = load_saved_model(directory)
    with reading(directory):
        function = _signature(loaded, directory)
        captures = {inner.name: outer for outer, inner in function.graph.captures}
        inputs = [tensor for tensor in function.inputs if tensor.name not in captures]
        frames, num_frames = _frames_and_counts(inputs, directory)
        variables, constants = _captured(function, captures, directory)
        # Of TensorFlow's function and its output: TensorFlow orders outputs by name.
        outputs = dict(zip(sorted(function.structured_outputs), function.outputs, strict=True))
        return Opened(frames, num_frames, _predictions(outputs, output, directory), function, variables, constants)


def layouts(opened: Opened, index: int) -> dict[str, Part]:
    """Shape and type of every variable, by its name in the one graph."""
    return {
        name: Part(tuple(opened.variables[placeholder].shape), opened.variables[placeholder].dtype.name)
        for placeholder, name in opened.names(index).items()
    }


def stored_arrays(index: int, member: SavedModelMember) -> Iterator[tuple[str, NDArray[Any]]]:
    """Values of every variable by its name in the one graph, one at a time; loads the whole SavedModel."""
    opened = open_saved_model(member.directory, member.output)
    for placeholder, name in opened.names(index).items():
        yield name, opened.variables[placeholder].numpy()


def check_task(opened: Opened, member: SavedModelMember, task: Task) -> YouTube8M:
    """The task, which must be YouTube-8M's; InputError when the signature has other features or classes."""
    if not isinstance(task, YouTube8M):
        raise InputError(
            f"expected members of known families in a graph of {task.name}, got the SavedModel {member.name}, "
            f"which can be a member of {YouTube8M.name} only"
        )
    if opened.columns(task) is None:
        parts = "" if len(opened.frames) == 1 else ", in two inputs, audio in one named so,"
        raise InputError(
            f"expected frames of {task.rgb} + {task.audio} values{parts} in the SavedModel {member.directory}, got "
            f"{' and '.join(_told(tensor) for tensor in opened.frames)}"
        )
    if opened.classes not in (None, task.classes):
        raise InputError(f"expected {task.classes} classes in the SavedModel {member.directory}, got {opened.classes}")
    return task


def _signature(loaded: Any, directory: Path) -> Any:
    found = dict(loaded.signatures.items())
    if SIGNATURE in found:
        return found[SIGNATURE]
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(found) or "none"
    raise InputError(f"expected a signature {SIGNATURE}, or just one, in the SavedModel {directory}, got {names}")


def _frames_and_counts(inputs: list[Any], directory: Path) -> tuple[tuple[Any, ...], Any]:
    frames = tuple(t for t in inputs if t.dtype.name in FRAME_TYPES and t.shape.rank in (VECTOR_RANK, 3))
    counts = [t for t in inputs if t.dtype.is_integer and t.shape.rank == 1]
    alike = len({(t.dtype.name, t.shape.rank, *t.shape[1:-1]) for t in frames}) == 1
    fits = alike and len(frames) <= 2 and len(counts) <= 1 and len(frames) + len(counts) == len(inputs)
    if not fits or any(tensor.shape[0] is not None for tensor in inputs):
        raise InputError(
            "expected frames [None, frames, width] as uint8, float32 or float16 with their counts [None], or a vector "
            "[None, width] as float32 or float16, in one input or in two alike, rgb and audio, of the SavedModel "
            f"{directory}, got {_described(inputs)}"
        )
    return frames, next(iter(counts), None)


def _predictions(outputs: dict[str, Any], output: str | None, directory: Path) -> Any:
    fitting = {name: t for name, t in outputs.items() if t.dtype.name in PROBABILITY_TYPES and t.shape.rank == 2}
    named = [fitting[name] for name in (PREDICTIONS if output is None else (output,)) if name in fitting]
    told = ", ".join(f"{name} {t.dtype.name} {t.shape}" for name, t in outputs.items()) or "none"
    if output is not None and not named:
        raise InputError(
            f"expected an output {output} [None, classes] of fractions of the SavedModel {directory}, got {told}"
        )
    if not named and len(fitting) != 1:
        raise InputError(
            f"expected one output [None, classes] of fractions, or one named {' or '.join(PREDICTIONS)}, of the "
            f"SavedModel {directory}, got {told}: --output names another"
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


def _fits(tensor: Any, width: int) -> bool:
    return _last_dimension(tensor) in (None, width)


def _told(tensor: Any) -> str:
    """The name of an input, and its values a frame."""
    return f"{_last_dimension(tensor)} in {tensor.name.partition(':')[0]}"


def _described(tensors: list[Any]) -> str:
    return ", ".join(f"{t.name.partition(':')[0]} {t.dtype.name} {t.shape}" for t in tensors) or "none"
