from __future__ import annotations

import pickle

import numpy as np
import pytest

from gapsack.selection.blend.evaluate import BlendTask, Evaluator
from gapsack.selection.blend.runner import Runner
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.metrics.objectives import Gap


def test_more_effort_never_scores_less(case):
    _, _, rows = case
    evaluator = Evaluator.of(rows, Gap())
    results = {effort: evaluator(BlendTask((0, 1, 3), effort)) for effort in ("cheap", "quick", "full")}
    assert results["cheap"].score <= results["quick"].score <= results["full"].score
    final = evaluator(BlendTask((0, 1, 3), "final", starts=(results["full"].weights,)))
    assert final.score >= results["full"].score
    assert final.evaluations > results["full"].evaluations > results["quick"].evaluations > 1
    fixed = evaluator(BlendTask((0, 1, 3), "fixed", starts=(results["full"].weights,)))
    assert fixed.score == pytest.approx(results["full"].score, abs=1e-12)


def test_search_of_weights_finds_what_a_grid_finds(case):
    _, _, rows = case
    evaluator = Evaluator.of(rows, Gap())
    score = BlendScore(rows, Gap(), np.array([0, 2]))
    grid = max(score(np.array([1 - share, share])) for share in np.linspace(0, 1, 1001))
    assert evaluator(BlendTask((0, 2), "final")).score >= grid - 2e-5


@pytest.mark.parametrize("blend", ["probability", "logit"])
def test_whoever_answers_the_outcome_is_the_same_to_the_bit(case, blend):
    """One worker asks for no point in vain; threads and executors answer whole batches, point by point."""
    _, _, rows = case
    evaluator = Evaluator.of(rows, Gap())
    tasks = [
        BlendTask((0, 1, 3), "final", blend, ((0.2, 0.3, 0.5),)),
        BlendTask((1, 2), "full", blend),
        BlendTask((0, 1, 2, 3), "quick", blend),
        BlendTask((2,), "cheap", blend),
        BlendTask((0, 3), "fixed", blend, ((0.25, 0.75),)),
    ]
    alone = [evaluator(task) for task in tasks]
    pieces = []

    def elsewhere(shipped, asked):
        copy = pickle.loads(pickle.dumps(shipped))
        pieces.extend(asked)
        return [copy(task) for task in asked]

    for runner in (Runner(evaluator, executor=elsewhere), Runner(evaluator, workers=3)):
        with runner:
            assert runner.map(tasks) == alone
        assert runner.evaluations == sum(scored.evaluations for scored in alone)
    assert len(evaluator._kept) == 0  # rows of what is done with are memory for nothing
    assert max(len(task.request.points) for task in pieces if hasattr(task.request, "points")) == 1


def test_a_task_is_evaluated_once(case):
    _, _, rows = case
    runner = Runner(Evaluator.of(rows, Gap()))
    first = runner.map([BlendTask((0, 1), "quick"), BlendTask((0, 1), "quick")])
    spent = runner.evaluations
    assert runner.map([BlendTask((0, 1), "quick")]) == first[:1]
    assert runner.evaluations == spent == first[0].evaluations
