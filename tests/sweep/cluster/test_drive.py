"""Real sweeps on Ray, with trials that only count; each runs in a process of its own, as `sweep run` does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

import gapsack.models
from gapsack.sweep.runs.folder import RunFolder

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[1] / "fake_sweep.py"


class Sweep:
    """Starts fake sweeps in `folder`, whose working directory shadows the project's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cwd = folder / "cwd"
        self.mark = uuid.uuid4().hex
        for package in ("models", "selection", "sweep"):
            (self.cwd / package).mkdir(parents=True)
            (self.cwd / package / "__init__.py").write_text("raise ImportError('the wrong package')\n")

    def start(self, **behaviour) -> subprocess.Popen:
        return subprocess.Popen(
            [
                sys.executable,
                str(SCRIPT),
                str(self.folder / "run"),
                json.dumps({"steps": 3, "seconds": 0.1} | behaviour),
            ],
            cwd=self.cwd,
            env=os.environ | {"GAPSACK_TEST": self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # its own process group, as a shell's foreground job has
        )

    def run(self, **behaviour) -> dict:
        process = self.start(**behaviour)
        out, error = process.communicate(timeout=270)
        assert process.returncode == 0, error
        return json.loads(out)

    def attempts(self) -> list[list[str]]:
        log = self.folder / "attempts"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def tracked(self) -> list[str]:
        return (self.folder / "tracked").read_text().splitlines()

    def process_ids(self) -> dict[int, str]:
        """The living processes that this sweep started, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"GAPSACK_TEST={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def processes(self) -> list[str]:
        """Their command lines."""
        return list(self.process_ids().values())


@pytest.fixture
def sweep(tmp_path):
    sweep = Sweep(tmp_path)
    yield sweep
    for process_id in sweep.process_ids():  # of a test that failed: its Ray would run on beside all others
        os.kill(process_id, signal.SIGKILL)


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def wait_for_progress(process, name):
    for line in process.stderr:
        if line.startswith(f"progress {name} "):
            return
    pytest.fail(f"{name} never reported")


LISTENING = "0A"


def listening_addresses(process_ids) -> set[str]:
    """The addresses on which these processes listen for connections, as hexadecimal digits of `/proc/net`."""
    files = [file for process in process_ids for file in Path(f"/proc/{process}/fd").iterdir() if file.is_symlink()]
    sockets = {file.readlink().name for file in files}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].split(":")[0])
    return found


@pytest.mark.long
def test_failures_stay_with_their_trials(sweep):
    result = sweep.run(
        **{"raise": {"K2-H8": 1, "K2-H16": 9}, "die": {"K4-H8": 1}, "reject": ["K4-H16"], "die_done": {"K4-H8": 2}}
    )

    assert result["done"] == ["K2-H8", "K4-H8"]
    assert result["failed"] == {"K2-H16": "OSError: the disk is full", "K4-H16": "the loss is not finite"}
    assert not result["interrupted"]
    details = json.loads((sweep.folder / "run/trials/K2-H16/failure.json").read_text())["details"]
    assert 'raise OSError("the disk is full")' in details
    attempts = sweep.attempts()
    # An error that may pass is tried again from the checkpoint, a worker's death too, a wrong loss is not. That K4-H8
    # is done its second worker could not tell: a third one finds its record, and trains nothing.
    assert (sweep.folder / "run/trials/K4-H8/attempt-3.json").exists()
    assert Counter(line[0] for line in attempts) == {"K2-H8": 2, "K2-H16": 2, "K4-H8": 2, "K4-H16": 1}
    assert [line[2] for line in attempts if line[0] in ("K2-H8", "K4-H8")] == ["0", "2", "0", "2"]
    assert {line[3] for line in attempts} == {gapsack.models.__file__}
    assert "trial_failed K4-H16" in sweep.tracked()
    assert "trial_finished K4-H8" in sweep.tracked()
    assert not (sweep.folder / "run" / "tune").exists()
    assert sweep.processes() == []


@pytest.mark.long
def test_after_a_killed_driver_exactly_the_missing_and_failed_trials_are_trained(sweep):
    process = sweep.start(seconds=0.3, steps=12, reject=["K2-H8"], resources={"concurrent": 1})
    wait_for_progress(process, "K4-H8")
    folders = {Path(found) for line in sweep.processes() for found in re.findall(r"/\S*?/gapsack-[^/\s]+", line)}
    assert len(folders) == 1
    assert all(folder.is_dir() for folder in folders)

    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()

    # Neither processes nor Ray's temporary files outlive the driver.
    wait_for(lambda: sweep.processes() == [])
    assert not any(folder.exists() for folder in folders)
    before = sweep.attempts()
    assert [line[0] for line in before] == ["K2-H8", "K2-H16", "K4-H8"]
    # A half-written state of Tune's, and checkpoints that the worker had no time to delete.
    (sweep.folder / "run" / "tune" / "experiment_state-2026.json").write_text('{"half": ')
    leftover = sweep.folder / "run" / "trials" / "K2-H16" / "checkpoints"
    leftover.mkdir(exist_ok=True)

    result = sweep.run(steps=12, seconds=0)

    assert result["done"] == ["K2-H8", "K2-H16", "K4-H8", "K4-H16"]
    assert result["failed"] == {}
    after = {line[0]: int(line[2]) for line in sweep.attempts()[len(before) :]}
    assert after.keys() == {"K2-H8", "K4-H8", "K4-H16"}
    assert after["K4-H8"] > 0  # from its checkpoint
    assert not leftover.exists()


def test_ctrl_c_lets_trials_write_a_checkpoint_and_leaves_no_process(sweep):
    process = sweep.start(steps=1000, resources={"concurrent": 1})
    wait_for_progress(process, "K2-H8")
    # 127.0.0.1, and the same as an IPv6 address, in the processor's order of bytes: nobody from outside can connect.
    listening = listening_addresses(sweep.process_ids())
    assert listening
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}

    os.killpg(process.pid, signal.SIGINT)

    out, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    result = json.loads(out)
    assert result["interrupted"]
    assert result["done"] == []
    assert result["unfinished"] == ["K2-H8", "K2-H16", "K4-H8", "K4-H16"]
    assert sweep.processes() == []
    assert [line[0] for line in sweep.attempts()] == ["K2-H8"]


def test_when_the_hours_of_a_sweep_are_over_it_ends_in_order_and_goes_on_later(sweep):
    limited = sweep.start(steps=1000, hours=10 / 3600, resources={"concurrent": 1})
    out, error = limited.communicate(timeout=200)
    assert limited.returncode == 0, error
    result = json.loads(out)
    assert (result["interrupted"], result["done"], result["failed"]) == (True, [], {})
    assert len(result["unfinished"]) == 4
    assert error.count("the time is over\n") == 1
    assert not (sweep.folder / "run" / "stop").exists()
    assert sweep.processes() == []


@pytest.mark.long
def test_a_second_ctrl_c_ends_a_trial_that_does_not_listen(sweep):
    process = sweep.start(steps=1000, deaf=True)
    wait_for_progress(process, "K2-H8")

    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)

    _out, error = process.communicate(timeout=200)
    assert process.returncode != 0
    assert "EndedBySignalError: SIGINT" in error
    assert sweep.processes() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("victim", "words"),
    [
        ("gcs/gcs_server", "ended (exit code 1) with 0 of 4 trials done; it printed last: Failed to connect to GCS"),
        ("raylet/raylet", "ended (exit code 1) with 0 of 4 trials done; it printed last: Ray's own process on this"),
        ("cluster.entry", "was killed (signal 9) with 0 of 4 trials done; it printed nothing"),
    ],
)
def test_a_ray_that_dies_is_one_sentence_and_the_same_command_goes_on(sweep, victim, words):
    process = sweep.start(steps=1000)
    wait_for_progress(process, "K2-H8")
    killed = [number for number, line in sweep.process_ids().items() if victim in line]
    assert len(killed) == 1

    os.kill(killed[0], signal.SIGKILL)

    _out, error = process.communicate(timeout=200)
    assert process.returncode == 1
    last = [line for line in error.splitlines() if "ClusterError: " in line]
    assert len(last) == 1
    assert words in last[0]
    assert last[0].endswith("sweep run goes on where it ended")
    wait_for(lambda: sweep.processes() == [])
    before = len(sweep.attempts())
    assert len(sweep.run(steps=4, seconds=0.01)["done"]) == 4
    assert {int(line[2]) > 0 for line in sweep.attempts()[before:] if line[0] == "K2-H8"} == {True}
    assert not (sweep.folder / "run" / "ray.log").exists()


def test_a_sampler_spends_what_is_left_of_its_budget(sweep, trial_result):
    known = RunFolder(sweep.folder / "run").trial("K6-H32")
    known.begin({"point": {"axes": {"clusters": 6, "hidden": 32}}})
    known.finish(trial_result("K6-H32", axes={"clusters": 6, "hidden": 32}, gap=0.6, size_bytes={"float16": 6}))
    space = {"clusters": {"choices": [2, 4, 6, 8]}, "hidden": {"low": 8, "high": 64, "step": 8}}

    search = {"sampler": {"kind": "tpe", "trials": 4, "seed": 5, "space": space}}
    result = sweep.run(search=search, resources={"concurrent": 1})

    assert len(result["done"]) == 4
    attempts = [line[0] for line in sweep.attempts()]
    assert len(attempts) == 3
    assert len({line[1] for line in sweep.attempts()}) == 1, "one process trains one trial after the other"
    assert set(result["done"]) == {"K6-H32", *attempts}


@pytest.mark.long
def test_what_others_leave_behind_is_stopped_once_and_trained_on_when_a_person_asks(sweep):
    early = {
        "steps": 6,
        "gaps": {"K2-H8": 0.5, "K2-H16": 0.4, "K4-H8": 0.6, "K4-H16": 0.3},
        "search": {
            "grid": {"clusters": [2, 4], "hidden": [8, 16]},
            "scheduler": {"kind": "asha", "grace_steps": 2, "reduction_factor": 2},
        },
        "training": {"steps": 6, "checkpoint_steps": 1},
        "resources": {"concurrent": 1},
    }
    process = sweep.start(**early, seconds=0.3)
    wait_for_progress(process, "K4-H8")  # K2-H16 was stopped, and K4-H8 is on its way
    process.kill()
    process.communicate()
    wait_for(lambda: sweep.processes() == [])

    result = sweep.run(**early)

    assert (result["done"], result["failed"], result["interrupted"]) == (["K2-H8", "K4-H8"], {}, False)
    assert {name: reason.split(",")[0] for name, reason in result["stopped_early"].items()} == {
        "K2-H16": "at step 2",
        "K4-H16": "at step 2",
    }
    trials = RunFolder(sweep.folder / "run").trials
    assert {name: (trials / name / "checkpoints/step").read_text() for name in result["stopped_early"]} == {
        "K2-H16": "2",
        "K4-H16": "2",
    }
    numbers = {}
    for name in early["gaps"]:
        reports = json.loads((trials / name / "rungs.json").read_text())["reports"]
        numbers |= {report["number"]: (name, report["step"]) for report in reports}
    # One after the other, each at its rungs: as if nobody had been killed.
    assert [numbers[number] for number in sorted(numbers)] == [
        ("K2-H8", 2),
        ("K2-H8", 4),
        ("K2-H16", 2),
        ("K4-H8", 2),
        ("K4-H8", 4),
        ("K4-H16", 2),
    ]
    before = len(sweep.attempts())

    result = sweep.run(**early, train_on=["K4-H16"])

    assert result["done"] == ["K2-H8", "K4-H8", "K4-H16"]
    assert list(result["stopped_early"]) == ["K2-H16"]
    assert [line[:3:2] for line in sweep.attempts()[before:]] == [["K4-H16", "2"]]
