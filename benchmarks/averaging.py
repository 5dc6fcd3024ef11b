"""Which of many checkpoints of a large model to average: evaluations, reads and memory, beside scoring every range.

Writes the checkpoints of a training that circles around its optimum while its learning rate decays, searches the best
range with the product's own search, and holds the outcome against all n (n - 1) / 2 ranges. The score is the distance
of the average from the optimum over one small tensor, so that scoring all ranges is cheap here; reading, summing and
averaging are done at full size.

    python -m benchmarks.averaging                              # 50 checkpoints of K24-H1440, 38 GB of disk
    python -m benchmarks.averaging --model 8-512 --checkpoints 20
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import RESULTS, peak_mib, save, table
from gapsack.models import sizes
from gapsack.models.checkpoints import read_weights
from gapsack.selection.units import MIB
from gapsack.sweep.trial.averaging import RangeSearch
from gapsack.sweep.trial.trial_checkpoints import Checkpoints

SCORED = "tower/hidden1_bn/beta"  # the tensor that the score looks at
STEPS_A_CHECKPOINT = 2000
Weights = Mapping[str, NDArray[Any]]


def checkpoint(tensors: Mapping[str, tuple[int, ...]], index: int, count: int, seed: int) -> dict[str, NDArray[Any]]:
    """Weights of one checkpoint: the optimum, zero, plus a drift that dies away, plus noise that does not."""
    rng = np.random.default_rng([seed, index])
    drift = 2.0 * np.exp(-6.0 * index / count)
    found = {name: np.full(shape, drift, np.float32) for name, shape in tensors.items()}
    found[SCORED] = (drift + rng.standard_normal(tensors[SCORED])).astype(np.float32)
    return found


def score(weights: Weights) -> float:
    """Minus the root mean square of the scored tensor: 0 at the optimum."""
    return -float(np.sqrt(np.mean(np.square(weights[SCORED], dtype=np.float64))))


def best_of_all(checkpoints: Checkpoints, steps: list[int]) -> tuple[tuple[int, int], float, int]:
    """The best range of all, its score, and how many ranges there are; reads the scored tensor alone."""
    values = []
    for step in steps:
        with np.load(checkpoints.file(step)) as archive:
            values.append(archive[SCORED].astype(np.float64))
    sums = np.concatenate([np.zeros((1, values[0].size)), np.cumsum(values, axis=0)])
    scores = {
        (steps[first], steps[last]): score({SCORED: (sums[last + 1] - sums[first]) / (last + 1 - first)})
        for last in range(len(steps))
        for first in range(last)
    }
    best = max(scores, key=lambda steps: scores[steps])
    return best, scores[best], len(scores)


def reading(checkpoints: Checkpoints, steps: list[int]) -> Iterator[float]:
    """Seconds that each checkpoint takes to be read, and nothing else."""
    for step in steps:
        start = time.perf_counter()
        read_weights(checkpoints.file(step))
        yield time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Search the best range of many checkpoints of a large model.")
    parser.add_argument("--model", default="24-1440", help="K-H, such as 8-512")
    parser.add_argument("--checkpoints", type=int, default=50)
    parser.add_argument("--evaluations", type=int, default=40, help="averages that may be scored (the grid's default)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the checkpoints are written for a while")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for averaging.json and .txt")
    arguments = parser.parse_args()
    clusters, hidden = map(int, arguments.model.split("-"))
    tensors = sizes.tensors("gated_netvlad", {"clusters": clusters, "hidden": hidden, "classes": 3862})
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    model_mib = 4 * sum(int(np.prod(shape)) for shape in shapes.values()) / MIB
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        checkpoints = Checkpoints(Path(folder), "benchmark")
        steps = [STEPS_A_CHECKPOINT * (index + 1) for index in range(arguments.checkpoints)]
        for index, step in enumerate(steps):
            checkpoints.write_weights(step, checkpoint(shapes, index, len(steps), arguments.seed))
        reads: list[int] = []

        def read(step: int) -> Weights:
            reads.append(step)
            return checkpoints.read_weights(step)

        start = time.perf_counter()
        found = RangeSearch(steps, read, score, arguments.evaluations).run()
        seconds, peak = time.perf_counter() - start, peak_mib()
        read_seconds = sum(reading(checkpoints, steps)) / len(steps)
        best, best_score, ranges = best_of_all(checkpoints, steps)
    rows = [
        ["checkpoints", f"{len(steps)} of {model_mib:.0f} MiB"],
        ["averages scored, of all ranges", f"{len(found.evaluated)} of {ranges}"],
        ["checkpoints read", f"{len(reads)} ({len(reads) / len(steps):.1f} times each)"],
        ["peak memory", f"{peak:.0f} MiB, {peak / model_mib:.1f} models"],
        ["time beside reading the same files", f"{seconds / (read_seconds * len(reads)):.1f} times ({seconds:.0f} s)"],
        ["best single", f"{found.gap_single:.5f} at step {found.step_single}"],
        ["best range found", f"{found.gap_averaged:.5f} of steps {found.best_range}"],
        ["best of all ranges", f"{best_score:.5f} of steps {best}"],
    ]
    text = table(["figure", "value"], rows)
    print(text)
    save("averaging", {"rows": dict(rows)}, text, arguments.out)


if __name__ == "__main__":
    main()
