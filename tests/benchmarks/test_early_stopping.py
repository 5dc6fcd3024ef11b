"""The replay of schedulers, on learning curves that are made up."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

from benchmarks.early_stopping import KINDS, Recorded, of_seed, replayed, text, together
from benchmarks.learning_curves import candidate_name, measured_steps
from gapsack.models import sizes
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.schema import Grid

VIDEOS, CLASSES = 40, 10
WIDTHS = (8, 16, 32, 64, 128, 256)
STEPS, RUNGS = 270, [30, 90]


def made_grid():
    return Grid.model_validate(
        {
            "name": "run",
            "data": {"level": "video", "validate": ["v"], "classes": CLASSES},
            "model": {"family": "gated_netvlad", "options": {"clusters": 2}},
            "search": {
                "grid": {"hidden": list(WIDTHS)},
                "scheduler": {"kind": "mo_asha", "grace_steps": 30, "reduction_factor": 3},
            },
            "training": {"steps": STEPS, "checkpoint_steps": 30},
        }
    )


def made(gap_of):
    """Curves of all points; `gap_of` is their GAP at all steps, by width."""
    grid = made_grid()
    rng = np.random.default_rng(0)
    videos = np.array([f"video{number}" for number in range(VIDEOS)])
    truth = rng.integers(CLASSES, size=VIDEOS).astype(np.int32)
    candidates = [
        Candidate(
            candidate_name(point.name, step),
            {"float16": sizes.size_bytes(point.family, point.hyperparameters, "float16")},
            guesses(videos, truth, rng),
            metrics={"gap": gap_of(point.hyperparameters["hidden"])},
        )
        for point in trial_points(grid)
        for step in measured_steps(grid)
    ]
    labels = Labels(videos, np.arange(VIDEOS + 1), truth, CLASSES)
    return Recorded(0, grid, measured_steps(grid), CandidatePool(labels, candidates))


def guesses(videos, truth, rng):
    """Lists of all classes, the true one often among the first."""
    scores = rng.random((VIDEOS, CLASSES), np.float32)
    scores[np.arange(VIDEOS), truth] += 0.3
    best = np.argsort(-scores, axis=1)
    return Predictions(videos, best.astype(np.int32), np.take_along_axis(scores, best, axis=1) / 2)


def ends_of(recorded, kind, at_once, folder):
    names = {point.name: point.hyperparameters["hidden"] for point in trial_points(recorded.grid)}
    return {names[name]: step for name, step in replayed(recorded, kind, at_once, folder).items()}


def test_what_is_measured_are_the_rungs_and_the_end():
    assert measured_steps(made_grid()) == [*RUNGS, STEPS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_every_trial_ends_once_and_the_best_comes_to_its_end(kind, at_once, tmp_path):
    ends = ends_of(made(lambda width: width / 1000), kind, at_once, tmp_path)
    assert set(ends) == set(WIDTHS)
    assert set(ends.values()) <= {*RUNGS, STEPS}
    assert ends[256] == STEPS


def test_by_gap_alone_one_in_three_goes_on(tmp_path):
    ends = ends_of(made(lambda width: width / 1000), "asha", 100, tmp_path)
    assert sum(step > RUNGS[0] for step in ends.values()) < len(WIDTHS)


def test_small_models_are_no_worse_off_by_size_and_gap(tmp_path):
    """Larger is better: by GAP alone small ones are stopped, and by both none is behind another."""
    curves = made(lambda width: width / 1000)
    by_gap = ends_of(curves, "asha", 1, tmp_path / "asha")
    by_both = ends_of(curves, "mo_asha", 1, tmp_path / "mo_asha")
    assert by_both[8] > by_gap[8]


def test_each_way_has_its_steps_and_a_gap_at_every_budget():
    recorded, shares = made(lambda width: width / 1000), [20.0, 60.0]
    arguments = Namespace(splits=1, at_once=4, draws=1)
    rows = together([of_seed(recorded, shares, arguments)])
    assert rows[0].steps == [len(WIDTHS) * STEPS]
    assert all(row.steps[0] < rows[0].steps[0] for row in rows[1:])
    assert [row.candidates[0] for row in rows if row.candidates_of == "finished and stopped"] == [len(WIDTHS)] * 2
    assert all(0 < gaps[0] <= 1 for row in rows for gaps in row.gaps)
    assert "mo_asha against asha, finished and stopped: 20 %" in text(rows, shares, [1.0, 2.0])
