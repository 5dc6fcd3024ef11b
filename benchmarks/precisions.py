"""What each precision costs and saves: bytes of the built graph on disk, GAP by that graph, time a batch.

    python benchmarks/precisions.py POOL DATA_PATTERN [--candidate NAME] [--precisions …] [--calibrate VIDEOS]

POOL is the pool of a run (`runs/<name>/pool`), DATA_PATTERN the files that its held-out videos are in; the videos of
the pool's labels are scored. Each precision is built as a graph of one member and loaded again; times are the best of
five batches, with weights decoded at every call and once for all. Integers are chosen by the trial's own calibration
where it has one; with --calibrate, by what the matrices are multiplied by in so many of the files' other videos.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.held_out import features_of, held_out
from gapsack.models import checkpoints, registry
from gapsack.models.calibration import calibrate
from gapsack.models.graph import Graph, Member, build_graph
from gapsack.models.tasks import Task, task_from_dict
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.selection.pool.origin import WeightsOrigin, read_origin
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.files import expand
from gapsack.sweep.data.reader import evaluation_batches

PRECISIONS = (
    "float32,float16,bfloat16,int8,int4,mixed_8_8_8_4_8,mixed_8_4_4_4_8,pruned50_float16,pruned50_int8,"
    "pruned75_float16,pruned75_int8,pruned90_float16,pruned90_int8"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("data")
    parser.add_argument("--candidate")
    parser.add_argument("--precisions", default=PRECISIONS)
    parser.add_argument("--calibrate", type=int, default=0)
    given = parser.parse_args()
    candidates = [given.pool / f"{given.candidate}.json"] if given.candidate else sorted(given.pool.glob("*.json"))
    record, files = json.loads(candidates[0].read_text()), expand([given.data])
    origin = read_origin(record["origin"], record["hyperparameters"], candidates[0])
    assert isinstance(origin, WeightsOrigin), "a SavedModel from elsewhere has one precision"
    features = features_of(origin.task)
    wanted = set(CandidatePool.read(given.pool).labels.video_ids.tolist())
    batches = held_out(files, features, wanted)
    with tempfile.TemporaryDirectory() as folder:
        member = Member(
            name=record["name"],
            family=origin.family,
            hyperparameters=record["hyperparameters"],
            precision="float32",
            weight=1.0,
            weights=given.pool / origin.weights,
            sample_frames=origin.sample_frames,
            calibration=given.pool / origin.calibration if origin.calibration else None,
        )
        if given.calibrate:
            others = other_videos(files, features, wanted, member.sample_frames, given.calibrate)
            member = calibrated(member, others, Path(folder) / "calibration.npz")
        print_table(member, given.precisions.split(","), batches, task_from_dict(origin.task), Path(folder))


def print_table(member: Member, names: Sequence[str], batches: Sequence[Batch], task: Task, folder: Path) -> None:
    labels = np.concatenate([batch.labels for batch in batches])
    print(f"{member.name}: {len(labels)} held-out videos")
    print("| precision | bytes on disk | of float32 | GAP | change | ms a batch | decoded once |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    exact = None
    for name in names:
        info = build_graph([replace(member, precision=name)], folder / "graph", task=task)
        graph = Graph(info.directory)
        scores = np.concatenate([graph.predict(batch.inputs).probabilities for batch in batches])
        gap = gap_at_k(scores, labels)
        exact = exact or (info.size_bytes, gap)
        each_call = milliseconds(graph, batches[0])
        graph.decode()
        print(
            f"| {name} | {info.size_bytes:,} | {info.size_bytes / exact[0]:.1%} | {gap:.5f} | {gap - exact[1]:+.5f} "
            f"| {each_call:.0f} | {milliseconds(graph, batches[0]):.0f} |",
            flush=True,
        )


def calibrated(member: Member, batches: Iterator[np.ndarray], path: Path) -> Member:
    """The member with moments of its inputs on these batches of frames."""
    model = registry.build(member.family, **member.hyperparameters)
    checkpoints.load_reference_weights(model, checkpoints.read_weights(member.weights))
    checkpoints.write_weights(path, calibrate(model, batches))
    return replace(member, calibration=path)


def other_videos(
    files: Sequence[str], features: Features, held_out: set[str], sample_frames: int, count: int
) -> Iterator[np.ndarray]:
    """Sampled frames of the first `count` videos that are not held out, in batches."""
    reader = evaluation_batches(files, features, batch_size=64, sample_frames=sample_frames, faults=Faults(0.001))
    with reader as stream:
        for batch in stream:
            rows = [row for row, video in enumerate(batch.video_ids.tolist()) if video not in held_out][:count]
            if rows:
                yield np.array(batch.frames[rows])
            count -= len(rows)
            if not count:
                return


def milliseconds(graph: Graph, batch: Batch) -> float:
    """Of the fastest of five calls."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        graph.predict(batch.inputs)
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1e3


if __name__ == "__main__":
    main()
