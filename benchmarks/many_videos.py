"""The search on pools of very many videos: time, memory, and what a search on a sample loses to one on all videos.

Pools of 20 candidates with lists of 100 classes are drawn from the error model of the twin (`benchmarks.twin`), whose
scales are solved on a few thousand videos: every video has its own scores by every model; its classes and labels are
those of one of the solved videos. A pool is written candidate by candidate, searched in a process of its own, and
deleted. Memory is sampled from /proc: anonymous pages are the process's own, file pages are mapped lists, which the
system takes back when it needs them.

    python -m benchmarks.many_videos --folder /tmp/scale
    python -m benchmarks.many_videos --folder /tmp/scale --videos 10000 --search-videos 1000 5000
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from benchmarks.report import RESULTS, save, table
from benchmarks.scaling import models
from benchmarks.twin import LARGEST_HIDDEN, Twin, TwinSpec
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions, write_candidate, write_labels
from gapsack.selection.search import search_ensemble
from gapsack.selection.units import MIB

CANDIDATES, LISTED, SLOTS = 20, 100, 160
SOLVED_VIDEOS = 6_000
BLOCK = 20_000  # videos drawn at a time
BUDGET_MIB = 1024
TUNE_SHARE = 0.5  # one search; cross-fitting is three
RESAMPLES = 200
RUNS = {10_000: (1_000, 5_000), 100_000: (10_000, 20_000, 50_000), 1_000_000: (20_000,)}
"""Videos of a pool, and tuning videos to search on: a sample, or all, which are half of the pool's."""
GIB = 2**30
NAME = "many_videos"


@dataclass(frozen=True)
class Run:
    """One search of one pool."""

    seed: int
    videos: int
    searched_videos: int
    load_seconds: float
    search_seconds: float
    cpu_seconds: float
    mapped_bytes: int
    peak_bytes: int
    peak_anonymous_bytes: int
    peak_file_bytes: int
    tuning_gap: float
    held_out_gap: float
    members: str
    rounds: list[dict[str, int]]

    @property
    def is_whole(self) -> bool:
        """Whether the search was on all tuning videos."""
        return not self.rounds


class Memory:
    """The largest resident memory of this process while a block runs, by kind, in bytes."""

    KINDS = ("VmHWM", "RssAnon", "RssFile")

    def __init__(self) -> None:
        self.peak = dict.fromkeys(self.KINDS, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            for line in lines:
                kind, _, value = line.partition(":")
                if kind in self.peak:
                    self.peak[kind] = max(self.peak[kind], int(value.split()[0]) * 1024)


def write_pool(folder: Path, videos: int, seed: int, cache: Path) -> None:
    """Write a pool of `videos` videos: equal arguments, equal files."""
    spec = TwinSpec(seed=seed, videos=SOLVED_VIDEOS, slots=SLOTS, listed=LISTED, models=models(CANDIDATES, 0))
    twin = Twin(spec, cache)
    base = np.arange(videos) % SOLVED_VIDEOS
    ids = np.array([f"{number:07d}" for number in range(videos)])
    truth = twin.slot_labels[base]
    counts = truth.sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    write_labels(folder, Labels(ids, indptr, twin.slot_classes[base][truth], spec.classes))
    known = np.empty((videos, SLOTS), np.float32)  # what all models see alike
    depth = np.empty((videos, SLOTS), np.float16)  # what deep ones see better
    common = twin._common.astype(np.float32)
    for block in _blocks(videos):
        rng = np.random.default_rng([seed, 7, block.start])
        shape = (block.stop - block.start, SLOTS)
        known[block] = common[base[block]] + twin.solution.shared * rng.standard_normal(shape, np.float32)
        depth[block] = rng.standard_normal(shape, np.float32)
    for number, model in enumerate(spec.models):
        classes, scores = np.empty((videos, LISTED), np.int32), np.empty((videos, LISTED), np.float32)
        share = 0.4 * (1 - model.hidden / LARGEST_HIDDEN)
        for block in _blocks(videos):
            rng = np.random.default_rng([seed, 8, number, block.start])
            logits = rng.standard_normal((block.stop - block.start, SLOTS), np.float32)
            logits = known[block] + share * depth[block] + twin.solution.own[number] * logits
            best = np.argsort(-logits, axis=1)[:, :LISTED]
            classes[block] = np.take_along_axis(twin.slot_classes[base[block]], best, axis=1)
            scores[block] = expit(np.take_along_axis(logits, best, axis=1).astype(np.float32))
        lists = Predictions(ids, classes, scores)
        write_candidate(folder, Candidate(model.code, {"float16": model.size_bytes}, lists))


def _blocks(videos: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, videos)) for start in range(0, videos, BLOCK)]


def search(folder: Path, search_videos: int, seed: int) -> Run:
    """Search a pool in this process."""
    before = time.process_time()
    with Memory() as memory:
        start = time.perf_counter()
        pool = CandidatePool.read(folder)
        loaded = time.perf_counter()
        found = search_ensemble(
            pool,
            budget_bytes=BUDGET_MIB * MIB,
            search_videos=search_videos,
            tune_share=TUNE_SHARE,
            resamples=RESAMPLES,
            seed=seed,
            workers=2,
        )
        ended = time.perf_counter()
    assert found.tuning_score is not None
    assert found.held_out is not None
    rounds = found.search.get("rounds", [])
    return Run(
        seed=seed,
        videos=pool.labels.video_count,
        searched_videos=rounds[0]["videos"] if rounds else pool.labels.video_count // 2,
        load_seconds=loaded - start,
        search_seconds=ended - loaded,
        cpu_seconds=time.process_time() - before,
        mapped_bytes=sum(_list_bytes(candidate.predictions) for candidate in pool.candidates),
        peak_bytes=memory.peak["VmHWM"],
        peak_anonymous_bytes=memory.peak["RssAnon"],
        peak_file_bytes=memory.peak["RssFile"],
        tuning_gap=found.tuning_score,
        held_out_gap=found.held_out["score"],
        members="+".join(member.name for member in found.members),
        rounds=rounds,
    )


def _list_bytes(lists: Predictions) -> int:
    return lists.top_indices.nbytes + lists.top_scores.nbytes


def searched_apart(folder: Path, search_videos: int, seed: int) -> Run:
    """Search a pool in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.many_videos", "--pool", str(folder)]
    command += ["--search-videos", str(search_videos), "--seeds", str(seed)]
    return Run(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def rows(runs: list[Run]) -> list[list[str]]:
    """A line a run."""
    whole = {(run.videos, run.seed): run.tuning_gap for run in runs if run.is_whole}
    lines = []
    for run in runs:
        reference = whole.get((run.videos, run.seed))
        lines.append(
            [
                f"{run.videos:,}",
                str(run.seed),
                "all" if run.is_whole else f"{run.searched_videos:,}",
                f"{run.load_seconds:.0f}",
                f"{run.search_seconds:.0f}",
                f"{run.cpu_seconds:.0f}",
                f"{run.mapped_bytes / GIB:.2f}",
                f"{run.peak_bytes / GIB:.2f}",
                f"{run.peak_anonymous_bytes / GIB:.2f}",
                f"{run.peak_file_bytes / GIB:.2f}",
                f"{run.peak_bytes / run.mapped_bytes:.2f}",
                f"{run.tuning_gap:.6f}",
                "-" if reference is None or run.is_whole else f"{run.tuning_gap - reference:+.6f}",
                f"{run.held_out_gap:.6f}",
            ]
        )
    return lines


HEADER = ["videos", "seed", "searched on", "load s", "search s", "CPU s", "mapped GiB", "peak", "own", "of files"]
HEADER += ["times mapped", "tuning GAP", "less all", "held-out GAP"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Search pools of very many videos.")
    parser.add_argument("--folder", type=Path, help="where pools are written, one at a time, and deleted")
    parser.add_argument("--pool", type=Path, help="search this pool and print what came out as JSON")
    parser.add_argument("--videos", type=int, nargs="+", default=list(RUNS))
    parser.add_argument("--search-videos", type=int, nargs="+", help="of every pool, instead of the usual ones")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--add", action="store_true", help="keep the runs that earlier calls saved")
    arguments = parser.parse_args()
    if arguments.pool is not None:
        print(json.dumps(asdict(search(arguments.pool, arguments.search_videos[0], arguments.seeds[0]))))
        return
    saved = RESULTS / f"{NAME}.json"
    runs = [Run(**run) for run in json.loads(saved.read_text())["runs"]] if arguments.add and saved.exists() else []
    for videos in arguments.videos:
        for seed in arguments.seeds:
            pool = arguments.folder / f"pool-{videos}-{seed}"
            try:
                started = time.perf_counter()
                write_pool(pool, videos, seed, arguments.folder)
                print(f"{videos} videos written in {time.perf_counter() - started:.0f} s", flush=True)
                for search_videos in arguments.search_videos or RUNS.get(videos, (20_000,)):
                    runs.append(searched_apart(pool, search_videos, seed))
                    print("  ".join(rows(runs)[-1]), flush=True)
            finally:
                shutil.rmtree(pool, ignore_errors=True)
    text = table(HEADER, rows(runs))
    save(NAME, {"runs": [asdict(run) for run in runs]}, text)
    print(text)


if __name__ == "__main__":
    main()
