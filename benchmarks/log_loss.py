"""Log loss solved beside log loss searched: twelve scikit-learn models of the digits, under several budgets.

Ours, the same search where the metric's gradient is hidden from it (what every search under log loss was before), and
scipy's SLSQP over all twelve models, which knows no budget, and over every maximal subset. Time is that of the
processor, from rows to the best weights.

    python -m benchmarks.log_loss
"""

from __future__ import annotations

import argparse
import pickle
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier

from benchmarks.report import RESULTS, save, table
from gapsack.selection.metrics.log_losses import CategoricalLogLoss
from gapsack.selection.metrics.objectives import Objective
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.rows.rows import Rows
from gapsack.selection.subsets.enumeration import enumerate_subsets
from gapsack.selection.subsets.find import find
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.space import Space

SHARES = (0.003, 0.01, 0.05, 1.0)  # of the bytes of all models together


@dataclass(frozen=True)
class Searched:
    """A metric without its gradient: what a search makes of evaluations alone."""

    objective: Objective
    name: str = "searched"
    top_k: int | None = None

    def score(self, rows: Rows, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
        return self.objective.score(rows, columns, weights)

    def rises(self, rows: Rows) -> bool:
        return self.objective.rises(rows)


@dataclass(frozen=True)
class Outcome:
    """One way under one budget."""

    budget: str
    way: str
    cpu_ms: float
    evaluations: int
    loss: float
    members: int
    proved_within: float | None


def models() -> dict[str, Any]:
    return {
        "logistic": LogisticRegression(max_iter=3000),
        "logistic_l2": LogisticRegression(C=0.01, max_iter=3000),
        "lda": LinearDiscriminantAnalysis(),
        "bayes": GaussianNB(var_smoothing=1e-2),
        "neighbours_3": KNeighborsClassifier(3),
        "neighbours_15": KNeighborsClassifier(15, weights="distance"),
        "tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
        "forest_20": RandomForestClassifier(20, random_state=0),
        "forest_200": RandomForestClassifier(200, random_state=0),
        "extra_100": ExtraTreesClassifier(100, random_state=0),
        "network_32": MLPClassifier((32,), max_iter=150, random_state=0),
        "network_128": MLPClassifier((128,), max_iter=150, random_state=0),
    }


def digits_pool() -> CandidatePool:
    """Models trained on a third of the digits, their sizes those of their pickles, predicting the rest."""
    images, truth = load_digits(return_X_y=True)
    seen, others, truth_seen, truth_others = train_test_split(images / 16.0, truth, train_size=0.33, random_state=0)
    ids = [f"digit{place:04}" for place in range(len(others))]
    candidates = []
    for name, model in models().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a network that has not converged is a model like any other
            model.fit(seen, truth_seen)
        lists = Predictions.from_dense(ids, model.predict_proba(others), 10)
        candidates.append(Candidate(name, {"float32": len(pickle.dumps(model))}, lists))
    return CandidatePool(Labels(np.array(ids), np.arange(len(ids) + 1), truth_others, 10), candidates)


def ours(pool: CandidatePool, budget_bytes: int, objective: Objective) -> tuple[int, float, int, float | None]:
    options = Options(metric="log_loss", tune_share=1.0, prefer="score")
    space = Space(pool, None, options.constraints(budget_bytes))
    found = find(pool.labels, np.arange(pool.labels.video_count), space, objective, options)
    voting = sum(weight > 0.0 for weight in found.best.scored.weights)
    return found.summary["evaluations"], -found.best.score, voting, found.summary["gap_to_bound"]


def slsqp(pool: CandidatePool, names: list[int]) -> tuple[int, float, int, float | None]:
    """Scipy's solver on the labels' probabilities of some models, as a person would write it."""
    truth = pool.labels.indices
    shares = np.empty((len(names), len(truth)))
    for row, number in enumerate(names):
        lists = pool.candidates[number].predictions
        dense = np.zeros((len(truth), 10))
        np.put_along_axis(dense, lists.top_indices, lists.top_scores.astype(np.float64), axis=1)
        shares[row] = dense[np.arange(len(truth)), truth] / dense.sum(axis=1)

    def loss(weights: NDArray[np.float64]) -> float:
        return float(-np.log(np.maximum(weights @ shares, np.finfo(np.float32).eps)).mean())

    def gradient(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-(shares @ (1.0 / np.maximum(weights @ shares, np.finfo(np.float32).eps))) / len(truth))

    if len(names) == 1:
        return 1, loss(np.ones(1)), 1, None
    found = minimize(
        loss,
        np.full(len(names), 1.0 / len(names)),
        jac=gradient,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(names),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-10},
    )
    return int(found.nfev), float(found.fun), int((found.x > 1e-6).sum()), None


def slsqp_over_subsets(pool: CandidatePool, budget_bytes: int) -> tuple[int, float, int, float | None]:
    listed = enumerate_subsets(Space(pool, None, Options().constraints(budget_bytes)))
    assert listed is not None  # there are 4,095 subsets of twelve models
    found = [slsqp(pool, list(subset)) for subset in listed.maximal]
    best = min(found, key=lambda each: each[1])
    return sum(each[0] for each in found), best[1], best[2], None


def timed(budget: str, way: str, run: Callable[[], tuple[int, float, int, float | None]], rounds: int) -> Outcome:
    run()  # compiled functions are compiled
    took = []
    for _ in range(rounds):
        start = time.process_time()
        evaluations, loss, members, within = run()
        took.append(time.process_time() - start)
    return Outcome(budget, way, 1000.0 * min(took), evaluations, loss, members, within)


def outcomes(pool: CandidatePool, rounds: int) -> list[Outcome]:
    total = sum(candidate.size_bytes["float32"] for candidate in pool.candidates)
    found = []
    for share in SHARES:
        budget, name = int(total * share), f"{share:.1%}"
        found.append(timed(name, "ours", lambda b=budget: ours(pool, b, CategoricalLogLoss()), rounds))
        hidden = Searched(CategoricalLogLoss())
        found.append(timed(name, "gradient hidden", lambda b=budget, h=hidden: ours(pool, b, h), 1))
        if share < 1.0:
            found.append(timed(name, "SLSQP, each subset", lambda b=budget: slsqp_over_subsets(pool, b), 1))
        else:
            found.append(timed(name, "SLSQP, all", lambda: slsqp(pool, list(range(len(pool.candidates)))), rounds))
    return found


def text(rows: list[Outcome]) -> str:
    best = {budget: min(row.loss for row in rows if row.budget == budget) for budget in {row.budget for row in rows}}
    return table(
        ["budget", "way", "CPU ms", "evaluations", "log loss", "behind", "members", "proved within"],
        [
            [
                row.budget,
                row.way,
                f"{row.cpu_ms:.1f}",
                f"{row.evaluations:,}",
                f"{row.loss:.7f}",
                f"{row.loss - best[row.budget]:.1e}",
                str(row.members),
                "-" if row.proved_within is None else f"{row.proved_within:.1e}",
            ]
            for row in rows
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Search twelve models of the digits by log loss.")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for log_loss.json and .txt")
    arguments = parser.parse_args()
    rows = outcomes(digits_pool(), arguments.rounds)
    save("log_loss", {"results": [asdict(row) for row in rows]}, text(rows), arguments.out)
    print(text(rows))


if __name__ == "__main__":
    main()
