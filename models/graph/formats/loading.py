"""A built graph of any format, told by its files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gapsack.models.graph.formats.litert import LITE_FILE
from gapsack.models.graph.formats.litert_served import LiteGraph
from gapsack.models.graph.formats.metagraph import PREFIX
from gapsack.models.graph.formats.metagraph_served import MetaGraph
from gapsack.models.graph.formats.savedmodel_served import Graph
from gapsack.models.graph.names import SAVED_MODEL_FILE
from gapsack.models.graph.output import Predictor
from gapsack.selection.errors import InputError

Format = Literal["savedmodel", "metagraph", "litert"]

MARKERS: dict[Format, str] = {"savedmodel": SAVED_MODEL_FILE, "metagraph": f"{PREFIX}.meta", "litert": LITE_FILE}
"""The file by which a folder is known to hold a graph of each format."""


def graph_format(directory: Path) -> Format:
    """The format of the graph in a folder; InputError when there is none."""
    for name, marker in MARKERS.items():
        if (directory / marker).is_file():
            return name
    raise InputError(f"expected a built graph (one of {', '.join(MARKERS.values())}) in {directory}, got none")


def load_graph(path: Path, *, decode_once: bool = False) -> Predictor:
    """Load a graph of any format.

    Args:
        path: The folder that holds it, or a .tflite file of any name.
        decode_once: Decode all weights now and keep them as float32 (`Graph.decode`).

    Raises:
        InputError: No graph is there, or `decode_once` is asked of a format that decodes as it runs.
    """
    kind = "litert" if path.is_file() else graph_format(path)
    if kind == "savedmodel":
        graph = Graph(path)
        if decode_once:
            graph.decode()
        return graph
    if decode_once:
        raise InputError(f"expected a SavedModel to decode once, got a {kind} in {path}, which decodes as it runs")
    if kind == "metagraph":
        return MetaGraph(path)
    return LiteGraph(path if path.is_file() else path / LITE_FILE)
