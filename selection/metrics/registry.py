"""Every metric that has a name: what it needs, what it is for a person, and what scores it.

GAP@k, of any k, is not in the table: its name says the k (``gap_k``). Importing this module loads nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from gapsack.selection.metrics.label_kinds import Kind
    from gapsack.selection.pool.lists import Labels

DEFAULT_K = 20
MAX_K = 2**20
"""More than the classes of any vocabulary that is searched; beyond those a greater k changes nothing."""


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    Attributes:
        name: as it is typed and recorded.
        title: as people read it beside a score; that of a loss says that it is negated, as scores of losses are.
        help: one line of what it is.
        make: the objective for labels of a kind, which is None where the metric does not depend on it.
        smooth: whether it has gradients in the weights.
        depends: whether what it means depends on the kind of the labels.
        needs: what is wrong with labels of a kind, in a phrase, or None.
    """

    name: str
    title: str
    help: str
    make: Callable[[Kind | None], Any]
    smooth: bool = False
    depends: bool = False
    needs: Callable[[Kind], str | None] = lambda kind: None


def _map(_: Kind | None) -> Any:
    from gapsack.selection.metrics.rankings import MeanAveragePrecision

    return MeanAveragePrecision()


def _accuracy(kind: Kind | None) -> Any:
    from gapsack.selection.metrics.decisions import Accuracy

    assert kind is not None
    return Accuracy(kind)


def _balanced_accuracy(kind: Kind | None) -> Any:
    from gapsack.selection.metrics.decisions import BalancedAccuracy

    assert kind is not None
    return BalancedAccuracy(kind)


def _macro_f1(kind: Kind | None) -> Any:
    from gapsack.selection.metrics.decisions import MacroF1

    assert kind is not None
    return MacroF1(kind)


def _roc_auc(kind: Kind | None) -> Any:
    from gapsack.selection.metrics.rankings import RocAuc

    assert kind is not None
    return RocAuc(kind)


def _average_precision(kind: Kind | None) -> Any:
    from gapsack.selection.metrics.rankings import AveragePrecision

    assert kind is not None
    return AveragePrecision(kind)


def _binary_log_loss(_: Kind | None) -> Any:
    from gapsack.selection.metrics.log_losses import BinaryLogLoss

    return BinaryLogLoss()


def _categorical_log_loss(_: Kind | None) -> Any:
    from gapsack.selection.metrics.log_losses import CategoricalLogLoss

    return CategoricalLogLoss()


def _log_loss(kind: Kind | None) -> Any:
    return _categorical_log_loss(kind) if kind in {"pair", "single"} else _binary_log_loss(kind)


def _one_class_each(kind: Kind) -> str | None:
    return "one class an item" if kind == "several" else None


def _one_label(kind: Kind) -> str | None:
    return None if kind in {"pair", "single"} else "exactly one label an item (binary_log_loss takes any number)"


METRICS = {
    each.name: each
    for each in (
        Metric("map", "mean AP", "mean over classes of the average precision, ties earning nothing.", _map),
        Metric("accuracy", "accuracy", "share of the items that are right.", _accuracy, depends=True),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "mean over classes of the share of their items that are right.",
            _balanced_accuracy,
            depends=True,
            needs=_one_class_each,
        ),
        Metric("macro_f1", "macro F1", "mean over classes of F1.", _macro_f1, depends=True),
        Metric("roc_auc", "ROC AUC", "area under the ROC curve, the mean over classes.", _roc_auc, depends=True),
        Metric(
            "average_precision",
            "average precision",
            "scikit-learn's average precision, the mean over classes.",
            _average_precision,
            depends=True,
        ),
        Metric(
            "log_loss",
            "negative log loss",
            "categorical_log_loss where every item has exactly one label, else binary_log_loss.",
            _log_loss,
            smooth=True,
            depends=True,
        ),
        Metric(
            "binary_log_loss",
            "negative binary log loss",
            "cross entropy of independent classes, summed over them.",
            _binary_log_loss,
            smooth=True,
        ),
        Metric(
            "categorical_log_loss",
            "negative categorical log loss",
            "cross entropy of classes of which each item has one.",
            _categorical_log_loss,
            smooth=True,
            needs=_one_label,
        ),
    )
}
"""By name. ``log_loss`` is recorded as the one of the two that it was; in files of earlier versions it is binary."""

NAMES = ", ".join(METRICS)

REGRESSION = (
    "Regression is not supported: predictions are probabilities of classes, targets are labels, and there is no "
    "squared or absolute error of numbers"
)
REGRESSION_METRICS = frozenset(
    {
        "rmse",
        "root_mean_squared_error",
        "mse",
        "mean_squared_error",
        "mae",
        "mean_absolute_error",
        "r2",
        "r2_score",
        "mape",
        "rmsle",
        "smape",
        "mean_absolute_percentage_error",
        "median_absolute_error",
        "explained_variance",
        "spearmanr",
        "pearsonr",
        "pinball_loss",
        "neg_root_mean_squared_error",
        "neg_mean_squared_error",
        "neg_mean_absolute_error",
    }
)


def gap_k(metric: str) -> int | None:
    """The k of a name such as gap@20, or gap, which is gap@20; None where it is no GAP. Raises InputError."""
    match = re.fullmatch(r"gap(?:@([1-9]\d*))?", metric)
    if match is None:
        return None
    if len(match[1] or "") > len(str(MAX_K)) or int(match[1] or DEFAULT_K) > MAX_K:
        raise InputError(f"the k of gap@k must be at most {MAX_K}; got {metric[:60]!r}.")
    return int(match[1] or DEFAULT_K)


def metric_of(name: str) -> Metric:
    """The metric of a name other than GAP's. Raises an InputError, for those of regression a plain one."""
    if name not in METRICS:
        if name.lower() in REGRESSION_METRICS:
            raise InputError(f"{REGRESSION}; got the metric {name[:60]!r}.")
        raise InputError(f"metric must be gap@k, {NAMES} or a callable; got {name[:200]!r}.")
    return METRICS[name]


def kind_for(metric: Metric, labels: Labels | None) -> Kind | None:
    """The kind of the labels, checked for a metric.

    Raises:
        InputError: the labels are of a kind that it cannot be computed for, or there are none and it depends on them.
    """
    from gapsack.selection.metrics.label_kinds import MEANS, kind_of

    if labels is None:
        if metric.depends:
            raise InputError(f"{metric.name} depends on the kind of labels; got none to tell it by.")
        return None
    kind = kind_of(labels)
    problem = metric.needs(kind)
    if problem is not None:
        raise InputError(f"{metric.name} needs {problem}; got labels of {MEANS[kind]}.")
    return kind


def recorded_metric(name: str) -> str:
    """What a name in a file means: ``log_loss`` is of an earlier version, to which it was the binary one."""
    return "binary_log_loss" if name == "log_loss" else name


def title_of(metric: str) -> str:
    """A metric's name as people read it; that of a function of one's own stays as it is."""
    if metric == "gap" or metric.startswith("gap@"):
        return "GAP@" + (metric.partition("@")[2] or str(DEFAULT_K))
    return METRICS[metric].title if metric in METRICS else metric
