from __future__ import annotations

import numpy as np
import pytest

from gapsack.selection.blend.evaluate import Evaluator, Task
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.metrics.objectives import Gap


def test_more_effort_never_scores_less(case):
    _, _, rows = case
    evaluator = Evaluator.of(rows, Gap())
    results = {effort: evaluator(Task((0, 1, 3), effort)) for effort in ("cheap", "quick", "full")}
    assert results["cheap"].score <= results["quick"].score <= results["full"].score
    final = evaluator(Task((0, 1, 3), "final", starts=(results["full"].weights,)))
    assert final.score >= results["full"].score
    assert final.evaluations > results["full"].evaluations > results["quick"].evaluations > 1
    fixed = evaluator(Task((0, 1, 3), "fixed", starts=(results["full"].weights,)))
    assert fixed.score == pytest.approx(results["full"].score, abs=1e-12)


def test_search_of_weights_finds_what_a_grid_finds(case):
    _, _, rows = case
    evaluator = Evaluator.of(rows, Gap())
    score = BlendScore(rows, Gap(), np.array([0, 2]))
    grid = max(score(np.array([1 - share, share])) for share in np.linspace(0, 1, 1001))
    assert evaluator(Task((0, 2), "final")).score >= grid - 2e-5
