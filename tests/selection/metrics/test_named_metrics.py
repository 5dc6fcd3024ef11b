"""Metrics by name on class-sparse rows beside scikit-learn's on the dense scores, ties and weights among them."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from gapsack.selection.errors import InputError, PoolError, UndefinedMetricError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import binary_log_loss, mean_average_precision
from gapsack.selection.metrics.label_kinds import kind_of
from gapsack.selection.metrics.objectives import objective_of, score_of_lists
from gapsack.selection.metrics.registry import METRICS, REGRESSION_METRICS, title_of
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.rows.rows import build_rows

KINDS = ("flag", "pair", "single", "several")
CLASSES = {"flag": 1, "pair": 2, "single": 5, "several": 6}
ITEMS = 40
LEVELS = st.sampled_from([None, 3, 8])


class Case:
    """Two models' dense scores, in steps of 1/levels where ties are wanted, the labels, and weights of all kinds."""

    def __init__(self, seed, kind, levels=None, *, weighted=False, cut=None):
        rng = np.random.default_rng(seed)
        self.kind, classes = kind, CLASSES[kind]
        if kind == "flag":
            dense = rng.random((ITEMS, 1)) < 0.4
        elif kind == "several":
            dense = rng.random((ITEMS, classes)) < 0.3
            dense[:2] = [[True] * classes, [False] * classes]  # several it is, in any draw
        else:
            dense = np.eye(classes, dtype=bool)[rng.integers(0, classes, ITEMS)]
        dense[:, -1] |= kind == "flag" and not dense.any()
        scores = rng.random((2, ITEMS, classes)) * 0.6 + 0.4 * dense * rng.random((2, ITEMS, classes))
        if levels:
            scores = np.round(scores * levels) / levels
        self.labels_dense = dense
        ids = [f"v{place:03}" for place in range(ITEMS)]
        items = rng.integers(1, 5, ITEMS) / 2 if weighted else None
        per_class = rng.integers(1, 5, classes) / 2 if weighted else None
        self.labels = replace(Labels.from_dense(ids, dense), item_weights=items, class_weights=per_class)
        self.items = np.ones(ITEMS) if items is None else items
        self.classes = np.ones(classes) if per_class is None else per_class
        self.lists = [Predictions.from_dense(ids, each.astype(np.float32), cut or classes) for each in scores]
        self.rows = build_rows(self.labels, self.lists, None)
        self.weights = rng.dirichlet(np.ones(2)) if levels is None else np.array([0.5, 0.5])
        listed = np.zeros(scores.shape)
        for dense_scores, lists in zip(listed, self.lists, strict=True):
            np.put_along_axis(dense_scores, lists.top_indices, lists.top_scores, axis=1)
        self.blended = np.tensordot(self.weights, listed, 1)

    def ours(self, metric):
        return objective_of(metric, self.labels).score(self.rows, np.arange(2), self.weights)

    @property
    def truth(self):
        return self.labels_dense[:, 0].astype(int) if self.kind == "flag" else self.labels_dense.argmax(1)

    @property
    def decided(self):
        """As scikit-learn's own classifiers decide: argmax, and above a half."""
        if self.kind == "flag":
            return (self.blended[:, 0] > 0.5).astype(int)
        return (self.blended > 0.5).astype(int) if self.kind == "several" else self.blended.argmax(1)

    @property
    def importance(self):
        """Weights of the classes that scikit-learn sees: not having the only class is one of weight 1."""
        return np.array([1.0, self.classes[0]]) if self.kind == "flag" else self.classes


def scikit_accuracy(case):
    truth = case.labels_dense if case.kind == "several" else case.truth
    weights = case.items if case.kind == "several" else case.items * case.importance[case.truth]
    return theirs.accuracy_score(truth, case.decided, sample_weight=weights)


def scikit_balanced_accuracy(case):
    recalls = theirs.recall_score(
        case.truth, case.decided, labels=np.unique(case.truth), average=None, sample_weight=case.items
    )
    return np.average(recalls, weights=case.importance[np.unique(case.truth)])


def scikit_macro_f1(case):
    if case.kind == "several":
        known = np.flatnonzero(case.labels_dense.any(0) | case.decided.any(0))
        truth, decided = case.labels_dense[:, known].astype(int), case.decided[:, known]
        each = [theirs.f1_score(t, d, sample_weight=case.items) for t, d in zip(truth.T, decided.T, strict=True)]
        return np.average(each, weights=case.classes[known])
    known = np.union1d(case.truth, case.decided)
    each = theirs.f1_score(case.truth, case.decided, labels=known, average=None, sample_weight=case.items)
    return np.average(each, weights=case.importance[known])


def scikit_ranking(measure):
    def score(case):
        classes = {"flag": [0], "pair": [1]}.get(case.kind, range(case.labels_dense.shape[1]))
        known = [k for k in classes if 0 < case.labels_dense[:, k].sum() < ITEMS]
        each = [measure(case.labels_dense[:, k], case.blended[:, k], sample_weight=case.items) for k in known]
        return np.average(each, weights=case.classes[known])

    return score


def scikit_log_loss(case):
    if case.kind in {"pair", "single"}:
        shares = case.blended / case.blended.sum(1, keepdims=True)
        weights = case.items * case.classes[case.truth]
        return -theirs.log_loss(case.truth, shares, labels=np.arange(shares.shape[1]), sample_weight=weights)
    each = [
        theirs.log_loss(case.labels_dense[:, k], case.blended[:, k], labels=[False, True], sample_weight=case.items)
        for k in range(case.labels_dense.shape[1])
    ]
    return -np.average(each, weights=case.classes) * len(each)


SCIKIT = {
    "accuracy": scikit_accuracy,
    "balanced_accuracy": scikit_balanced_accuracy,
    "macro_f1": scikit_macro_f1,
    "roc_auc": scikit_ranking(theirs.roc_auc_score),
    "average_precision": scikit_ranking(theirs.average_precision_score),
}


def can_be_computed(metric, kind, weighted):
    return not (metric == "balanced_accuracy" and kind == "several") and not (
        metric == "accuracy" and kind == "several" and weighted
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(KINDS),
    metric=st.sampled_from(sorted(SCIKIT)),
    levels=LEVELS,
    weighted=st.booleans(),
)
def test_metrics_are_scikit_learns(seed, kind, metric, levels, weighted):
    if not can_be_computed(metric, kind, weighted):
        return
    case = Case(seed, kind, levels, weighted=weighted)
    assert kind_of(case.labels) == kind
    assert case.ours(metric) == pytest.approx(SCIKIT[metric](case), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["single", "several"]), metric=st.sampled_from(sorted(SCIKIT)))
def test_what_no_list_names_scores_zero(seed, kind, metric):
    if not can_be_computed(metric, kind, weighted=False):
        return
    many = 30  # more classes than lists name, as cut lists leave it
    rng = np.random.default_rng(seed)
    case = Case(seed, kind)
    case.labels_dense = np.zeros((ITEMS, many), bool)
    case.labels_dense[np.arange(ITEMS), rng.integers(0, many, ITEMS)] = True
    if kind == "several":
        case.labels_dense |= rng.random((ITEMS, many)) < 0.1
    ids = case.labels.video_ids
    scores = (rng.random((2, ITEMS, many)) * (0.4 + 0.6 * case.labels_dense)).astype(np.float32)
    case.labels, case.classes = Labels.from_dense(ids, case.labels_dense), np.ones(many)
    case.lists = [Predictions.from_dense(ids, each, 20) for each in scores]
    case.rows = build_rows(case.labels, case.lists, None)
    listed = np.zeros(scores.shape)
    for dense_scores, lists in zip(listed, case.lists, strict=True):
        np.put_along_axis(dense_scores, lists.top_indices, lists.top_scores, axis=1)
    case.blended = np.tensordot(case.weights, listed, 1)
    assert case.ours(metric) == pytest.approx(SCIKIT[metric](case), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), weighted=st.booleans())
def test_log_loss_is_scikit_learns_of_the_kind_of_the_labels(seed, kind, weighted):
    case = Case(seed, kind, weighted=weighted)
    # 1e-5 is added inside the binary loss's logarithms, which scikit-learn clips at a smaller number.
    assert case.ours("log_loss") == pytest.approx(
        scikit_log_loss(case), abs=3e-4 if kind in {"flag", "several"} else 1e-9
    )
    name = "categorical_log_loss" if kind in {"pair", "single"} else "binary_log_loss"
    assert objective_of("log_loss", case.labels).name == name
    if not weighted and name == "binary_log_loss":
        assert case.ours("log_loss") == pytest.approx(-binary_log_loss(case.blended, case.labels_dense), rel=1e-9)


def test_scikit_learns_own_names_give_the_same_where_they_take_the_labels():
    """The whole of scikit-learn's functions, not class by class, on labels that they accept."""
    single = Case(5, "single")
    shares = single.blended / single.blended.sum(1, keepdims=True)
    items = np.repeat(np.arange(ITEMS), 5)
    rescaled = replace(single.rows, values=shares[items, single.rows.classes][None])
    auc = objective_of("roc_auc", single.labels).score(rescaled, np.array([0]), np.ones(1))
    assert auc == pytest.approx(theirs.roc_auc_score(single.truth, shares, multi_class="ovr", average="macro"))
    assert single.ours("balanced_accuracy") == pytest.approx(
        theirs.balanced_accuracy_score(single.truth, single.decided)
    )
    assert single.ours("macro_f1") == pytest.approx(theirs.f1_score(single.truth, single.decided, average="macro"))
    several = Case(5, "several")
    assert several.ours("roc_auc") == pytest.approx(theirs.roc_auc_score(several.labels_dense, several.blended))
    assert several.ours("average_precision") == pytest.approx(
        theirs.average_precision_score(several.labels_dense, several.blended)
    )
    assert several.ours("macro_f1") == pytest.approx(
        theirs.f1_score(several.labels_dense, several.decided, average="macro")
    )
    for kind in ("flag", "pair"):
        binary = Case(5, kind)
        positive = binary.blended[:, -1]
        assert binary.ours("roc_auc") == pytest.approx(theirs.roc_auc_score(binary.truth, positive))
        assert binary.ours("average_precision") == pytest.approx(theirs.average_precision_score(binary.truth, positive))
        assert binary.ours("macro_f1") == pytest.approx(theirs.f1_score(binary.truth, binary.decided, average="macro"))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(KINDS),
    metric=st.sampled_from(["gap@20", "gap@2", *sorted(METRICS)]),
    weight=st.sampled_from([0.1, 3.0]),
)
def test_equal_weights_give_the_figure_of_none_to_the_bit(seed, kind, metric, weight):
    case = Case(seed, kind, 8)
    if metric in METRICS and METRICS[metric].needs(kind) is not None:
        return
    plain = case.ours(metric)
    count = case.labels.class_count
    case.labels = replace(case.labels, item_weights=np.full(ITEMS, weight), class_weights=np.full(count, weight))
    case.rows = build_rows(case.labels, case.lists, None)
    # The only class of a binary task weighs beside not having it, and that weighs 1.
    if kind == "flag" and metric in {"accuracy", "balanced_accuracy", "macro_f1"}:
        case.rows = replace(case.rows, class_weights=None)
    assert case.ours(metric) == plain


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), metric=st.sampled_from(sorted({*SCIKIT, "log_loss"})))
def test_an_item_of_twice_the_weight_is_the_item_twice(seed, kind, metric):
    if METRICS[metric].needs(kind) is not None:
        return
    case = Case(seed, kind, 8)
    times = np.random.default_rng(seed).integers(1, 4, ITEMS)
    copies = case.rows.take(np.repeat(np.arange(ITEMS), times))
    objective = objective_of(metric, case.labels)
    weighted = replace(case.rows, item_weights=times.astype(float))
    assert objective.score(weighted, np.arange(2), case.weights) == pytest.approx(
        objective.score(copies, np.arange(2), case.weights), abs=1e-9
    )


def naive_weighted_gap(scores, labels, items, classes, k):
    """Pair by pair; the incorrect ones of equal score first."""
    pairs = []
    for row, (row_scores, row_labels) in enumerate(zip(scores, labels, strict=True)):
        order = sorted(range(len(row_scores)), key=lambda c: (-row_scores[c], row_labels[c]))
        pairs += [(-row_scores[c], bool(row_labels[c]), items[row] * classes[c]) for c in order[:k]]
    found = seen = total = 0.0
    for _, right, weight in sorted(pairs, key=lambda pair: pair[:2]):
        seen += weight
        if right:
            found += weight
            total += weight * found / seen
    return total / (labels * items[:, None] * classes).sum()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.sampled_from([1, 3, 20]), cut=st.booleans())
def test_weighted_gap_is_the_naive_one(seed, k, cut):
    rng = np.random.default_rng(seed)
    classes = 45 if cut else 12
    dense = rng.random((ITEMS, classes)) < 0.15
    scores = (rng.random((2, ITEMS, classes)) + 0.5 * dense).astype(np.float32) / 2
    ids = [f"v{place:03}" for place in range(ITEMS)]
    items, per_class = rng.random(ITEMS) + 0.1, rng.random(classes) + 0.1
    labels = replace(Labels.from_dense(ids, dense), item_weights=items, class_weights=per_class)
    lists = [Predictions.from_dense(ids, each, 30) for each in scores]
    listed = np.zeros(scores.shape)
    for dense_scores, each in zip(listed, lists, strict=True):
        np.put_along_axis(dense_scores, each.top_indices, each.top_scores, axis=1)
    expected = naive_weighted_gap(0.3 * listed[0] + 0.7 * listed[1], dense, items, per_class, k)
    rows = build_rows(labels, lists, k)
    objective, weights = objective_of(f"gap@{k}", labels), np.array([0.3, 0.7])
    assert objective.score(rows, np.arange(2), weights) == pytest.approx(expected, abs=1e-9)
    compact = rows.compact(np.arange(2), k)
    assert objective.score(compact, np.arange(2), weights) == pytest.approx(expected, abs=1e-9)
    of_one = naive_weighted_gap(listed[0], dense, items, per_class, k)
    assert score_of_lists(lists[0], labels, objective) == pytest.approx(of_one, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_gap_of_an_item_of_twice_the_weight_is_that_of_the_item_twice(seed):
    """But for the order of ties: the two are one pair of twice the weight, and each comes after the other."""
    rng = np.random.default_rng(seed)
    case = Case(seed, "several")
    times = rng.integers(1, 4, ITEMS)
    weighted = replace(case.rows, item_weights=times.astype(float))
    found = objective_of("gap@20").score(weighted, np.arange(2), case.weights)
    scores = np.repeat(case.blended, times, axis=0).ravel()
    truth = np.repeat(case.labels_dense, times, axis=0).ravel()
    order = np.argsort(-scores, kind="stable")
    right, seen = np.cumsum(truth[order]), np.arange(1, len(order) + 1)
    last = np.searchsorted(-scores[order], -scores[order], side="right") - 1  # of those of the same score
    assert found == pytest.approx((right[last] / seen[last])[truth[order]].sum() / truth.sum(), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), levels=LEVELS)
def test_map_of_weighted_videos_is_the_naive_one(seed, levels):
    case = Case(seed, "several", levels, weighted=True)
    figures, importance = [], []
    for klass in np.flatnonzero(case.labels_dense.any(0)):
        right = case.labels_dense[:, klass]
        order = np.lexsort((np.arange(ITEMS), right, -case.blended[:, klass]))
        found, seen = np.cumsum((case.items * right)[order]), np.cumsum(case.items[order])
        terms = case.items[order] * found / seen
        figures.append(terms[right[order]].sum() / found[-1])
        importance.append(case.classes[klass])
    assert case.ours("map") == pytest.approx(np.average(figures, weights=importance), abs=1e-9)
    plain = replace(case.rows, item_weights=None, class_weights=None)
    dense = mean_average_precision(case.blended, case.labels_dense)
    assert objective_of("map").score(plain, np.arange(2), case.weights) == pytest.approx(dense, abs=1e-9)


def test_what_is_shown_of_a_model_without_weights_is_its_gap():
    case = Case(3, "several")
    shown = score_of_lists(case.lists[0], case.labels, objective_of("gap"))
    dense = np.zeros(case.labels_dense.shape)
    np.put_along_axis(dense, case.lists[0].top_indices, case.lists[0].top_scores, axis=1)
    assert shown == pytest.approx(gap_at_k(dense, case.labels_dense), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "kind", "match"),
    [
        ("balanced_accuracy", "several", "one class an item.*any number of labels"),
        ("categorical_log_loss", "several", "exactly one label an item"),
        ("categorical_log_loss", "flag", "exactly one label an item"),
    ],
)
def test_a_metric_that_cannot_be_computed_for_the_labels_is_a_sentence(metric, kind, match):
    with pytest.raises(InputError, match=match):
        objective_of(metric, Case(0, kind).labels)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_no_class_to_rank_is_a_sentence(metric):
    case = Case(0, "flag")
    objective = objective_of(metric, case.labels)
    without = case.rows.take(np.flatnonzero(~case.labels_dense[:, 0]))
    with pytest.raises(UndefinedMetricError, match="needs a class that some items have"):
        objective.score(without, np.arange(2), case.weights)


def test_class_weights_of_whole_items_are_a_sentence():
    case = Case(0, "several", weighted=True)
    with pytest.raises(InputError, match="right as a whole"):
        case.ours("accuracy")


@pytest.mark.parametrize("metric", sorted(REGRESSION_METRICS))
def test_regression_is_not_supported_and_says_so(metric):
    with pytest.raises(InputError, match="Regression is not supported"):
        objective_of(metric)


def test_a_metric_that_depends_on_labels_does_not_guess_without_them():
    with pytest.raises(InputError, match="depends on the kind of labels"):
        objective_of("log_loss")


def test_every_metric_has_a_title_and_one_line_of_help():
    for name, metric in METRICS.items():
        assert title_of(name) == metric.title
        assert metric.help.endswith(".")
        assert "\n" not in metric.help
    assert title_of("gap") == "GAP@20"
    assert title_of("gap@5") == "GAP@5"
    assert title_of("mine") == "mine"


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf], [1.0], ["a", "b"]])
def test_weights_must_be_positive_numbers(weights):
    labels = Labels.from_dense(["a", "b"], [[1, 0], [0, 1]])
    for name in ("item_weights", "class_weights"):
        with pytest.raises(PoolError, match="weights must be"):
            replace(labels, **{name: np.array(weights)})


def test_weights_stay_with_their_items():
    labels = replace(Labels.from_dense(["a", "b", "c"], np.eye(3)), item_weights=np.array([1.0, 2.0, 3.0]))
    assert labels.take(np.array([2, 0])).item_weights.tolist() == [3.0, 1.0]
    assert labels.take(np.array([1])).class_weights is None
    pool = CandidatePool(
        labels, [Candidate("m", {"float16": 1}, Predictions.from_dense(["a", "b", "c"], np.eye(3), 3))]
    )
    assert pool.take(np.array([1, 2])).labels.item_weights.tolist() == [2.0, 3.0]


def test_a_metric_of_ones_own_takes_no_weights():
    labels = Case(0, "single", weighted=True).labels
    with pytest.raises(InputError, match="weighs them itself"):
        objective_of(lambda scores, truth: 0.0, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert objective_of(lambda scores, truth: 0.5, replace(labels, item_weights=None, class_weights=None))
