"""The one graph for LiteRT: a flatbuffer that phones run, with nothing but LiteRT's built-in operations."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gapsack.models.errors import GraphError
from gapsack.models.graph.blending import Blend
from gapsack.models.graph.build import GraphInfo, Progress, build_graph, check_budget
from gapsack.models.graph.files import file_sizes, write_extra_files
from gapsack.models.graph.formats.litert_served import LiteGraph
from gapsack.models.graph.formats.savedmodel_served import Graph
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.names import SIGNATURE
from gapsack.models.graph.network import Level
from gapsack.selection.files import whole_file, whole_folder

LITE_FILE = "graph.tflite"

TOLERANCE = 5e-3
"""Largest difference from the SavedModel's probabilities that is taken for the rounding of float16."""


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


def build_lite(
    members: Sequence[AnyMember],
    directory: str | Path,
    *,
    level: Level,
    blend: Blend = "probability",
    budget_bytes: int | None = None,
    top_k: int = 20,
    max_frames: int = 300,
    saturate: bool = False,
    float16: bool = True,
    extra_files: Mapping[str, bytes] | None = None,
    progress: Progress | None = None,
) -> GraphInfo:
    """Write `graph.tflite` into a folder that appears whole or not at all; arguments and errors as for `build_graph`.

    The SavedModel that it is converted from is written beside it and removed again. `float16` as for `write_lite`.
    """
    target = Path(directory)
    with whole_folder(target, marker=LITE_FILE) as part:
        source = part / "saved_model"
        built = build_graph(
            members,
            source,
            level=level,
            blend=blend,
            top_k=top_k,
            max_frames=max_frames,
            saturate=saturate,
            progress=progress,
        )
        lite = write_lite(source, part / LITE_FILE, float16=float16)
        shutil.rmtree(source)
        write_extra_files(part, extra_files)
        info = replace(built, directory=target, files=file_sizes(part), largest_difference=lite.largest_difference)
        check_budget(info, members, budget_bytes)
    return info


def write_lite(graph: str | Path, path: str | Path, *, float16: bool = True) -> LiteInfo:
    """Convert a graph of `build_graph`; the file appears whole or not at all.

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
    difference = _largest_difference(loaded, content)
    if not difference <= TOLERANCE:
        raise GraphError(
            f"expected LiteRT to predict what {graph} predicts within {TOLERANCE}, got a difference of {difference:.2g}"
        )
    with whole_file(target) as file:
        file.write(content)
    return LiteInfo(target, len(content), difference)


def _largest_difference(loaded: Graph, content: bytes) -> float:
    spec: Any = loaded.signature(SIGNATURE).structured_input_signature[1]["frames"]
    rng = np.random.default_rng(0)
    shape = (3, spec.shape[1] or 40, spec.shape[2])
    frames = rng.integers(0, 256, shape).astype(np.uint8)
    if spec.dtype.is_floating:
        frames = rng.standard_normal(shape).astype(np.float32)
    num_frames = np.array([1, 7, 40], np.int32)
    expected = loaded.predict(frames, num_frames).probabilities
    return float(np.abs(LiteGraph(content).predict(frames, num_frames).probabilities - expected).max())
