"""Exact GAP on candidate lists against dense numpy: evaluations per second, by videos, candidates and members.

For every case one blend is scored by the kernel of ``selection`` and by dense numpy (float64 blend, argpartition of
each video's 20 best, one sort of the pool), in the same run, on one core each; both must give the same GAP. Dense
arrays are made and scored a thousand videos at a time, which keeps them in reach and is kind to their time; making them
is not counted.

    python -m benchmarks.gap_kernel            # the paper's size, then how it grows
    python -m benchmarks.gap_kernel --quick
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.twin import Twin, TwinSpec, default_cache
from gapsack.selection.metrics.objectives import Gap
from gapsack.selection.pool import CandidatePool
from gapsack.selection.rows.rows import Rows, build_rows

REPEATS = 7
K = 20
ROWS = 1_000  # videos of a dense chunk
PAPER_BLEND = "YHLS"
NEAR = 0.06  # how far weights stray in a fine search


@dataclass(frozen=True)
class Case:
    videos: int
    candidates: int
    members: int


@dataclass(frozen=True)
class Timing:
    """Seconds of one evaluation: on all candidates' rows, on the members' rows, near given weights, and dense."""

    case: Case
    rows: float
    compact: float
    near: float
    dense: float
    gap_error: float
    bytes_read: int

    @property
    def ratio(self) -> float:
        return self.dense / self.rows


def measure(pool: CandidatePool, case: Case) -> Timing:
    """Time one case on the first videos and candidates of a pool."""
    part = pool.take(np.arange(case.videos))
    columns = np.linspace(0, case.candidates - 1, case.members).astype(np.int64)
    weights = np.arange(case.members, 0, -1) / (case.members * (case.members + 1) / 2)
    rows = build_rows(part.labels, [c.predictions for c in part.candidates[: case.candidates]], K)
    compact = rows.compact(columns, K)
    near = compact.near(weights, NEAR, K)
    order = np.arange(case.members)
    gap = Gap(K)
    dense_seconds, dense_gap = dense_evaluation(part, columns, weights)
    return Timing(
        case=case,
        rows=best_seconds(lambda: gap.score(rows, columns, weights)),
        compact=best_seconds(lambda: gap.score(compact, order, weights)),
        near=best_seconds(lambda: gap.score(near, order, weights)),
        dense=dense_seconds,
        gap_error=abs(gap.score(rows, columns, weights) - dense_gap),
        bytes_read=bytes_of_evaluation(rows, case.members),
    )


def best_seconds(evaluate: Callable[[], float], repeats: int = REPEATS) -> float:
    """Least processor time of this thread over some repetitions, the first (which may compile) left out."""
    evaluate()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        evaluate()
        times.append(time.thread_time() - start)
    return min(times)


def dense_evaluation(
    pool: CandidatePool, columns: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """(seconds, GAP) of one dense evaluation."""
    labels, classes = pool.labels, pool.labels.class_count
    members = [pool.candidates[column].predictions for column in columns]
    seconds, scores, hits = 0.0, [], []
    for start in range(0, labels.video_count, ROWS):
        part = slice(start, min(start + ROWS, labels.video_count))
        rows = np.arange(part.start, part.stop)
        dense = np.zeros((len(members), len(rows), classes), np.float32)
        for each, lists in zip(dense, members, strict=True):
            np.put_along_axis(each, lists.top_indices[part], lists.top_scores[part], axis=1)
        truth = np.zeros((len(rows), classes), bool)
        taken = labels.take(rows)
        truth[np.repeat(np.arange(len(rows)), taken.counts), taken.indices] = True
        begun = time.thread_time()
        top_scores, top_hits = dense_top(dense, weights, truth)
        seconds += time.thread_time() - begun
        scores.append(top_scores)
        hits.append(top_hits)
    begun = time.thread_time()
    value = pooled_gap(np.concatenate(scores), np.concatenate(hits), labels.label_count)
    return seconds + time.thread_time() - begun, value


def dense_top(
    dense: NDArray[np.float32], weights: NDArray[np.float64], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and correctness of each video's 20 best, flat."""
    blended = weights[0] * dense[0].astype(np.float64)
    for weight, scores in zip(weights[1:], dense[1:], strict=True):
        blended += weight * scores
    # Of the negated scores: numpy selects among thousands of equal zeros ten times faster from this end.
    top = np.argpartition(-blended, K - 1, axis=1)[:, :K]
    return np.take_along_axis(blended, top, axis=1).ravel(), np.take_along_axis(truth, top, axis=1).ravel()


def pooled_gap(scores: NDArray[np.float64], hits: NDArray[np.bool_], label_count: int) -> float:
    ranks = np.flatnonzero(hits[np.lexsort((hits, -scores))]) + 1.0
    return float((np.arange(1, len(ranks) + 1) / ranks).sum() / label_count)


def bytes_of_evaluation(rows: Rows, members: int) -> int:
    """What an evaluation reads at most: values of its members, peaks and correctness of every entry."""
    return int(rows.indptr[-1]) * (members * rows.values.itemsize + rows.peaks.itemsize + 1)


def bandwidth() -> float:
    """Bytes a second that one core reads, by summing an array far larger than the caches."""
    array = np.ones(1 << 25)
    return array.nbytes / best_seconds(lambda: float(array.sum()), 3)


HEADER = (
    f"{'videos':>7} {'cand.':>5} {'memb.':>5} {'kernel ms':>10} {'members ms':>10} {'near ms':>8} {'dense ms':>9} "
    f"{'dense/kernel':>12} {'eval/s':>7} {'of bandwidth':>12} {'GAP diff.':>9}"
)


def line(t: Timing, bytes_per_second: float) -> str:
    share = t.bytes_read / t.rows / bytes_per_second
    return (
        f"{t.case.videos:7d} {t.case.candidates:5d} {t.case.members:5d} {t.rows * 1e3:10.2f} {t.compact * 1e3:10.2f} "
        f"{t.near * 1e3:8.2f} {t.dense * 1e3:9.1f} {t.ratio:12.1f} {1 / t.rows:7.0f} {share:12.1%} {t.gap_error:9.1e}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the paper's size only")
    parser.add_argument("--seed", type=int, default=0, help="of the twin")
    options = parser.parse_args(arguments)
    pool = Twin(TwinSpec(seed=options.seed), default_cache()).pool()
    cases = [Case(17_500, 18, 4)]
    if not options.quick:
        cases += [Case(17_500, 18, members) for members in (1, 2, 8, 18)]
        cases += [Case(videos, 18, 4) for videos in (1_000, 4_000)]
        cases += [Case(17_500, candidates, 4) for candidates in (4, 9)]
    limit = bandwidth()
    print(HEADER)
    for case in cases:
        print(line(measure(pool, case), limit), flush=True)
    print(
        f"\none core reads {limit / 1e9:.1f} GB/s; 'members': rows of the members only; 'near': weights within {NEAR}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
