"""Labels and candidates of four videos."""

from __future__ import annotations

import numpy as np

from gapsack.selection.pool import Candidate, Labels, Predictions

IDS = np.array(["va", "vb", "vc", "vd"])
CLASSES = 30


def dense(seed, classes=CLASSES):
    return np.random.default_rng(seed).random((4, classes)).astype(np.float32)


def labels():
    hits = np.zeros((4, CLASSES), bool)
    hits[0, [3, 5]] = hits[1, 0] = hits[3, 29] = True  # video "vc" has no label, which is legal
    return Labels.from_dense(IDS, hits)


def candidate(name="m", seed=0, **parts):
    return Candidate(name, {"float32": 40, "float16": 20}, Predictions.from_dense(IDS, dense(seed)), **parts)
