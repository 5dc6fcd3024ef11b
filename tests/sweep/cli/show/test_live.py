import io
import re
from datetime import datetime

import pytest
from rich.console import Console

from gapsack.sweep.cli.show.live import SweepView
from gapsack.sweep.runs.record import TrialResult

DONE = TrialResult(
    name="K8-H16",
    family="gated_netvlad",
    axes={},
    hyperparameters={},
    size_bytes={"float16": 3 * 2**20},
    gap=0.8,
)


def shown(is_terminal, events):
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=100, highlight=False)
    with SweepView(console, precision="float16") as view:
        events(view)
        if is_terminal:
            console.print(view._draw())
    return console.file.getvalue()


def whole_sweep(view):
    view.checking_data()
    view.opening_tracking()
    view.sweep_started(total=3, done=1)
    view.trial_started("K8-H16")
    view.trial_progress("K8-H16", {"phase": "training", "step": 1000, "steps": 2000, "loss": 4.25})
    view.trial_progress("K8-H16", {"phase": "training", "step": 1500, "gap": 0.75, "videos_per_second": 80.0})
    view.trial_retried("K8-H16", "the worker died [1/2]")
    view.trial_finished("K8-H16", DONE)
    view.trial_started("K4-H8")
    view.trial_failed("K4-H8", "the loss is not finite")
    view.notice("MLflow could not be written")
    view.stopping()
    view.ended_at_once()
    view.sweep_ended()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_every_event_that_matters_is_a_line(is_terminal):
    text = shown(is_terminal, whole_sweep)
    for line in (
        "3 trials, 1 of them done already",
        "K8-H16 is tried again, from its last checkpoint: the worker died [1/2]",
        "K8-H16 done: GAP 0.8000, 3.00 MiB in float16 (2 of 3)",
        "K4-H8 failed: the loss is not finite",
        "MLflow could not be written",
        "press Ctrl-C again",
        "Ended at once",
    ):
        assert line in text


def test_without_a_terminal_each_measured_gap_is_a_line_and_other_progress_is_not():
    lines = shown(False, whole_sweep).splitlines()
    time, text = re.fullmatch(r"(\S+ \S+) (.*)", next(line for line in lines if "at step" in line)).groups()
    assert text == "K8-H16 at step 1500: GAP 0.7500, 80 videos/s"
    assert datetime.fromisoformat(time)
    assert not any("1000" in line for line in lines)


def test_a_terminal_says_that_ray_starts_until_a_trial_runs_and_then_what_is_left():
    def started(view):
        view.sweep_started(total=2, done=0)

    def running(view):
        started(view)
        view.trial_started("K8-H16")
        view.trial_progress("K8-H16", {"phase": "training", "step": 1000, "steps": 2000})

    assert "Starting Ray" in shown(True, started)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(True, running))
    assert re.search(r"0 of 2 trials 0:00:0\d left", drawn)
    assert "Starting Ray" not in drawn.splitlines()[-3:]


def test_a_terminal_shows_the_running_trials():
    def run(view):
        view.sweep_started(total=2, done=0)
        view.trial_started("K8-H16")
        view.trial_progress("K8-H16", {"phase": "training", "step": 1000, "steps": 2000, "loss": 4.25})
        view.trial_started("K4-H8")
        view.trial_failed("K4-H8", "no")

    drawn = shown(True, run).splitlines()
    sweep = max(number for number, line in enumerate(drawn) if "0 of 2 trials" in line)
    table = "\n".join(drawn[sweep:])
    assert "1,000/2,000" in table
    assert "loss 4.2500" in table
    assert "K4-H8" not in table
