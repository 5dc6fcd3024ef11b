"""The formats that the one graph is written in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapsack.models.graph import GraphInfo, build_graph
from gapsack.models.graph.build import Progress
from gapsack.models.graph.formats.litert import build_lite
from gapsack.models.graph.formats.loading import Format
from gapsack.models.graph.formats.metagraph import build_meta_graph
from gapsack.sweep.graphs.packing import Packing, extra_files
from gapsack.sweep.runs.sources import Source


@dataclass(frozen=True)
class Writing:
    """How a graph is written.

    Attributes:
        format: `savedmodel`, `metagraph` or `litert`.
        lite_float16: Whether LiteRT stores floating-point weights as float16; of no effect elsewhere.
        saturate: Clip weights beyond their precision's range and count them, rather than refuse them.
    """

    format: Format = "savedmodel"
    lite_float16: bool = True
    saturate: bool = False


def write_graph(packing: Packing, directory: Path, writing: Writing, progress: Progress | None = None) -> GraphInfo:
    """Write the one graph; on disk it is within the ensemble's budget or it is not written at all.

    Raises:
        InputError: Members that do not fit together, weights that are missing or out of range.
        GraphError: The graph is larger than the budget, or the format cannot hold it.
    """
    options: dict[str, Any] = {
        "blend": packing.ensemble.blend,
        "budget_bytes": packing.ensemble.budget_bytes,
        "max_frames": packing.features.max_frames,
        "saturate": writing.saturate,
        "extra_files": extra_files(packing),
        "progress": progress,
    }
    level = packing.features.level
    if writing.format == "metagraph":
        return build_meta_graph(packing.members, directory, **options)
    if writing.format == "litert":
        return build_lite(packing.members, directory, level=level, float16=writing.lite_float16, **options)
    return build_graph(packing.members, directory, level=level, **options)


def default_folder(source: Source, format_name: Format) -> Path:
    """Where a graph goes by default: `graph` in its run (or here); other formats beside it, under their own name."""
    folder = source.beside("graph", "graph")
    return folder if format_name == "savedmodel" else folder.with_name(format_name)
