"""A run of a family's models of several widths, some of which are done, in a pool whose errors follow the width."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult

HIDDEN = (8, 12, 16, 24, 32, 48, 64, 96)
DONE = (8, 12, 24, 32, 64)
GRID = {
    "name": "run",
    "data": {"level": "video", "validate": ["v"], "classes": 30, "rgb": 8, "audio": 4},
    "model": {"family": "gated_netvlad", "options": {"clusters": 2}},
    "search": {"grid": {"hidden": list(HIDDEN)}},
    "budget": {"mib": 0.5},
}


@pytest.fixture
def advised_run(tmp_path, noisy_pool):
    """Makes the run: wider models have less noise of their own. `search` replaces the grid's."""

    def make(search=None, done=DONE):
        grid = Grid.model_validate({**GRID, **({} if search is None else {"search": search})})
        run = RunFolder(tmp_path / "run")
        run.path.mkdir()
        run.config_file.write_text(json.dumps(grid.to_dict()))
        known = Grid.model_validate(GRID)
        points = [point for point in trial_points(known) if point.axes["hidden"] in done]
        noise = [3.0 / np.log2(point.axes["hidden"]) for point in points]
        pool = noisy_pool(noise, [1] * len(points), names=[point.name for point in points], videos=300)
        candidates = []
        for point, candidate in zip(points, pool.candidates, strict=True):
            sizes = planned(known, point).size_bytes
            candidates.append(
                Candidate(point.name, {"float16": sizes["float16"]}, candidate.predictions, origin={"family": "x"})
            )
            trial = run.trial(point.name)
            trial.begin({"point": {"axes": point.axes, "hyperparameters": point.hyperparameters}})
            trial.finish(
                TrialResult(
                    name=point.name,
                    family=point.family,
                    axes=point.axes,
                    hyperparameters=point.hyperparameters,
                    gap=0.5,
                    size_bytes=sizes,
                )
            )
        CandidatePool(pool.labels, candidates).write(run.pool)
        return run

    return make
