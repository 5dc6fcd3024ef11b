"""The plain greedy baseline beside AutoGluon's own `EnsembleSelection`: the same weights, or the run fails.

AutoGluon asks for older packages than gapsack's lock, so it has an extra of its own, in an environment of its own:

    python3.11 -m venv .venv-bench && .venv-bench/bin/pip install -e '.[bench]'
    .venv-bench/bin/python -m benchmarks.autogluon_check
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import GREEDY_ROUNDS, Problem, Weights, greedy_masked
from benchmarks.report import RESULTS, save, table
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool

NO_BUDGET = 1 << 62
CLASSES = 500


class _First:
    """Stands for AutoGluon's random state, which only breaks ties: here the first of the tied is taken, as in ours."""

    @staticmethod
    def choice(options: NDArray[np.int64]) -> int:
        return int(options[0])


def autogluon_weights(predictions: list[NDArray[np.float64]], labels: NDArray[np.bool_]) -> Weights:
    """Weights [models] of AutoGluon's selection over dense predictions [videos, classes], GAP@20 as its metric."""
    from autogluon.core.metrics import make_scorer  # type: ignore[import-not-found]
    from autogluon.core.models.greedy_ensemble.ensemble_selection import (  # type: ignore[import-not-found]
        EnsembleSelection,
    )

    metric = make_scorer("gap", lambda truth, scores: gap_at_k(scores, truth), optimum=1, needs_proba=True)
    selection = EnsembleSelection(GREEDY_ROUNDS, problem_type="binary", metric=metric, random_state=_First())
    selection.fit(predictions, labels)
    return np.asarray(selection.weights_)


def compare(seed: int, videos: int) -> tuple[list[str], bool]:
    """A row of the table for one twin, and whether the weights agree."""
    pool = Twin(TwinSpec(seed=seed, videos=videos, classes=CLASSES)).pool()
    sizes = np.array([candidate.size_bytes["float16"] for candidate in pool.candidates])
    scorer = BlendScorer(pool)
    start = time.process_time()
    plain = greedy_masked(Problem(scorer, sizes, NO_BUDGET))
    plain_seconds, start = time.process_time() - start, time.process_time()
    theirs = autogluon_weights(_dense(pool), _truth(pool))
    their_seconds = time.process_time() - start
    agree = bool(np.allclose(plain, theirs, atol=1e-12))
    row = [
        str(seed),
        f"{scorer.gap(plain):.6f}",
        f"{scorer.gap(theirs):.6f}",
        str(np.count_nonzero(plain)),
        str(np.count_nonzero(theirs)),
        "yes" if agree else "no",
        f"{their_seconds / plain_seconds:.0f}",
    ]
    return row, agree


def _dense(pool: CandidatePool) -> list[NDArray[np.float64]]:
    rows = np.arange(pool.labels.video_count)[:, None]
    found = []
    for candidate in pool.candidates:
        dense = np.zeros((pool.labels.video_count, pool.labels.class_count))
        dense[rows, candidate.predictions.top_indices] = candidate.predictions.top_scores
        found.append(dense)
    return found


def _truth(pool: CandidatePool) -> NDArray[np.bool_]:
    truth = np.zeros((pool.labels.video_count, pool.labels.class_count), np.bool_)
    truth[np.repeat(np.arange(pool.labels.video_count), np.diff(pool.labels.indptr)), pool.labels.indices] = True
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description="The plain greedy baseline beside AutoGluon's own.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for autogluon_check.json and .txt")
    arguments = parser.parse_args()
    found = [compare(seed, arguments.videos) for seed in range(arguments.seeds)]
    header = ["seed", "plain GAP", "AutoGluon GAP", "members", "AutoGluon's", "same weights", "times the CPU"]
    text = table(header, [row for row, _ in found])
    print(text)
    save("autogluon_check", {"rows": [dict(zip(header, row, strict=True)) for row, _ in found]}, text, arguments.out)
    assert all(agree for _, agree in found), "the plain baseline does not do what AutoGluon does"


if __name__ == "__main__":
    main()
