"""What the default preference gives up for fewer bytes, against a bootstrap of dense scores."""

from __future__ import annotations

import numpy as np
import pytest
from pools import dense_case, pool_of

from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import binary_log_loss
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets.preference import LOG_LOSS_ERROR_SHARE, SCORE_ERROR_SHARE


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("metric", "scorer", "share"),
    [("gap@20", gap_at_k, SCORE_ERROR_SHARE), ("binary_log_loss", binary_log_loss, LOG_LOSS_ERROR_SHARE)],
)
def test_what_is_given_up_is_small_beside_the_error_of_the_score(seed, metric, scorer, share):
    scores, labels = dense_case(seed, videos=50, classes=24, models=5)
    pool = pool_of(scores, labels, [10, 12, 14, 16, 18], k=24)
    asked = {"budget_bytes": 70, "metric": metric, "folds": 1}
    best, chosen = (search_ensemble(pool, **asked, prefer=prefer) for prefer in ("score", "measured"))
    mixed = sum(m.weight * scores[int(m.name[1])].astype(np.float64) for m in best.members)
    rng = np.random.default_rng(seed + 100)
    draws = [scorer(mixed[drawn], labels[drawn]) for drawn in (rng.integers(0, 50, 50) for _ in range(1000))]
    error = np.std(draws)
    assert chosen.total_bytes <= best.total_bytes
    given_up = best.tuning_score - chosen.tuning_score
    assert given_up <= 1.3 * share * error, "the search's own error is of 200 draws"
    smallest = search_ensemble(pool, **asked, prefer="small")
    assert smallest.total_bytes <= chosen.total_bytes
    assert best.tuning_score - smallest.tuning_score <= 1.3 * error, "asked for, a whole error may be given up"
