"""Small sets: what is chosen on a few hundred items, held out, ours beside plain greedy selection and simple rules.

    python -m benchmarks.small_sets --splits 4

Two kinds of pools. Twins of the paper's 18 models with 100, 200 and 500 labelled videos, judged on videos that are not
among them. And pools of a dozen scikit-learn models of data sets that need no download: a part of the items trains the
models, 200 (or a third) choose the ensemble, the others judge. Sizes are those of the pickled models. Budgets are half
of what all models take, and all of it. Metrics are GAP@20 and the log loss (minus it: higher is better).

Figures are means over pools and splits of a method's score less that of plain greedy selection with a size mask, with
standard errors over splits.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines import Problem, greedy_masked
from benchmarks.report import RESULTS, save, table
from benchmarks.scorer import BlendScorer
from benchmarks.twin import Twin, TwinSpec
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import categorical_log_loss
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets import preference
from gapsack.selection.units import MIB

Scores = NDArray[np.float32]
Weights = NDArray[np.float64]
METRICS: dict[str, Callable[[NDArray[np.floating], NDArray[np.bool_]], float]] = {
    "gap@20": gap_at_k,
    "categorical_log_loss": lambda scores, labels: -categorical_log_loss(scores, labels),
    "accuracy": lambda scores, labels: float((scores.argmax(axis=1) == labels.argmax(axis=1)).mean()),
}
BEST_GREEDY = "greedy, size mask"
UNSEEN = 3_000
TWIN_MIB = 700


@dataclass
class Part:
    """Some items: dense scores of all models [models, items, classes] and labels [items, classes].

    GAP is that of `benchmarks.scorer`, which is not the product's; other metrics are plain numpy.
    """

    scores: Scores
    labels: NDArray[np.bool_]
    metric: str = "gap@20"

    def gap(self, weights: Weights) -> float:
        """The metric of a blend; named as `baselines.Problem` wants it."""
        if self.metric == "gap@20":
            return self._scorer.gap(weights)
        mixed = np.tensordot(weights / weights.sum(), self.scores.astype(np.float64), 1)
        return METRICS[self.metric](mixed, self.labels)

    @cached_property
    def _scorer(self) -> BlendScorer:
        return BlendScorer(pool_of(self, np.ones(len(self.scores), np.int64)))

    def single_gaps(self) -> NDArray[np.float64]:
        return np.array([self.gap(row) for row in np.eye(len(self.scores))])


@dataclass(frozen=True)
class Small:
    """A pool: what chooses, what judges, and sizes [models]."""

    name: str
    choose: Part
    judge: Part
    size_bytes: NDArray[np.int64]
    names: tuple[str, ...] = field(default=())

    def pool(self) -> CandidatePool:
        return pool_of(self.choose, self.size_bytes)


def pool_of(part: Part, size_bytes: NDArray[np.int64]) -> CandidatePool:
    """Models m0, m1, ... of a part."""
    ids = [f"i{row:05}" for row in range(len(part.labels))]
    width = min(100, part.labels.shape[1])
    candidates = [
        Candidate(f"m{place}", {"float32": int(size)}, Predictions.from_dense(ids, scores, width))
        for place, (scores, size) in enumerate(zip(part.scores, size_bytes, strict=True))
    ]
    return CandidatePool(Labels.from_dense(ids, part.labels), candidates)


def data_sets() -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Features and classes of eight data sets that scikit-learn has or makes."""
    from sklearn import datasets

    def made(seed: int, items: int, classes: int, **options: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        features = {"n_features": 20, "n_informative": 10, **options}
        return datasets.make_classification(items, n_classes=classes, random_state=seed, **features)

    return {
        "digits": datasets.load_digits(return_X_y=True),
        "breast_cancer": datasets.load_breast_cancer(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "binary": made(1, 2_000, 2, flip_y=0.1),
        "binary, rare": made(2, 2_000, 2, weights=[0.9], flip_y=0.05),
        "five classes": made(3, 2_000, 5, n_informative=12, flip_y=0.05),
        "twelve classes": made(4, 2_400, 12, n_informative=15, flip_y=0.02),
        "like covtype": made(
            5, 3_000, 7, n_features=54, n_informative=12, weights=[0.36, 0.48, 0.06, 0.03, 0.03, 0.02], flip_y=0.08
        ),
    }


def models(seed: int) -> dict[str, Any]:
    """A dozen classifiers of every kind, some good, some poor."""
    from sklearn import (
        discriminant_analysis,
        ensemble,
        linear_model,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        tree,
    )

    def scaled(model: Any) -> Any:
        return pipeline.make_pipeline(preprocessing.StandardScaler(), model)

    return {
        "logistic": scaled(linear_model.LogisticRegression(C=1.0, max_iter=300)),
        "logistic, held back": scaled(linear_model.LogisticRegression(C=0.01, max_iter=300)),
        "bayes": naive_bayes.GaussianNB(),
        "lda": discriminant_analysis.LinearDiscriminantAnalysis(),
        "near 5": scaled(neighbors.KNeighborsClassifier(5)),
        "near 25": scaled(neighbors.KNeighborsClassifier(25)),
        "tree": tree.DecisionTreeClassifier(max_depth=4, random_state=seed),
        "forest": ensemble.RandomForestClassifier(40, random_state=seed),
        "forest, shallow": ensemble.RandomForestClassifier(40, max_depth=5, random_state=seed),
        "extra trees": ensemble.ExtraTreesClassifier(40, random_state=seed),
        "boosting": ensemble.HistGradientBoostingClassifier(max_iter=25, random_state=seed),
        "network": scaled(neural_network.MLPClassifier((32,), max_iter=120, random_state=seed)),
    }


def sklearn_pool(name: str, split: int, choose: int = 200) -> Small:
    """The pool of one data set and one split of its items."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split

    features, classes = data_sets()[name]
    choose = min(choose, len(classes) // 3)
    train = min(500, len(classes) // 3)
    x, rest_x, y, rest_y = train_test_split(features, classes, train_size=train, random_state=split, stratify=classes)
    choose_x, judge_x, choose_y, judge_y = train_test_split(
        rest_x, rest_y, train_size=choose, random_state=split, stratify=rest_y
    )
    fitted = models(split)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a network that stops early is a poor model, as wanted
        for model in fitted.values():
            model.fit(x, y)

    def part(items: NDArray[np.float64], truth: NDArray[np.int64]) -> Part:
        scores = np.stack([model.predict_proba(items) for model in fitted.values()]).astype(np.float32)
        return Part(scores, np.eye(scores.shape[2], dtype=bool)[truth])

    sizes = np.array([len(pickle.dumps(model)) for model in fitted.values()])
    return Small(name, part(choose_x, choose_y), part(judge_x, judge_y), sizes, tuple(fitted))


def dense_of(pool: CandidatePool) -> tuple[Scores, NDArray[np.bool_]]:
    """Scores [models, items, classes], none of what is not listed, and labels [items, classes] of a pool."""
    labels = pool.labels
    scores = np.zeros((len(pool.candidates), labels.video_count, labels.class_count), np.float32)
    for row, candidate in zip(scores, pool.candidates, strict=True):
        np.put_along_axis(row, candidate.predictions.top_indices, candidate.predictions.top_scores, axis=1)
    truth = np.zeros(scores.shape[1:], bool)
    truth[np.repeat(np.arange(len(truth)), labels.counts), labels.indices] = True
    return scores, truth


def twin_pools(seed: int, counts: Sequence[int]) -> Iterator[Small]:
    """Twins with so many labelled videos; larger ones contain smaller ones, and all are judged on the same videos."""
    twin = Twin(TwinSpec(seed=seed, videos=max(counts) + UNSEEN, classes=150, slots=60, listed=60))
    order = np.random.default_rng([seed, 9]).permutation(twin.spec.videos)
    pool = twin.pool()
    dense, truth = dense_of(pool)
    sizes = np.array([candidate.size_bytes["float16"] for candidate in pool.candidates])

    def part(videos: NDArray[np.int64]) -> Part:
        return Part(dense[:, videos], truth[videos])

    for count in counts:
        yield Small(f"twin, {count} videos", part(order[:count]), part(order[max(counts) :]), sizes)


def contest(small: Small, metric: str, budget_bytes: int, methods: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Judged scores of every method."""
    small.choose.metric = small.judge.metric = metric
    problem = Problem(small.choose, small.size_bytes, budget_bytes)  # type: ignore[arg-type]
    fits = small.size_bytes <= budget_bytes
    singles = np.where(fits, small.choose.single_gaps(), -np.inf)
    chosen: dict[str, Weights] = {"best single": np.eye(len(singles))[int(singles.argmax())]}
    chosen[BEST_GREEDY] = greedy_masked(problem)
    room, filled = budget_bytes, np.zeros(len(singles))
    for place in np.argsort(-singles, kind="stable"):
        if small.size_bytes[place] <= room:
            filled[place], room = 1.0, room - int(small.size_bytes[place])
    chosen["equal weights"] = filled
    pool = small.pool()
    for name, options in methods.items():
        with limited(options.get("share")):
            asked = {key: value for key, value in options.items() if key != "share"}
            found = search_ensemble(pool, budget_bytes=budget_bytes, metric=metric, folds=1, **asked)
        chosen[name] = weights_of(found, len(singles))
    best = chosen["ours, best score"]
    for share in SHRUNK:  # of the weights, handed to all members alike
        chosen[f"best score, {share:.0%} equal"] = (1 - share) * best + share * (best > 0) / np.count_nonzero(best)
    return {name: small.judge.gap(weights) for name, weights in chosen.items()}


@contextmanager
def limited(share: float | None) -> Iterator[None]:
    """The preference with another share of the score's error, whatever the metric; its own where there is none."""
    names = ("SCORE_ERROR_SHARE", "LOG_LOSS_ERROR_SHARE")
    before = {name: getattr(preference, name) for name in names}
    try:
        for name in names:
            setattr(preference, name, before[name] if share is None else share)
        yield
    finally:
        for name in names:
            setattr(preference, name, before[name])


def weights_of(found: Ensemble, count: int) -> Weights:
    """[models] the weights of an ensemble of a `pool_of`."""
    weights = np.zeros(count)
    for member in found.members:
        weights[int(member.name[1:])] = member.weight
    return weights


METHODS: dict[str, dict[str, Any]] = {
    "ours": {"prefer": "measured"},
    "ours, best score": {"prefer": "score"},
    "ours, smallest": {"prefer": "small"},
    "as it was: half tunes": {"prefer": "measured", "tune_share": 0.5, "share": np.inf},
    "as it was, all tune": {"prefer": "measured", "share": np.inf},
}
"""Options of the search; `share` is the preference's, which once was not limited."""
SHRUNK = (0.2, 0.5)


def rows_of(results: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Method by method: mean lead over greedy with its standard error, by kind of pool, metric and budget."""
    keys = sorted({(each["kind"], each["metric"], each["budget"]) for each in results})
    rows = []
    for kind, metric, budget in keys:
        mine = [each for each in results if (each["kind"], each["metric"], each["budget"]) == (kind, metric, budget)]
        for method in mine[0]["scores"]:
            leads = np.array([each["scores"][method] - each["scores"][BEST_GREEDY] for each in mine])
            error = leads.std(ddof=1) / np.sqrt(len(leads)) if len(leads) > 1 else np.nan
            told = "" if method == BEST_GREEDY else f"{leads.mean():+.5f} ± {error:.5f}"
            mean = np.mean([each["scores"][method] for each in mine])
            rows.append([kind, metric, budget, method, str(len(mine)), f"{mean:.5f}", told])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Ours and greedy selection on small sets, held out.")
    parser.add_argument("--splits", type=int, default=4, help="of every scikit-learn data set")
    parser.add_argument("--seeds", type=int, default=6, help="twins")
    parser.add_argument("--videos", type=int, nargs="*", default=[100, 200, 500], help="labelled videos of a twin")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for small_sets.json and .txt")
    arguments = parser.parse_args()
    results: list[dict[str, Any]] = []

    def run(small: Small, kind: str, metric: str, budget: str, budget_bytes: int) -> None:
        scores = contest(small, metric, budget_bytes, METHODS)
        results.append({"pool": small.name, "kind": kind, "metric": metric, "budget": budget, "scores": scores})
        print(small.name, metric, budget, {name: round(score, 5) for name, score in scores.items()}, flush=True)

    for seed in range(arguments.seeds if arguments.videos else 0):
        for small in twin_pools(seed, arguments.videos):
            run(small, small.name, "gap@20", f"{TWIN_MIB} MiB", TWIN_MIB * MIB)
    for split in range(arguments.splits):
        for name in data_sets():
            small = sklearn_pool(name, split)
            total = int(small.size_bytes.sum())
            run(small, "scikit-learn", "gap@20", "half of all", total // 2)
            run(small, "scikit-learn", "gap@20", "all", total)
            run(small, "scikit-learn", "categorical_log_loss", "all", total)
    header = ["pools", "metric", "budget", "method", "n", "held out", "ahead of greedy"]
    text = table(header, rows_of(results))
    print(text)
    save("small_sets", {"results": results}, text, arguments.out)


if __name__ == "__main__":
    main()
