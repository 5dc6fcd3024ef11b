"""`sweep run` whose trials walk at random in place of training: python walking_sweep.py run GRID …

All else is real, but for MLflow: command line, run folder, Ray, workers. A walk's end depends on every step of it.
"""

import time

import numpy as np

from gapsack.sweep.cli.runs import app
from gapsack.sweep.cluster import launch as launching
from gapsack.sweep.runs.record import TrialResult

STEP_SECONDS = 0.05
FINISH_SECONDS = 2.0


class DeafStore:
    """MLflow that takes everything and keeps nothing."""

    experiment_id = "1"

    def __init__(self, uri, experiment, artifact_folder):
        self.uri = uri

    def create_run(self, name, tags, parent=None):
        return name

    def running_children(self, parent):
        return []

    def __getattr__(self, name):
        return lambda *_values, **_more: None


def walk(spec, control):
    """Go on from the checkpoint, if there is one; a step is drawn by its number and by where it begins."""
    training = spec.grid.training
    state = spec.folder.checkpoints / "state.npz"
    step, place = 0, np.zeros(3)
    if state.exists():
        with np.load(state) as file:
            step, place = int(file["step"]), file["place"]

    def save():
        spec.folder.checkpoints.mkdir(exist_ok=True)
        part = state.with_suffix(".part.npz")
        np.savez(part, step=step, place=place)
        part.replace(state)

    with control.saving(save):
        while step < training.steps:
            time.sleep(STEP_SECONDS)
            place = np.tanh(place + np.random.default_rng([spec.point.axes["clusters"], step]).normal(size=3))
            step += 1
            if step % training.checkpoint_steps == 0:
                save()
                control.report(
                    {"status": "running", "step": step, "steps": training.steps, "gap": float(place[0]) ** 2}
                )
            control.tick()
    end = time.monotonic() + FINISH_SECONDS
    while time.monotonic() < end:  # averaging and publishing: stopped here, it begins them again
        control.tick()
        time.sleep(STEP_SECONDS)
    np.savez(spec.folder.weights, place=place)
    result = TrialResult(
        name=spec.name,
        family=spec.point.family,
        axes=spec.point.axes,
        hyperparameters=spec.point.hyperparameters,
        size_bytes={"float16": 6},
        gap=float(place[0]) ** 2,
    )
    spec.folder.finish(result)
    return result


if __name__ == "__main__":
    launching.run_trial = walk
    launching.MlflowStore = DeafStore
    app()
