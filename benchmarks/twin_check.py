"""Whether a twin says what the paper's tables say.

python -m benchmarks.twin_check --seed 3
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.baselines import Problem, tune_weights
from benchmarks.paper import TABLE_2, YHLS_WEIGHTS
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec, default_cache

LARGEST_SINGLE_ERROR = 5e-5  # half of Table 1's last digit
LARGEST_RMS_ERROR = 6e-4


@dataclass(frozen=True)
class TwinCheck:
    """Differences of the twin's GAPs to the printed ones: by model, and by ensemble of Table 2."""

    models: dict[str, float]
    ensembles: dict[str, float]

    @property
    def largest_single_error(self) -> float:
        return max(abs(error) for error in self.models.values())

    @property
    def rms_error(self) -> float:
        return float(np.sqrt(np.mean(np.square(list(self.ensembles.values())))))

    def require(self) -> None:
        """Raise an AssertionError unless both tables come out."""
        if self.largest_single_error > LARGEST_SINGLE_ERROR or self.rms_error > LARGEST_RMS_ERROR:
            raise AssertionError(f"the twin is off the paper's tables: {self}")

    def __str__(self) -> str:
        ensembles = "  ".join(f"{members} {error:+.4f}" for members, error in self.ensembles.items())
        return (
            f"Table 1: GAPs within {self.largest_single_error:.1e}; "
            f"Table 2: RMS {self.rms_error:.5f} over {len(self.ensembles)} ensembles ({ensembles})"
        )


def check(twin: Twin, scorer: BlendScorer) -> TwinCheck:
    """Compare with Tables 1 and 2, on all videos: YHLS with the paper's own weights, the others with tuned ones.

    ``scorer`` is of the twin's whole pool.
    """
    models = twin.spec.models
    problem = Problem(scorer, np.array([model.size_bytes for model in models]), budget_bytes=2**62)
    singles = scorer.single_gaps()
    ensembles = {}
    for ensemble in TABLE_2:
        members = [twin.index(code) for code in ensemble.members]
        if ensemble.members == "YHLS":
            weights = np.zeros(problem.count)
            weights[members] = YHLS_WEIGHTS
        else:
            weights = tune_weights(problem, members, steps=(0.1, 0.03))
        ensembles[ensemble.members] = scorer.gap(weights) - ensemble.gap
    return TwinCheck(
        models={model.code: float(gap) - model.gap for model, gap in zip(models, singles, strict=True)},
        ensembles=ensembles,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a twin with Tables 1 and 2 of the paper.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the solved numbers")
    arguments = parser.parse_args()
    twin = Twin(TwinSpec(seed=arguments.seed), arguments.cache)
    result = check(twin, BlendScorer(twin.pool()))
    print(result)
    result.require()


if __name__ == "__main__":
    main()
