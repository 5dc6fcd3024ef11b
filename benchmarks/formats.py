"""One ensemble in every format that it can be written in: bytes on disk, how far from the SavedModel, time a batch.

    python -m benchmarks.formats ENSEMBLE DATA_PATTERN

ENSEMBLE is an ensemble.json whose members have weights, DATA_PATTERN the files of its held-out videos. Times are those
of the fastest of five calls.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.held_out import features_of, held_out, some_of
from benchmarks.precisions import milliseconds
from benchmarks.report import RESULTS, save, table
from gapsack.models.graph.formats import format_names, load_graph
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.files import expand
from gapsack.sweep.graphs.build_and_track import Writing, write_graph
from gapsack.sweep.graphs.packing import Packing, read_packing

BATCH = 64


def rows(packing: Packing, batches: list[Batch], folder: Path) -> Iterator[list[str]]:
    """A row of the table for each format."""
    first = batches[0]
    one, some = (some_of(first, slice(count)) for count in (1, BATCH))
    reference = None
    for name in format_names():
        info = write_graph(packing, folder / name, Writing(name))
        graph = load_graph(folder / name)
        scores = graph.predict(first.inputs).probabilities
        reference = scores if reference is None else reference
        yield [
            name,
            f"{info.size_bytes:,}",
            f"{np.abs(scores - reference).max():.0e}",
            f"{milliseconds(graph, one):.1f}",
            f"{milliseconds(graph, some):.1f}",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description="One ensemble in every format.")
    parser.add_argument("ensemble", type=Path)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for formats.json and .txt")
    arguments = parser.parse_args()
    packing = read_packing(arguments.ensemble)
    pool = CandidatePool.read(arguments.ensemble.parent / (packing.ensemble.pool or "pool"))
    batches = held_out(
        expand([arguments.data]), features_of(packing.task.to_dict()), set(pool.labels.video_ids.tolist())
    )
    header = ["format", "bytes on disk", "from SavedModel", "ms 1", f"ms {BATCH}"]
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(packing, batches, Path(folder)))
    text = table(header, found)
    print(text)
    save("formats", {"rows": [dict(zip(header, row, strict=True)) for row in found]}, text, arguments.out)


if __name__ == "__main__":
    main()
