"""The one graph for LiteRT: a flatbuffer that phones run, with nothing but LiteRT's built-in operations.

It is converted from the SavedModel, so this format alone stands on another one.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.errors import GraphError
from gapsack.models.graph.formats import Format, savedmodel
from gapsack.models.graph.formats.savedmodel import Graph
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.names import SIGNATURE
from gapsack.models.graph.network import OUTPUTS
from gapsack.models.graph.output import GraphOutput, checked_inputs
from gapsack.models.graph.writing import Filled, GraphInfo, WriteOptions, write_whole
from gapsack.selection.errors import InputError
from gapsack.selection.files import whole_file

LITE_FILE = "graph.tflite"

TOLERANCE = 5e-3
"""Largest difference from the SavedModel's probabilities that is taken for the rounding of float16."""

EXAMPLES = 3
"""Random examples on which the two are compared."""

WEIGHTS = "weights"
"""The setting that says what floating-point weights are stored as (`write_lite`)."""


@dataclass(frozen=True)
class LiteFormat:
    """`graph.tflite`; see `Format`."""

    name: str = "litert"
    marker: str = LITE_FILE
    suffix: str | None = ".tflite"
    tolerance: float = TOLERANCE
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {WEIGHTS: ("float16", "float32")})

    def write(self, members: Sequence[AnyMember], directory: Path, options: WriteOptions) -> GraphInfo:
        """See `Format.write`; the SavedModel that it is converted from is written beside it and removed again."""

        def fill(part: Path) -> Filled:
            source = part / "saved_model"
            plain = replace(options, budget_bytes=None, extra_files={}, settings={}, plain=True)
            from gapsack.models.layers.recurrent import plain_loops

            with plain_loops():
                built = savedmodel.FORMAT.write(members, source, plain)
            examples = options.task.example_inputs(np.random.default_rng(0), EXAMPLES)
            lite = write_lite(source, part / LITE_FILE, examples, float16=options.settings[WEIGHTS] == "float16")
            shutil.rmtree(source)
            return Filled(built.saturated, lite.largest_difference)

        return write_whole(members, directory, self.marker, options, fill)

    def load(self, path: Path) -> LiteGraph:
        """See `Format.load`."""
        return LiteGraph(path if path.is_file() else path / LITE_FILE)


FORMAT: Format = LiteFormat()


class LiteGraph:
    """A flatbuffer of `write_lite`, run by the interpreter; a `Predictor`.

    `content` is the flatbuffer, or its path.

    Attributes:
        inputs: See `Predictor.inputs`.

    Raises:
        InputError: It is no flatbuffer, or has no signature of `build_graph`.
    """

    def __init__(self, content: bytes | str | Path) -> None:
        import tensorflow as tf

        where = "the flatbuffer" if isinstance(content, bytes) else str(content)
        try:
            model = content if isinstance(content, bytes) else Path(content).read_bytes()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated", UserWarning)
                self._runner = tf.lite.Interpreter(model_content=model).get_signature_runner(SIGNATURE)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise InputError(
                f"expected a LiteRT graph with the signature {SIGNATURE} in {where}, got {error}"
            ) from error
        missing = set(OUTPUTS) - set(self._runner.get_output_details())
        if missing:
            raise InputError(
                f"expected the outputs {', '.join(OUTPUTS)} in {where}, got no {', '.join(sorted(missing))}"
            )
        self._types = {name: detail["dtype"] for name, detail in self._runner.get_input_details().items()}
        self.inputs: tuple[str, ...] = tuple(sorted(self._types))

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> GraphOutput:
        """See `Predictor.predict`."""
        answer = self._runner(**checked_inputs(inputs, self._types))
        return GraphOutput(*(answer[name] for name in OUTPUTS))


@dataclass(frozen=True)
class LiteInfo:
    """A converted graph.

    Attributes:
        path: The flatbuffer.
        size_bytes: Its size.
        largest_difference: From the probabilities of the SavedModel, on random videos.
    """

    path: Path
    size_bytes: int
    largest_difference: float


def write_lite(
    graph: str | Path, path: str | Path, examples: Mapping[str, NDArray[Any]], *, float16: bool = True
) -> LiteInfo:
    """Convert a graph of `build_graph`; the file appears whole or not at all.

    `examples` are inputs, such as `Task.example_inputs` gives, on which both graphs must predict the same.

    Integer and pruned weights stay as they are stored and are decoded when the graph runs. The converter widens float16
    constants; `float16` stores all floating-point constants as float16 again, biases and norms included, so an
    ensemble of float32 members wants it off. The whole ensemble is in memory several times over, and the format ends
    at 2 GiB: it is for members that a phone can hold.

    Raises:
        InputError: There is no such graph.
        GraphError: The converter fails, or what it made does not predict what the graph predicts, within `TOLERANCE`.
    """
    import tensorflow as tf

    loaded, target = Graph(graph), Path(path)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([loaded.signature(SIGNATURE)], loaded.loaded)
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        content = converter.convert()
    except Exception as error:  # the converter has no error type of its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)  # the rest is the whole graph as text
        raise GraphError(f"expected LiteRT to take the graph in {graph}, got {reason}") from error
    difference = _largest_difference(loaded, content, examples)
    if not difference <= TOLERANCE:
        raise GraphError(
            f"expected LiteRT to predict what {graph} predicts within {TOLERANCE}, got a difference of {difference:.2g}"
        )
    with whole_file(target) as file:
        file.write(content)
    return LiteInfo(target, len(content), difference)


def _largest_difference(loaded: Graph, content: bytes, examples: Mapping[str, NDArray[Any]]) -> float:
    expected = loaded.predict(examples).probabilities
    return float(np.abs(LiteGraph(content).predict(examples).probabilities - expected).max())
