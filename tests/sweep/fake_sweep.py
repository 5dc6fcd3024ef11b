"""A sweep whose trials only count, run in a process of its own: python fake_sweep.py RUN BEHAVIOUR_JSON.

RUN is the run's folder, or its URL.

Behaviour: {"steps": …, "seconds": a step's time, "raise": {trial: first attempts that raise}, "reject": [trials],
"die": {trial: first attempts that kill their worker}, "die_done": the same with the record written, "deaf": trials
ignore the stop request, "gaps": {trial: GAP that it reports at every step}, "search": …, "training": …, "resources": …,
"train_on": [trials], "address": a cluster's, "hours": the sweep's, "notes": the folder of what follows, RUN/.. if it is
omitted}. Every attempt that trains appends a line to its file `attempts`: trial, process id, first step, where it found
our packages. Prints the result as JSON.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from gapsack.models.errors import TrainingError
from gapsack.sweep.cluster.away import sending
from gapsack.sweep.cluster.drive import driving
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.launch import train_to_end
from gapsack.sweep.cluster.signals import ended_by_signals, stop_on_signals
from gapsack.sweep.cluster.time_limit import time_limit
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.witness import leave_witness
from gapsack.sweep.storage.mirrored import driven, url_in
from gapsack.sweep.trial.control import SAVED

GRID = {
    "name": "fake",
    "data": {"level": "video", "validate": ["none"], "classes": 10},
    "model": {"family": "gated_netvlad"},
    "search": {"grid": {"clusters": [2, 4], "hidden": [8, 16]}},
    "resources": {"retries": 1},
}


class LineTracker:
    """A tracker that writes its calls as lines."""

    def __init__(self, path):
        self.path = path

    def __getattr__(self, name):
        def write(*values, **_more):
            with self.path.open("a") as file:
                file.write(f"{name} {values[0] if values else ''}\n")

        return write


class Shouting(SweepEvents):
    """Says on standard error what a person would see. Like a console, it cannot be pickled."""

    def __init__(self):
        self.lock = threading.RLock()

    def sweep_started(self, *, total, done):
        sys.stderr.write(f"started {total} {done}\n")

    def trial_progress(self, name, metrics):
        sys.stderr.write(f"progress {name} {metrics['step']}\n")

    def trial_retried(self, name, reason):
        sys.stderr.write(f"retried {name}: {reason}\n")

    def trial_finished(self, name, record):
        sys.stderr.write(f"finished {name}\n")

    def time_is_over(self):
        sys.stderr.write("the time is over\n")

    def notice(self, message):
        sys.stderr.write(f"notice {message}\n")


def counting_trial(behaviour):
    def trial(spec, control):
        from gapsack import models
        from gapsack.selection import errors

        log = Path(behaviour["notes"]) / "attempts"
        attempts = sum(line.split()[0] == spec.name for line in log.read_text().splitlines()) if log.exists() else 0
        state = spec.folder.checkpoints / "step"
        step = int(state.read_text()) if state.exists() else 0
        with log.open("a") as file:
            file.write(f"{spec.name} {os.getpid()} {step} {models.__file__} {errors.__file__}\n")
        spec.folder.checkpoints.mkdir(exist_ok=True)
        if spec.name in behaviour.get("reject", []):
            raise TrainingError("the loss is not finite")
        while step < behaviour["steps"]:
            time.sleep(behaviour["seconds"])
            step += 1
            control.check_owner()
            state.write_text(str(step))
            control.report({"status": SAVED, "phase": "checkpoint", "checkpoint": step})
            gap = {"gap": behaviour["gaps"][spec.name]} if "gaps" in behaviour else {}
            control.report({"status": "running", "step": step, "loss": 1 / step, **gap})
            if step >= 2 and attempts < behaviour.get("raise", {}).get(spec.name, 0):
                raise OSError("the disk is full")
            if step >= 2 and attempts < behaviour.get("die", {}).get(spec.name, 0):
                os.kill(os.getpid(), signal.SIGKILL)
            control.end_early(step, step * behaviour["seconds"])
            if not behaviour.get("deaf"):
                control.tick()
        result = TrialResult(
            name=spec.name,
            family=spec.point.family,
            axes=spec.point.axes,
            hyperparameters=spec.point.hyperparameters,
            size_bytes={"float16": spec.point.axes["clusters"]},
            gap=0.5 + 0.01 * len(spec.name),
            fingerprint=spec.fingerprint(),
        )
        spec.folder.finish(result)
        if attempts < behaviour.get("die_done", {}).get(spec.name, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return trial


@contextmanager
def asked_for(run, behaviour):
    for name in behaviour.get("train_on", ()):
        train_to_end(run, name)
    yield


@contextmanager
def prepared(sweep):
    """As `sweep run` has it: what was changed is sent, with what workers know the run's place by."""
    yield sweep if sweep.url is None else replace(sweep, witness=leave_witness(sweep.run.path))


if __name__ == "__main__":
    url = url_in(sys.argv[1])
    run = RunFolder(sys.argv[1] if url is None else driven(url))
    behaviour = json.loads(sys.argv[2])
    notes = Path(behaviour.setdefault("notes", str(run.path.parent)))
    given = {key: behaviour[key] for key in ("search", "training", "resources") if key in behaviour}
    grid = Grid.model_validate(GRID | given)
    train, holdout = notes / "train0", notes / "validate0"
    train.touch()  # nodes of a cluster are asked whether they see the files; nobody reads them
    holdout.touch()
    events = Shouting()
    sweep = SweepSpec(str(run.path), grid, (str(train),), (str(holdout),), url=url)
    with (
        ended_by_signals(),
        run.held(),
        asked_for(run, behaviour),
        prepared(sweep) as sweep,
        sending(run, events.notice),
        driving(sweep, trial=counting_trial(behaviour), address=behaviour.get("address"), events=events) as drive,
        stop_on_signals(run.stop_file.touch) as stop,
        time_limit(behaviour.get("hours"), time.monotonic(), stop, run.stop_file.touch),
    ):
        result = drive.run(LineTracker(notes / "tracked"), stop)
    sys.stdout.write(json.dumps(asdict(result)))
