"""Whether the told interval holds what it says: cross-fitted figures of small sets against a large unseen one.

    python -m benchmarks.coverage --sets 100:60 200:60 500:60 2000:12

Every set is a draw of videos from one twin (of every other of the paper's models, so that a set takes seconds),
disjoint from the others. Its ensemble is searched and told as `select ensemble` does by default; the truth is the score
of that very ensemble, and of that very best single model, on the unseen videos. An interval of 95 % should hold the
truth in 95 of 100 sets. Sets that happen to be drawn far apart hold less, whatever tells the interval: so the same is
told of the equal weights of all models, which nothing chose and a plain bootstrap judges.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper import TABLE_1
from benchmarks.report import RESULTS, save, table
from benchmarks.scorer import BlendScorer
from benchmarks.small_sets import dense_of
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.record import BAGGED_CHOICE_COUNTS, CHOICE_COUNTS
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets.options import FEW_ITEMS
from gapsack.selection.units import MIB

UNSEEN = 60_000
CLASSES, SLOTS = 150, 60
MODELS = TABLE_1[::2]
BUDGET_MIB = 300
DRAWS = 200  # of the bootstrap of equal weights


def told(pool: CandidatePool, unseen: BlendScorer, options: dict[str, Any]) -> dict[str, Any]:
    """What one set tells, and what is true of it."""
    start = time.process_time()
    found = search_ensemble(pool, budget_bytes=BUDGET_MIB * MIB, **options)
    seconds = time.process_time() - start
    held_out, difference = found.held_out, found.difference_to_best_single
    assert held_out is not None
    assert difference is not None
    assert found.best_single is not None
    truth = unseen.gap(_weights(found, unseen.names))
    single = unseen.gap(np.array([float(name == found.best_single["name"]) for name in unseen.names]))
    return {
        "tuned": found.tuning_score,
        "told": held_out["score"],
        "interval": held_out["interval"],
        "standard_error": held_out["standard_error"],
        "choice_error": held_out["choice_error"],
        "folds": [fold["score"] for fold in held_out["folds"]],
        "truth": truth,
        "difference": difference["difference"],
        "difference_interval": difference["interval"],
        "difference_standard_error": difference["standard_error"],
        "difference_choice_error": difference["choice_error"],
        "difference_truth": truth - single,
        "cpu_seconds": seconds,
    }


def plain(pool: CandidatePool, unseen: BlendScorer, seed: int) -> dict[str, Any]:
    """The equal weights of all models on one set: the score, a bootstrap's standard error, and what is true."""
    scores, truth = dense_of(pool)
    count = len(scores)
    mean: np.ndarray = scores.mean(axis=0, dtype=np.float64)
    rng = np.random.default_rng([seed, 11])
    draws = (rng.integers(0, len(truth), len(truth)) for _ in range(DRAWS))
    standard_error = float(np.std([gap_at_k(mean[drawn], truth[drawn]) for drawn in draws], ddof=1))
    found = {"score": gap_at_k(mean, truth), "truth": unseen.gap(np.full(count, 1 / count))}
    return {"equal": found | {"standard_error": standard_error}}


def _weights(found: Ensemble, names: Sequence[str]) -> np.ndarray:
    by_name = {member.name: member.weight for member in found.members}
    return np.array([by_name.get(name, 0.0) for name in names])


def _row(videos: int, rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line of the table: of the score, then of the difference to the best single model."""
    line = [f"{videos:,}", str(len(rows)), f"{np.mean([row['tuned'] - row['truth'] for row in rows]):+.5f}"]
    for value, interval, truth in (
        ("told", "interval", "truth"),
        ("difference", "difference_interval", "difference_truth"),
    ):
        prefix = "" if value == "told" else "difference_"
        errors = np.array([row[value] - row[truth] for row in rows])
        counts = BAGGED_CHOICE_COUNTS if videos < FEW_ITEMS else CHOICE_COUNTS
        alone = [_drawing_error(row[f"{prefix}standard_error"], row[f"{prefix}choice_error"], counts) for row in rows]
        held = [row[interval][0] <= row[truth] <= row[interval][1] for row in rows]
        width = np.mean([row[interval][1] - row[interval][0] for row in rows])
        standard_error = errors.std(ddof=1) / np.sqrt(len(errors))
        line += [f"{errors.mean():+.5f} ± {standard_error:.5f}", f"{width:.4f}", f"{np.mean(held):.0%}"]
        line.append(f"{np.mean(np.abs(errors) <= 1.96 * np.array(alone) + 1e-12):.0%}")
    equal = [row["equal"] for row in rows]
    held = [abs(each["score"] - each["truth"]) <= 1.96 * each["standard_error"] for each in equal]
    line.append(f"{np.mean(held):.0%}")
    return [*line, f"{np.mean([row['cpu_seconds'] for row in rows]):.1f}"]


def _drawing_error(standard_error: float, choice_error: float, counts: float) -> float:
    """What of a standard error is of drawing videos alone."""
    return float(np.sqrt(max(standard_error**2 - counts * choice_error**2, 0.0)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the told intervals on small sets.")
    parser.add_argument("--sets", nargs="+", default=["100:60", "200:60", "500:60", "2000:12"], metavar="VIDEOS:COUNT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="only the table, of results that are there")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for coverage.json and .txt")
    arguments = parser.parse_args()
    found: dict[int, list[dict[str, Any]]] = {}
    if arguments.again:
        known = json.loads((arguments.out / "coverage.json").read_text(encoding="utf-8"))
        found = {int(videos): rows for videos, rows in known["sets"].items()}
    for place, text in enumerate([] if arguments.again else arguments.sets):
        videos, count = map(int, text.split(":"))
        spec = {"classes": CLASSES, "slots": SLOTS, "listed": SLOTS, "models": MODELS}
        twin = Twin(TwinSpec(seed=arguments.seed + place, videos=UNSEEN + videos * count, **spec))
        order = np.random.default_rng([arguments.seed, 9]).permutation(twin.spec.videos)
        unseen = BlendScorer(twin.pool(np.sort(order[:UNSEEN])))
        parts = np.array_split(order[UNSEEN:], count)
        found[videos] = [
            told(pool, unseen, {"seed": number, "precisions": ["float16"]}) | plain(pool, unseen, number)
            for number, pool in enumerate(twin.pool(np.sort(part)) for part in parts)
        ]
        print(_row(videos, found[videos]), flush=True)
    header = ["videos", "sets", "tuned - truth", "told - truth", "width", "held", "draws alone"]
    header += ["of the difference", "width", "held", "draws alone", "equal weights", "CPU s"]
    text = table(header, [_row(videos, rows) for videos, rows in found.items()])
    print(text)
    save("coverage", {"sets": {str(key): rows for key, rows in found.items()}}, text, arguments.out)


if __name__ == "__main__":
    main()
