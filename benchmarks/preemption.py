"""What losing nodes costs: a sweep on a Ray cluster of this machine, undisturbed and with nodes killed at random.

Nodes are real processes of Ray (`benchmarks.ray_nodes`), each with one CPU, so that a trial runs on each. A node
is killed (SIGKILL, with its worker) when the sweep has reported as many rows of curves as were drawn for it, and
another comes in its place. `retries` is 0: no lost attempt may cost one. Weights are compared byte by byte with those
of the undisturbed sweep. Of the steps that were trained twice those are counted that the driver had heard of; of each
loss up to `LOG_STEPS` less one more were.

    python -m benchmarks.preemption --trials 20 --kills 8
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ray_nodes import RayNodes, ray_nodes
from benchmarks.report import save, table
from gapsack.sweep import api
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.runs.folder import RunFolder

LOG_STEPS = 5


@dataclass
class Outcome:
    """A sweep, and what its losses cost.

    Attributes:
        sweep: Which one.
        trials: That are done.
        killed: Nodes.
        lost: Attempts that ended with their worker.
        steps: Of all trials together.
        twice: Of these, steps that were trained again.
        seconds: Wall time of the whole sweep.
        same: Trials whose weights are those of the undisturbed sweep, to the bit.
    """

    sweep: str
    trials: int
    killed: int
    lost: int
    steps: int
    twice: int
    seconds: float
    same: int


@dataclass
class Heard(SweepEvents):
    """Counts rows of curves, by trial and step, and says when the next node is to be killed."""

    kill_after: Sequence[int] = ()
    kill: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        self.rows: list[tuple[str, int]] = []
        self.lost = 0
        self._next = sorted(self.kill_after)

    def trial_progress(self, name: str, metrics: Mapping[str, Any]) -> None:
        """A row, if training tells it."""
        if metrics.get("phase") != "training":
            return
        self.rows.append((name, int(metrics["step"])))
        if self._next and len(self.rows) >= self._next[0]:
            self._next.pop(0)
            threading.Thread(target=self.kill, daemon=True).start()

    def trial_retried(self, name: str, reason: str) -> None:
        """An attempt was lost: no trial here fails by itself."""
        self.lost += 1

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

    @property
    def address(self) -> str:
        """Of the cluster."""
        return self._cluster.address

    def kill_one(self) -> None:
        """Kill one."""
        with self._lock:
            self._cluster.kill(self._random.randrange(self._nodes))
            self.killed += 1
            self._cluster.add()


def grid(trials: int, steps: int) -> dict[str, Any]:
    """Logistic models of as many seeds."""
    return {
        "name": "undisturbed",
        "data": {"level": "video", "validate": ["validate*.tfrecord"], "holdout": {"count": 1}, "classes": 20},
        "model": {"family": "logistic"},
        "search": {"grid": {"training.seed": list(range(trials))}},
        "training": {
            "steps": steps,
            "batch_size": 16,
            "checkpoint_steps": 50,
            "evaluation_steps": 100,
            "log_steps": LOG_STEPS,
            "averaging": {"last": 2, "max_evaluations": 3},
        },
        "resources": {"retries": 0},
        "tracking": {"uri": "none"},
    }


def sweep(name: str, folder: Path, killer: Killer, kill_after: Sequence[int]) -> tuple[Outcome, RunFolder]:
    """Run the grid in a folder."""
    heard = Heard(kill_after, killer.kill_one)
    began, killed = time.perf_counter(), killer.killed
    launched = api.run(folder / "grid.yaml", data=folder / "data", name=name, address=killer.address, events=heard)
    done = launched.result.done
    steps = len(set(heard.rows)) * LOG_STEPS
    seconds = time.perf_counter() - began
    return Outcome(name, len(done), killer.killed - killed, heard.lost, steps, heard.twice, seconds, 0), launched.run


def main() -> None:
    """Run both sweeps and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_synth(
            folder / "data",
            level="video",
            train_files=2,
            validate_files=2,
            videos_per_file=200,
            classes=20,
            min_frames=2,
            max_frames=4,
            seed=0,
        )
        (folder / "grid.yaml").write_text(json.dumps(grid(given.trials, given.steps)), encoding="utf-8")
        all_rows = given.trials * given.steps // LOG_STEPS
        kills = random.Random(given.seed).sample(range(1, all_rows), given.kills)
        with ray_nodes(folder / "cluster.log") as cluster:
            killer = Killer(cluster, given.nodes, given.seed)
            plain, expected = sweep("undisturbed", folder, killer, ())
            disturbed, found = sweep("killed", folder, killer, kills)
        for outcome, run in ((plain, expected), (disturbed, found)):
            outcome.same = sum(
                trial.weights.read_bytes() == expected.trial(trial.name).weights.read_bytes()
                for trial in run.started_trials()
                if trial.record.exists() and expected.trial(trial.name).weights.exists()
            )
    rows = [asdict(outcome) for outcome in (plain, disturbed)]
    text = table(list(rows[0]), [[_shown(value) for value in row.values()] for row in rows])
    print(text)
    save("preemption", {"given": vars(given), "sweeps": rows}, text)


def _shown(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
