"""AutoGluon's, TabArena's, phem's and mljar's ensemble selections on pools in files; `benchmarks.peers` runs this.

    PYTHON -m benchmarks.peer_code FOLDER

PYTHON is that of an environment with as many of the peers as could be installed, and with numpy and numba. FOLDER holds
a `NAME.npz` for each problem: `scores` [models, items, classes], `labels` [items, classes], and `metric`, one of
gap@20, categorical_log_loss and accuracy. For each this writes `NAME.json`: the weights that every peer gives the
models, and its seconds of the processor; and `peers.json`: the version of each peer, or why it takes no part.

Nothing here chooses anything: the peers' own code does, with their defaults, on one thread.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scorer import dense_gap

Weights = NDArray[np.float64]
GAP, LOG_LOSS, ACCURACY = "gap@20", "categorical_log_loss", "accuracy"
METRICS = (GAP, LOG_LOSS, ACCURACY)
AUTOGLUON_ROUNDS = 25  # of its GreedyWeightedEnsembleModel; TabArena's default for the same selection is 100


@dataclass(frozen=True)
class Given:
    """One problem: dense scores [models, items, classes] that sum to one where an item has one class, and labels."""

    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]
    metric: str

    @property
    def count(self) -> int:
        return len(self.scores)

    @property
    def classes(self) -> NDArray[np.int64]:
        """[items] the class of each, where each has one."""
        return self.labels.argmax(axis=1)

    @property
    def problem_type(self) -> str:
        return "binary" if self.labels.shape[1] == 2 else "multiclass"

    @property
    def predictions(self) -> list[NDArray[np.float64]]:
        """Of each model, as classifiers give them to an ensemble: of two classes the second one's alone."""
        return [each[:, 1] if self.problem_type == "binary" else each for each in self.scores]

    def gap_of_rows(self, rows: Any, scores: Any) -> float:
        """GAP@20 where the truth is given as numbers of rows: some of the peers take one label an item, and no more."""
        return dense_gap(np.asarray(scores), self.labels[np.asarray(rows).ravel()])


def _autogluon_problem(given: Given) -> tuple[str, Any, Any, Any]:
    """What AutoGluon's selection asks for: kind of problem, metric, truth, predictions."""
    from autogluon.core.metrics import get_metric, make_scorer  # type: ignore[import-not-found]

    if given.metric == GAP:  # of many labels an item; "binary" has them scored as they are
        scorer = make_scorer("gap", lambda truth, scores: dense_gap(scores, truth), optimum=1, needs_proba=True)
        return "binary", scorer, given.labels, list(given.scores)
    metric = get_metric("log_loss" if given.metric == LOG_LOSS else "accuracy", given.problem_type)
    return given.problem_type, metric, given.classes, given.predictions


def autogluon(given: Given) -> Weights:
    from autogluon.core.models.greedy_ensemble.ensemble_selection import (  # type: ignore[import-not-found]
        EnsembleSelection,
    )

    kind, metric, truth, predictions = _autogluon_problem(given)
    selection = EnsembleSelection(AUTOGLUON_ROUNDS, problem_type=kind, metric=metric)
    return np.asarray(selection.fit(predictions, truth).weights_)


def _tabarena(given: Given, ensembler: str) -> Weights:
    from tabarena.metrics import _fast_log_loss  # type: ignore[import-not-found]
    from tabarena.simulation import ensemble  # type: ignore[import-not-found]
    from tabarena.simulation.ensemble_selection_config_scorer import TaskEvaluator  # type: ignore[import-not-found]

    kind, metric, truth, predictions = _autogluon_problem(given)
    if given.metric == LOG_LOSS:
        metric = _fast_log_loss.fast_log_loss
    evaluator = TaskEvaluator(
        ensembler_cls=getattr(ensemble, ensembler), eval_metric=metric, fit_eval_metric=metric, problem_type=kind
    )
    return np.asarray(evaluator.fit(pred_train=np.stack(predictions), y_train=truth).model_weights())


def tabarena_greedy(given: Given) -> Weights:
    return _tabarena(given, "GreedyEnsembler")


def tabarena_climbing(given: Given) -> Weights:
    return _tabarena(given, "HillClimbingEnsembler")


def _phem(given: Given, method: str) -> Weights:
    from phem.application_utils.default_configurations import (  # type: ignore[import-not-found]
        get_ensemble_switch_case_config,
    )
    from phem.base_utils.metrics import make_metric  # type: ignore[import-not-found]
    from sklearn.metrics import accuracy_score

    def loss(truth: Any, scores: Any) -> float:
        shares = scores[np.arange(len(truth)), truth]
        return float(-np.log(np.clip(shares, np.finfo(np.float32).eps, 1.0)).mean())

    function = {GAP: given.gap_of_rows, LOG_LOSS: loss, ACCURACY: accuracy_score}[given.metric]
    metric = make_metric(
        function,
        metric_name=given.metric,
        maximize=given.metric != LOG_LOSS,
        classification=True,
        always_transform_conf_to_pred=given.metric == ACCURACY,
        optimum_value=0 if given.metric == LOG_LOSS else 1,
        requires_confidences=given.metric != ACCURACY,
    )
    chosen = get_ensemble_switch_case_config(method, rng_seed=0, metric=metric, n_jobs=1)
    selection = chosen["technique"](list(range(given.count)), **chosen["technique_args"])
    truth = np.arange(len(given.labels)) if given.metric == GAP else given.classes
    selection.ensemble_fit(list(given.scores), truth)
    return np.asarray(selection.weights_)


def phem_greedy(given: Given) -> Weights:
    return _phem(given, "GES")


def phem_population(given: Given) -> Weights:
    # The ribs 0.4.0 that phem asks for has names of numpy 1, and mljar asks for numpy 2.
    for old, new in {"product": np.prod, "in1d": np.isin}.items():
        vars(np).setdefault(old, new)
    return _phem(given, "QO-ES")


def mljar(given: Given) -> Weights:
    import pandas
    from supervised.ensemble import Ensemble  # type: ignore[import-not-found]
    from supervised.utils.metric import UserDefinedEvalMetric  # type: ignore[import-not-found]

    class Selection(Ensemble):  # type: ignore[misc]
        """mljar's, without the plots and figures that it makes of what it has chosen."""

        def get_additional_metrics(self) -> dict[str, Any]:
            return {}

    metric = {GAP: "user_defined_metric", LOG_LOSS: "logloss", ACCURACY: "accuracy"}[given.metric]
    if given.metric == GAP:
        UserDefinedEvalMetric().set_metric(lambda rows, scores, _weights=None, **_: -given.gap_of_rows(rows, scores))
    selection = Selection(metric, f"{given.problem_type}_classification")
    predictions = list(given.scores) if given.metric == GAP else given.predictions
    # Names of columns are those of mljar, which reads the classes' labels from them.
    columns = ["prediction"] if predictions[0].ndim == 1 else [f"prediction_{n}" for n in range(given.labels.shape[1])]
    frames = {
        str(place): pandas.DataFrame(each.reshape(len(each), -1), columns=columns)
        for place, each in enumerate(predictions)
    }
    selection.models_map = dict.fromkeys(frames)
    truth = np.arange(len(given.labels)) if given.metric == GAP else given.classes
    selection.fit(frames, pandas.DataFrame({"target": truth}))
    votes = np.bincount([int(name) for name in selection.best_algs], minlength=given.count)
    return votes / votes.sum()


@dataclass(frozen=True)
class Peer:
    """An ensemble selection: the package it comes with, and the metrics that it is asked for."""

    package: str
    choose: Callable[[Given], Weights]
    metrics: tuple[str, ...] = METRICS


PEERS = {
    "AutoGluon, greedy": Peer("autogluon.core", autogluon),
    "TabArena, greedy": Peer("tabarena", tabarena_greedy),
    # A hundred times the evaluations of the others, which TabArena's own log loss alone makes bearable.
    "TabArena, hill climbing": Peer("tabarena", tabarena_climbing, (LOG_LOSS,)),
    "phem, greedy": Peer("phem", phem_greedy),
    "phem, QO-ES": Peer("phem", phem_population),
    "mljar, greedy": Peer("mljar-supervised", mljar),
}


def given_of(path: Path) -> Given:
    with np.load(path) as document:
        return Given(document["scores"].astype(np.float64), document["labels"], str(document["metric"]))


def answers(given: Given, names: list[str]) -> dict[str, dict[str, Any]]:
    """What these peers choose: weights [models], and seconds of the processor."""
    found = {}
    for name in names:
        if given.metric not in PEERS[name].metrics:
            continue
        start = time.process_time()
        weights = PEERS[name].choose(given)
        found[name] = {"weights": weights.tolist(), "cpu_seconds": time.process_time() - start}
    return found


def tried_out() -> dict[str, dict[str, str]]:
    """The version of each peer, or in a sentence why it takes no part; each chooses once, so that all is imported."""
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), (4, 30))
    labels = np.eye(3, dtype=bool)[np.arange(30) % 3]
    told: dict[str, dict[str, str]] = {}
    for name, peer in PEERS.items():
        try:
            installed = version(peer.package)
            for metric in peer.metrics:
                peer.choose(Given(scores, labels, metric))
            told[name] = {"version": f"{peer.package} {installed}"}
        except PackageNotFoundError:
            told[name] = {"missing": f"{name} takes no part: {peer.package} is not installed."}
        except ImportError as error:
            told[name] = {"missing": f"{name} takes no part: {peer.package} cannot be imported ({error})."}
    return told


def main() -> None:
    warnings.filterwarnings("ignore")  # the peers', about each other's versions
    folder = Path(sys.argv[1])
    told = tried_out()
    names = [name for name, each in told.items() if "version" in each]
    for path in sorted(folder.glob("*.npz")):
        path.with_suffix(".json").write_text(json.dumps(answers(given_of(path), names)))
    (folder / "peers.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
