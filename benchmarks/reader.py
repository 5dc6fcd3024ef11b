"""How fast files are read, beside tf.data and beside reading the same bytes and doing nothing.

    python benchmarks/reader.py [--level frame|video] [--seconds 5] [--rounds 3] [--cores 2]

Writes files of full dimensions with `sweep synth`'s own code to a temporary folder (about 260 MB at frame level), reads
them once so that they lie in the page cache, and lets every pipeline run for the same time, in turn, several rounds;
the best round of each counts, since whatever else the machine does only slows one down. Each runs for a while before it
is timed, since pipelines fill their buffers while others have their turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import reader_pipelines as pipelines
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.synth.write import write_synth

CLASSES = 3862
FILES, VIDEOS_PER_FILE = 16, {"frame": 64, "video": 4000}
FRAMES = (120, 330)  # about 225 on average, as in the real data
BATCH_SIZE = {"frame": 80, "video": 1024}
SAMPLE_FRAMES = 300
WARM_SECONDS = 1.5  # in which what was made ahead is used up, and the pipeline that ran before falls asleep


@dataclass(frozen=True)
class Speed:
    """What a pipeline did in one second: records, and bytes of the files that hold them; and its CPU time a record."""

    records: float
    file_bytes: float
    cpu_seconds: float


def main() -> None:
    options = _options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        features = Features(options.level, CLASSES)
        paths = write_synth(
            Path(folder),
            level=options.level,
            train_files=FILES,
            validate_files=0,
            videos_per_file=VIDEOS_PER_FILE[options.level],
            classes=CLASSES,
            min_frames=FRAMES[0] if options.level == "frame" else 1,
            max_frames=FRAMES[1] if options.level == "frame" else 1,
            seed=0,
        )
        report(measure([str(path) for path in paths], features, options.seconds, options.rounds), options.level)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", choices=["frame", "video"], default="frame")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each pipeline in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


def measure(files: list[str], features: Features, seconds: float, rounds: int) -> dict[str, Speed]:
    """Best speed of every pipeline over the rounds."""
    records = FILES * VIDEOS_PER_FILE[features.level]
    record_bytes = pipelines.total_bytes(files) / records
    batch_size = BATCH_SIZE[features.level]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    running: dict[str, Iterator[Any]] = {
        "starter code": iter(pipelines.starter_code(files, features, batch_size)),
        "starter code, parallel": iter(pipelines.starter_code(files, features, batch_size, parallel=True)),
        "good tf.data": iter(pipelines.good_tf_data(files, features, batch_size, buffer_records=500)),
        "ours, training": pipelines.ours_in_training(files, features, batch_size, SAMPLE_FRAMES),
        "ours, evaluation": pipelines.ours_in_evaluation(files, features, batch_size, SAMPLE_FRAMES),
    }
    best: dict[str, Speed] = {}
    for _ in range(rounds):
        found = {"reading, doing nothing": _speed(lambda: pipelines.read_only(files, cores), seconds, records)}
        for name, batches in running.items():
            found[name] = _speed(lambda batches=batches: next(batches), seconds, batch_size)
        for name, (speed, cpu_seconds) in found.items():
            if name not in best or speed > best[name].records:
                best[name] = Speed(speed, speed * record_bytes, cpu_seconds)
    for batches in running.values():
        if hasattr(batches, "close"):
            batches.close()
    return best


def _speed(run: Callable[[], object], seconds: float, records: int) -> tuple[float, float]:
    """Records a second, and CPU seconds a record, of a `run` that goes through so many; the start is not counted."""
    began = time.perf_counter()
    while time.perf_counter() - began < WARM_SECONDS:
        run()
    began, cpu_began, passes = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        run()
        passes += 1
    return passes * records / elapsed, (time.process_time() - cpu_began) / (passes * records)


def report(speeds: dict[str, Speed], level: str) -> None:
    print(f"\n{level} level, from page cache, batches of {BATCH_SIZE[level]}")
    print(
        f"{'':24}{'records/s':>11}{'MB/s of files':>15}{'x starter':>11}{'x tf.data':>11}{'of limit':>10}"
        f"{'CPU us/record':>15}"
    )
    limit = speeds["reading, doing nothing"]
    for name, speed in speeds.items():
        ratios = (speed.records / speeds[base].records for base in ("starter code", "good tf.data"))
        starter, good = ratios
        share = speed.records / limit.records
        print(
            f"{name:24}{speed.records:11,.0f}{speed.file_bytes / 1e6:15,.0f}{starter:11.1f}{good:11.1f}{share:10.0%}"
            f"{speed.cpu_seconds * 1e6:15.1f}"
        )


if __name__ == "__main__":
    main()
