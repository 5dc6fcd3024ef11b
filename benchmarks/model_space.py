"""The twin's world, with a model for every (family, K, H) instead of the paper's 18.

Sizes are exact, of `models.sizes`. A model's GAP is a quadratic in log2 K and log2 H that is fitted to Table 1, less
`FAMILY_GAP` of its family, with normal noise of `GAP_NOISE` as another seed of a training has. Its logits are those of
the twin (what all models share; what small hidden layers share; noise of its own), and a field that the models of its
family share, of `FAMILY_FIELD`; the noise of its own is scaled until its GAP is right. So three things make models
diverse: their own noise, more of it in worse models, how deep they are, and their families.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from benchmarks.paper import TABLE_1
from benchmarks.twin import LARGEST_HIDDEN, Twin, TwinSpec, _scale_for, _video_ids
from gapsack.models.sizes import model_sizes
from gapsack.selection.blend.evaluate import BlendTask, Evaluator
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.pool import Candidate, CandidatePool, Predictions
from gapsack.selection.rows.rows import build_rows

PRECISION = "float16"
FAMILY_GAP = {"gated_netvlad": 0.0, "netfv": 0.003}
FAMILY_FIELD = 0.5
GAP_NOISE = 0.0005
CLUSTERS = (4, 8, 16, 32, 64, 128)
HIDDEN = (128, 256, 400, 512, 800, 1024, 1440)


@dataclass(frozen=True)
class SpacePoint:
    """A model of the space, before anybody trains it."""

    family: str
    clusters: int
    hidden: int

    @property
    def name(self) -> str:
        return f"{self.family}-K{self.clusters}-H{self.hidden}"

    @property
    def axes(self) -> Mapping[str, Any]:
        return {"clusters": self.clusters, "hidden": self.hidden}

    @cached_property
    def size_bytes(self) -> int:
        dimensions = {"rgb": 1024, "audio": 128, "classes": 3862}
        return model_sizes(self.family, {**self.axes, **dimensions}).size_bytes[PRECISION]


POINTS = tuple(SpacePoint(*each) for each in product(FAMILY_GAP, CLUSTERS, HIDDEN))


class ModelSpace:
    """All models of `POINTS`, drawn by a seed; each is made when it is first asked for, which is its training.

    Of all videos, `videos` are those that models and ensembles are scored on, and `judged` more say how good they are.
    """

    def __init__(self, seed: int, videos: int = 1_000, judged: int = 9_000, slots: int = 60, listed: int = 20) -> None:
        spec = TwinSpec(seed=seed, videos=videos + judged, slots=slots, listed=listed, models=TABLE_1[:1])
        self._twin = _Fields(spec)
        self._labels = self._twin.labels()
        self._videos = videos
        self._made: dict[str, Candidate] = {}
        noise = np.random.default_rng([seed, 77]).standard_normal(len(POINTS))
        self._gaps = dict(zip(POINTS, _expected_gaps() + GAP_NOISE * noise, strict=True))

    def gap(self, point: SpacePoint) -> float:
        """GAP@20 that the model scores, which is known once it is trained."""
        return float(self._gaps[point])

    def trained(self, point: SpacePoint) -> Candidate:
        """The model, with its predictions."""
        if point.name not in self._made:
            number = POINTS.index(point)
            lists = self._twin.lists(point, self._gaps[point], number)
            self._made[point.name] = Candidate(point.name, {PRECISION: point.size_bytes}, lists)
        return self._made[point.name]

    def pool(self, points: Sequence[SpacePoint]) -> CandidatePool:
        """These models on the videos that choose."""
        return self._whole(points).take(np.arange(self._videos))

    def judged_gap(self, weights: Mapping[str, float]) -> float:
        """GAP@20 of a blend of models, by their names, on the videos that nothing was chosen on."""
        models = [self.trained(point) for point in POINTS if point.name in weights]
        judged = np.arange(self._videos, self._labels.video_count)
        labels = self._labels.take(judged)
        objective = objective_of("gap@20", labels)
        rows = build_rows(labels, [model.predictions for model in models], objective.top_k, judged)
        given = tuple(weights[model.name] for model in models)
        return Evaluator.of(rows, objective)(BlendTask(tuple(range(len(models))), "fixed", starts=(given,))).score

    def _whole(self, points: Sequence[SpacePoint]) -> CandidatePool:
        return CandidatePool(self._labels, [self.trained(point) for point in points])


class _Fields(Twin):
    """The twin's classes and fields, for models that are no rows of Table 1."""

    def lists(self, point: SpacePoint, gap: float, number: int) -> Predictions:
        shared, own = self._known(point), self._field(100 + number)
        logits = shared + _scale_for(gap, shared, own, self.slot_labels) * own
        best = np.argsort(-logits, axis=1, kind="stable")[:, : self.spec.listed]
        return Predictions(
            video_ids=_video_ids(np.arange(self.spec.videos)),
            top_indices=np.take_along_axis(self.slot_classes, best, axis=1),
            top_scores=expit(np.take_along_axis(logits, best, axis=1)).astype(np.float32),
        )

    def _known(self, point: SpacePoint) -> NDArray[np.float64]:
        family = self._field(50 + list(FAMILY_GAP).index(point.family))
        depth = 0.4 * (1 - point.hidden / LARGEST_HIDDEN)
        shared = self._common + self.solution.shared * self._shared_field
        return np.asarray(shared + depth * self._field(1) + FAMILY_FIELD * family)


def _expected_gaps() -> NDArray[np.float64]:
    """[points] GAP without noise."""
    fitted, features = LinearRegression(), PolynomialFeatures(2)
    table = np.log2([[model.clusters, model.hidden] for model in TABLE_1])
    fitted.fit(features.fit_transform(table), [model.gap for model in TABLE_1])
    places = np.log2([[point.clusters, point.hidden] for point in POINTS])
    return np.asarray(fitted.predict(features.transform(places)) - [FAMILY_GAP[point.family] for point in POINTS])
