"""A twin of the paper's experiment: predictions of its 18 models, drawn from an error model that reproduces its tables.

The real validation predictions are not public. For each video the twin draws about three true classes from a Zipf
prior, and further candidate classes that the models find plausible. Model m gives candidate l of a video the logit

    0.6 log prior + 9 y + s g1 + b_m g2 + e_m n_m - 4

with y = 1 for a true class, g1 and g2 standard normal fields that all models share, n_m the model's own field,
b_m = 0.4 (1 - H_m / 1440). s is solved so that the limit without the last two terms has GAP 0.886, and e_m so that the
model's own GAP equals Table 1; both with the fields held fixed. The constant makes the probabilities of a video sum to
about its number of labels. Table 2 is not fitted: that its ensembles come out is the check that errors are correlated
between models as they were in the paper.

Only the solved numbers are cached (a small JSON); the fields are drawn again from the seed in seconds.

    python -m benchmarks.twin --seed 3 --write pool/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.paper import TABLE_1, PaperModel
from gapsack.selection.files import replace_text
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions

LARGEST_HIDDEN = 1440
LIMIT_GAP = 0.886
PRIOR_EXPONENT = 0.6
TRUE_CLASS_LOGIT = 9.0
LOGIT_CONSTANT = 4.0
Scores = NDArray[np.float64]
_FORMAT = 1  # raise it when a change alters the draws, so that cached solutions of the old ones are not used
_ROWS = 1_000  # videos drawn at a time from all classes, to keep memory low


@dataclass(frozen=True)
class TwinSpec:
    """What a twin is made from; equal specs give equal twins, bit by bit.

    ``slots`` candidate classes of a video carry a score at all; each model lists its best ``listed`` of them, so that
    the lists of different models differ, as lists cut from dense predictions do.
    """

    seed: int = 0
    videos: int = 17_500
    classes: int = 3_862
    slots: int = 120
    listed: int = 100
    models: tuple[PaperModel, ...] = TABLE_1

    @property
    def key(self) -> str:
        text = json.dumps([_FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Solution:
    """The solved scales: ``shared`` is s, ``own`` holds e_m, one a model."""

    shared: float
    own: tuple[float, ...]


class Twin:
    """The predictions of every model of a spec, made on demand, one model at a time.

    ``slot_classes`` is [videos, slots] int32, ascending in each row; ``slot_labels`` the same shape, bool.
    """

    def __init__(self, spec: TwinSpec, cache: Path | None = None) -> None:
        self.spec = spec
        self.slot_classes, self.slot_labels = _draw_classes(spec)
        self.solution = self._solved(cache)

    def index(self, code: str) -> int:
        """Position of the model with this code."""
        return [model.code for model in self.spec.models].index(code)

    def slot_scores(self, model: int) -> NDArray[np.float32]:
        """Probabilities [videos, slots] of one model (by its position) for every candidate class."""
        return expit(self._logits(model, self.solution.own[model])).astype(np.float32)

    def labels(self, rows: NDArray[np.int64] | None = None) -> Labels:
        """Ground truth of the videos ``rows`` (all without)."""
        chosen = self._rows(rows)
        truth = self.slot_labels[chosen]
        counts = truth.sum(axis=1)
        return Labels(
            video_ids=_video_ids(chosen),
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            indices=self.slot_classes[chosen][truth],
            class_count=self.spec.classes,
        )

    def predictions(self, model: int, rows: NDArray[np.int64] | None = None) -> Predictions:
        """The model's best ``listed`` classes of each video, scores descending."""
        chosen = self._rows(rows)
        scores = self.slot_scores(model)[chosen]
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.spec.listed]
        return Predictions(
            video_ids=_video_ids(chosen),
            top_indices=np.take_along_axis(self.slot_classes[chosen], best, axis=1),
            top_scores=np.take_along_axis(scores, best, axis=1),
        )

    def pool(self, rows: NDArray[np.int64] | None = None) -> CandidatePool:
        """The candidate pool of the videos ``rows`` (all without), sizes as printed for float16."""
        return CandidatePool(
            self.labels(rows), [self._candidate(index, rows) for index in range(len(self.spec.models))]
        )

    def dense(
        self, codes: Sequence[str], rows: int = _ROWS
    ) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_]]]:
        """Dense scores of some models, ``rows`` videos at a time.

        Yields (which videos, scores [models, rows, classes], labels [rows, classes]). Classes outside the slots score
        zero; those inside but not listed have their real, small scores, which a list has lost.
        """
        scores = [self.slot_scores(self.index(code)) for code in codes]
        for start in range(0, self.spec.videos, rows):
            part = slice(start, min(start + rows, self.spec.videos))
            classes = self.slot_classes[part]
            dense = np.zeros((len(codes), len(classes), self.spec.classes), np.float32)
            for row, model_scores in zip(dense, scores, strict=True):
                np.put_along_axis(row, classes, model_scores[part], axis=1)
            truth = np.zeros(dense.shape[1:], np.bool_)
            np.put_along_axis(truth, classes, self.slot_labels[part], axis=1)
            yield part, dense, truth

    def _candidate(self, index: int, rows: NDArray[np.int64] | None) -> Candidate:
        model = self.spec.models[index]
        return Candidate(
            name=model.code,
            size_bytes={"float16": model.size_bytes},
            predictions=self.predictions(index, rows),
            by_precision={},
            metrics={"gap": model.gap},
            hyperparameters={"clusters": model.clusters, "hidden": model.hidden},
            origin={"kind": "twin", "seed": self.spec.seed},
        )

    def _rows(self, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        return np.arange(self.spec.videos) if rows is None else rows

    def _field(self, number: int) -> NDArray[np.float64]:
        return _generator(self.spec, 1, number).standard_normal(self.slot_classes.shape)

    @cached_property
    def _common(self) -> NDArray[np.float64]:
        """What all models know of a candidate class, without noise: prior and truth, [videos, slots]."""
        prior = np.log(_prior(self.spec.classes))[self.slot_classes]
        return PRIOR_EXPONENT * prior + TRUE_CLASS_LOGIT * self.slot_labels - LOGIT_CONSTANT

    @cached_property
    def _shared_field(self) -> NDArray[np.float64]:
        return self._field(0)

    def _logits(self, model: int, own: float) -> NDArray[np.float64]:
        return self._without_own(model, self.solution.shared) + own * self._field(2 + model)

    def _without_own(self, model: int, shared: float) -> NDArray[np.float64]:
        depth = 0.4 * (1 - self.spec.models[model].hidden / LARGEST_HIDDEN)
        return self._common + shared * self._shared_field + depth * self._field(1)

    def _solved(self, cache: Path | None) -> Solution:
        path = None if cache is None else cache / f"twin-{self.spec.key}.json"
        if path is not None and path.exists():
            stored = json.loads(path.read_text())
            return Solution(stored["shared"], tuple(stored["own"]))
        solution = self._solve()
        if path is not None:
            replace_text(path, json.dumps(asdict(solution)))
        return solution

    def _solve(self) -> Solution:
        shared = _scale_for(LIMIT_GAP, self._common, self._shared_field, self.slot_labels)
        own = [
            _scale_for(model.gap, self._without_own(index, shared), self._field(2 + index), self.slot_labels)
            for index, model in enumerate(self.spec.models)
        ]
        return Solution(shared, tuple(own))


def default_cache() -> Path:
    """The user's cache folder for twins."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gapsack"


def _scale_for(gap: float, start: Scores, noise: Scores, labels: NDArray[np.bool_]) -> float:
    """The scale at which ``start + scale * noise`` has this GAP, the noise held fixed.

    GAP is a step function of the scale; its steps, about 1e-6, are far below the tables' last digit.
    """
    return float(brentq(lambda scale: _gap(start + scale * noise, labels) - gap, 0.0, 8.0, xtol=1e-9))


def _gap(scores: Scores, labels: NDArray[np.bool_], k: int = 20) -> float:
    """GAP@k of [videos, slots] scores. Logits do as well as probabilities, which `selection.gap` asks for."""
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=None, kind="stable")
    hits = np.flatnonzero(np.take_along_axis(labels, top, axis=1).ravel()[order])
    return float((np.arange(1, len(hits) + 1) / (hits + 1)).sum() / labels.sum())


def _draw_classes(spec: TwinSpec) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Candidate classes of each video, ascending, and which are true: [videos, slots] each.

    Exponential arrival times with the prior as rate: the first to arrive are a draw without replacement by the prior.
    The first 1 + Poisson(2) are the true classes, the next ones fill the slots.
    """
    rng = _generator(spec, 0)
    true_counts = np.minimum(1 + rng.poisson(2.0, spec.videos), spec.slots)
    prior = _prior(spec.classes).astype(np.float32)
    classes = np.empty((spec.videos, spec.slots), np.int32)
    labels = np.empty((spec.videos, spec.slots), np.bool_)
    for start in range(0, spec.videos, _ROWS):
        part = slice(start, min(start + _ROWS, spec.videos))
        counts = true_counts[part, None]
        arrivals = rng.standard_exponential((len(counts), spec.classes), np.float32) / prior
        first = np.argpartition(arrivals, spec.slots - 1, axis=1)[:, : spec.slots]
        rank = np.argsort(np.argsort(np.take_along_axis(arrivals, first, axis=1), axis=1), axis=1)
        by_class = np.argsort(first, axis=1)
        classes[part] = np.take_along_axis(first, by_class, axis=1)
        labels[part] = np.take_along_axis(rank, by_class, axis=1) < counts
    return classes, labels


def _prior(classes: int) -> NDArray[np.float64]:
    weights = 1.0 / np.arange(1, classes + 1)
    return weights / weights.sum()


def _generator(spec: TwinSpec, *stream: int) -> np.random.Generator:
    return np.random.default_rng([spec.seed, *stream])


def _video_ids(rows: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([f"v{row:06d}" for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a twin of the paper's experiment as a candidate pool.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", type=int, default=TwinSpec.videos)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for the solved numbers")
    parser.add_argument("--write", type=Path, required=True, metavar="DIR", help="pool folder to write")
    arguments = parser.parse_args()
    Twin(TwinSpec(seed=arguments.seed, videos=arguments.videos), arguments.cache).pool().write(arguments.write)
    print(f"{len(TABLE_1)} candidates, {arguments.videos} videos: {arguments.write}")


if __name__ == "__main__":
    main()
