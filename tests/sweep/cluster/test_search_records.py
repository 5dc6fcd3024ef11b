"""The search of a run as Optuna shows it."""

from types import SimpleNamespace

import pytest

from gapsack.dashboards.figures.study import history_figure, importance_figure, slice_figure
from gapsack.sweep.cluster.search_records import search_records


@pytest.fixture
def state(trial_result):
    def of(*points):
        results = [
            trial_result(f"t{number}", axes=axes, gap=gap, finished=f"2026-01-01T00:00:{number:02}")
            for number, (axes, gap) in enumerate(points)
        ]
        return SimpleNamespace(done=[SimpleNamespace(record=result) for result in reversed(results)])

    return of


def test_importances_slices_and_history_are_those_of_optuna(state):
    points = [
        (
            {
                "clusters": clusters,
                "training.learning_rate": rate,
                "training.schedule": schedule,
                **({"training.decay_rate": 0.8} if schedule == "staircase" else {}),
                "mixtures": 2,
            },
            0.5 + 0.01 * clusters + 0.001 * index,
        )
        for clusters in (2, 4, 8, 16)
        for index, rate in enumerate((1e-4, 3e-4, 1e-2))
        for schedule in ("staircase", "cosine")
    ]
    found = search_records(state(*points))
    assert found.trials == tuple(f"t{number}" for number in range(24))
    assert set(found.importances) == {"clusters", "training.learning_rate", "training.schedule"}
    assert next(iter(found.importances)) == "clusters"
    assert sum(found.importances.values()) == pytest.approx(1)
    assert found.sliced == ("clusters", "training.learning_rate", "training.schedule")
    history = history_figure(found)
    assert list(history.data[0].y) == pytest.approx([gap for _, gap in points])
    assert list(history.data[1].y)[-1] == pytest.approx(max(gap for _, gap in points))
    slices = slice_figure(found)
    assert [slices.layout[axis].title.text for axis in ("xaxis", "xaxis2", "xaxis3")] == list(found.sliced)
    assert slices.layout.xaxis2.type == "log"
    assert list(importance_figure(found).data[0].y)[-1] == "clusters"


def test_few_trials_have_no_importances_and_none_has_no_search(state):
    points = [({"clusters": 2, "training.ema_decay": None}, 0.5), ({"clusters": 4, "training.ema_decay": 0.9}, 0.6)]
    found = search_records(state(*points))
    assert found.importances == {}
    assert found.sliced == ("clusters", "training.ema_decay")
    assert search_records(state(points[0])) is None
    assert search_records(state(points[0], points[0])) is None
    assert search_records(state()) is None
