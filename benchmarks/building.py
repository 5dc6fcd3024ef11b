"""Memory that building the paper's largest ensemble takes: YHLS in float16, 1,019.8 MiB, beside its largest member.

    python -m benchmarks.building            # 4 GB of disk for a while

Weights are random. A tiny graph is built first, so that what the packages themselves take is not counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.paper import TABLE_1
from benchmarks.report import RESULTS, peak_mib, save, table
from gapsack.models import sizes
from gapsack.models.checkpoints import write_weights
from gapsack.models.graph import Member, build_graph
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.units import MIB

CLASSES = 3862
FAMILY = "gated_netvlad"
TINY = (2, 4)


def member(folder: Path, name: str, size: tuple[int, int], seed: int) -> Member:
    """A float16 member of (clusters, hidden) with random weights."""
    hyperparameters = {"clusters": size[0], "hidden": size[1], "classes": CLASSES}
    rng, path = np.random.default_rng(seed), folder / f"{name}.npz"
    tensors = sizes.tensors(FAMILY, hyperparameters)
    write_weights(path, {t.name: rng.standard_normal(t.shape, np.float32) * np.float32(0.05) for t in tensors})
    return Member(name, FAMILY, hyperparameters, "float16", 0.25, path, 300)


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory that building a graph takes.")
    parser.add_argument("--members", default="YHLS", help="codes of the paper's models")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for building.json and .txt")
    arguments = parser.parse_args()
    paper = {model.code: (model.clusters, model.hidden) for model in TABLE_1}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = [("tiny", TINY), *((code, paper[code]) for code in arguments.members)]
        with multiprocessing.get_context("spawn").Pool(1) as process:  # drawing weights takes memory too
            tasks = [(folder, code, size, index) for index, (code, size) in enumerate(wanted)]
            tiny, *members = process.starmap(member, tasks)
        build_graph([tiny], folder / "tiny", task=YouTube8M("frame"))
        before = peak_mib()
        info = build_graph(members, folder / "graph", task=YouTube8M("frame"))
        added = peak_mib() - before
    largest = max(each.size_bytes for each in members) / MIB
    rows = [
        ["graph on disk, MiB", f"{info.size_bytes / MIB:.1f}"],
        ["largest member as stored, MiB", f"{largest:.1f}"],
        ["memory added by building, MiB", f"{added:.0f}"],
        ["times the largest member", f"{added / largest:.1f}"],
    ]
    text = table(["figure", "value"], rows)
    print(text)
    save("building", {"rows": dict(rows)}, text, arguments.out)


if __name__ == "__main__":
    main()
