from __future__ import annotations

import numpy as np
import pytest
from pools import dense_case, pool_of

from gapsack.selection.rows.rows import build_rows


@pytest.fixture(scope="module")
def case():
    """Dense scores and labels, and rows of the same."""
    scores, labels = dense_case(7, videos=400, classes=50, models=4)
    pool = pool_of(scores, labels, [1] * 4, k=50)
    return scores.astype(np.float64), labels, build_rows(pool.labels, [c.predictions for c in pool.candidates], None)
