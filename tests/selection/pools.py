"""Small pools for tests, dense predictions beside them."""

from __future__ import annotations

import numpy as np

from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions


def dense_case(seed, *, videos=60, classes=40, models=4, levels=None, label_share=0.08):
    """(scores float32 [models, videos, classes] in [0, 1], labels bool); few ``levels`` make ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random((videos, classes)) < label_share
    shared = rng.normal(size=(videos, classes))
    noise = rng.normal(size=(models, videos, classes)) * rng.uniform(0.6, 1.6, (models, 1, 1))
    scores = 1 / (1 + np.exp(-(3.0 * labels + shared + noise - 3.0)))
    if levels:
        scores = np.round(scores * levels) / levels
    return scores.astype(np.float32), labels


SEVEN_SIZES = (60, 50, 45, 40, 30, 25, 20)


def case_of_seven():
    """(scores, labels, pool) of seven models with ``SEVEN_SIZES`` on 240 videos."""
    scores, labels = dense_case(11, videos=240, classes=60, models=7)
    return scores, labels, pool_of(scores, labels, SEVEN_SIZES, k=60)


def pool_of(scores, labels, sizes, k=100, **parts):
    """A pool of dense scores, candidates "m0", "m1", ..."""
    ids = [f"v{i:04}" for i in range(labels.shape[0])]
    candidates = [
        Candidate(f"m{i}", {"float16": int(size)}, Predictions.from_dense(ids, each, k), **parts)
        for i, (each, size) in enumerate(zip(scores, sizes, strict=True))
    ]
    return CandidatePool(Labels.from_dense(ids, labels), candidates)
