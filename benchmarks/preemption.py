"""What losing nodes costs: a sweep on a Ray cluster of this machine whose nodes are killed at random.

Nodes are real processes of Ray (`benchmarks.ray_nodes`), each with one CPU, so that a trial runs on each. A node is
killed (SIGKILL, with its worker) when the sweep has reported as many rows of curves as were drawn for it, and another
comes in its place. `retries` is 0: no lost attempt may cost one. All is real but for the trainer, a logistic regression
in NumPy whose steps take a while, and MLflow. Weights are compared, bit by bit, with those of the same trials trained
one after the other in one process, undisturbed. Of the steps that were trained twice those are counted that the driver
had heard of; of each loss up to `LOG_STEPS` less one more were.

    python -m benchmarks.preemption --trials 20 --kills 8
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ray_nodes import RayNodes, ray_nodes
from benchmarks.report import save, table
from gapsack.models import sizes
from gapsack.models.checkpoints import read_weights
from gapsack.models.training import Recipe
from gapsack.sweep.cluster.drive import driving
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.trial.control import Control

CLASSES = 20
STEPS, CHECKPOINT_STEPS, LOG_STEPS = 150, 25, 5
STEP_SECONDS = 0.02
Arrays = Mapping[str, NDArray[Any]]


class NumpyTrainer:
    """Logistic regression by gradient descent with momentum, in the tensors of the family `logistic`."""

    def __init__(self, spec: TrialSpec) -> None:
        rng = np.random.default_rng(spec.grid.training.seed)
        tensors = sizes.tensors(spec.point.family, spec.point.hyperparameters)
        self._tensors = {each.name: rng.normal(size=each.shape, scale=0.01).astype(np.float32) for each in tensors}
        self._matrix = max(self._tensors.values(), key=lambda each: each.size)
        self._momentum = np.zeros_like(self._matrix)
        self._losses: list[float] = []
        self.recipe, self.kernels = Recipe(learning_rate=0.05), "plain"

    def train_step(self, inputs: Arrays, labels: NDArray[Any]) -> None:
        time.sleep(STEP_SECONDS)
        values, scores = _values(inputs), self._scores(inputs)
        self._momentum = np.float32(0.9) * self._momentum + values.T @ (scores - labels) / np.float32(len(values))
        self._matrix[:] -= np.float32(self.recipe.learning_rate) * self._momentum
        self._losses.append(float(-np.mean(np.where(labels, np.log(scores), np.log1p(-scores)))))

    def take_loss(self) -> float:
        loss, self._losses = float(np.mean(self._losses)), []
        return loss

    def predict_top(self, inputs: Arrays, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        scores = self._scores(inputs)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return order.astype(np.int32), np.take_along_axis(scores, order, axis=1)

    def state(self) -> Arrays:
        return {"matrix": self._matrix, "momentum": self._momentum, "losses": np.array(self._losses)}

    def load_state(self, arrays: Arrays) -> None:
        self._matrix[:], self._momentum, self._losses = arrays["matrix"], arrays["momentum"], list(arrays["losses"])

    def weights(self) -> Arrays:
        return self._tensors

    def load_weights(self, weights: Arrays) -> None:
        for name, values in weights.items():
            self._tensors[name][...] = values

    def close(self) -> None:
        self._tensors.clear()

    def _scores(self, inputs: Arrays) -> NDArray[Any]:
        scores: NDArray[Any] = 1 / (1 + np.exp(-np.clip(_values(inputs) @ self._matrix, -15, 15)))
        return scores


def _values(inputs: Arrays) -> NDArray[Any]:
    """A video's mean frame."""
    return np.asarray(inputs["frames"], np.float32).reshape(len(inputs["frames"]), -1)


def numpy_trial(spec: TrialSpec, control: Control) -> TrialResult:
    """`run_trial` with that trainer; no backend is imported, also not for its version."""
    from gapsack.sweep.trial import record, run

    run.new_trainer = NumpyTrainer  # type: ignore[assignment]
    record.trial_environment = dict  # type: ignore[assignment]
    return run.run_trial(spec, control)


class Heard(SweepEvents):
    """Counts rows of curves, by trial and step, and says when the next node is to be killed."""

    def __init__(self, kill_after: Sequence[int], kill: Callable[[], None]) -> None:
        self.rows: list[tuple[str, int]] = []
        self.lost = 0
        self._next = sorted(kill_after)
        self._kill = kill

    def trial_progress(self, name: str, metrics: Mapping[str, Any]) -> None:
        """A row, if training tells it."""
        if metrics.get("phase") != "training":
            return
        self.rows.append((name, int(metrics["step"])))
        if self._next and len(self.rows) >= self._next[0]:
            self._next.pop(0)
            threading.Thread(target=self._kill, daemon=True).start()

    def trial_retried(self, name: str, reason: str) -> None:
        """An attempt was lost: no trial here fails by itself."""
        self.lost += 1
        print(f"{name}: {reason}", flush=True)

    def trial_failed(self, name: str, reason: str) -> None:
        """Said at once: the figures would be of something else."""
        print(f"{name} failed: {reason}", flush=True)

    @property
    def twice(self) -> int:
        """Steps that were told more than once."""
        return (len(self.rows) - len(set(self.rows))) * LOG_STEPS


class Killer:
    """Kills a node at random, and has another one started in its place."""

    def __init__(self, cluster: RayNodes, nodes: int, seed: int) -> None:
        self._cluster = cluster
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._nodes = nodes
        self.killed = 0
        for _ in range(nodes):
            cluster.add()

    def kill_one(self) -> None:
        """Kill one."""
        with self._lock:
            self._cluster.kill(self._random.randrange(self._nodes))
            self.killed += 1
            self._cluster.add()


class NoTracker:
    """Takes everything, and keeps nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_values, **_more: None


def spec_in(folder: Path, name: str, trials: int) -> SweepSpec:
    """A sweep over as many seeds, on the data in a folder."""
    grid = Grid.model_validate(
        {
            "name": name,
            "data": {"folder": str(folder / "data"), "level": "video", "validate": ["validate*"], "classes": CLASSES},
            "model": {"family": "logistic"},
            "search": {"grid": {"training.seed": list(range(trials))}},
            "training": {
                "steps": STEPS,
                "batch_size": 16,
                "checkpoint_steps": CHECKPOINT_STEPS,
                "evaluation_steps": 2 * CHECKPOINT_STEPS,
                "log_steps": LOG_STEPS,
                "averaging": {"last": 2, "max_evaluations": 3},
                "predictions_top_k": CLASSES,
            },
            "resources": {"retries": 0},
        }
    )
    files = {kind: tuple(map(str, sorted((folder / "data").glob(f"{kind}*")))) for kind in ("train", "validate")}
    return SweepSpec(str(folder / name), grid, files["train"], files["validate"])


def measure(folder: Path, *, trials: int, nodes: int, kills: int, seed: int) -> dict[str, int]:
    """Train both ways in a folder; what came of it, by name."""
    sample: dict[str, Any] = {"videos_per_file": 200, "classes": CLASSES, "min_frames": 2, "max_frames": 4}
    write_synth(folder / "data", level="video", train_files=2, validate_files=1, seed=0, **sample)
    plain, killed = (spec_in(folder, name, trials) for name in ("undisturbed", "killed"))
    with ray_nodes(folder / "cluster.log") as cluster, killed.run.held():
        killer = Killer(cluster, nodes, seed)
        rows = trials * STEPS // LOG_STEPS
        heard = Heard(random.Random(seed).sample(range(1, rows), kills), killer.kill_one)
        with driving(killed, trial=numpy_trial, address=cluster.address, events=heard) as drive:
            result = drive.run(NoTracker(), StopRequest())  # type: ignore[arg-type]
    same = 0
    for point in trial_points(plain.grid):
        trial = plain.trial(point.axes)
        trial.folder.begin(trial.to_dict())
        numpy_trial(trial, Control(lambda _metrics: None, lambda: False))
        if trial.name in result.done:
            weights, others = (read_weights(run.trial(trial.name).weights) for run in (plain.run, killed.run))
            same += all(np.array_equal(weights[name], others[name]) for name in weights)
    return {
        "trials": trials,
        "done": len(result.done),
        "same weights": same,
        "nodes killed": killer.killed,
        "attempts": sum(len(list(trial.path.glob("attempt-*.json"))) for trial in killed.run.started_trials()),
        "lost": heard.lost,
        "steps": trials * STEPS,
        "trained twice": heard.twice,
    }


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), **given)
    text = table(list(figures), [[str(value) for value in figures.values()]])
    print(text)
    save("preemption", {"given": given, "figures": figures}, text)


if __name__ == "__main__":
    main()
