import os
import signal
import subprocess
import sys

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.runs.folder import RunFolder, find_run, runs_in

HOLD = """
import sys, time
from gapsack.sweep.runs.folder import RunFolder
with RunFolder(sys.argv[1]).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.fixture
def driver(run):
    """Another process that holds the run."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_trials_status_follows_its_files(run, trial_result):
    trial = run.trial("K8-H16")
    with run.held():
        assert trial.status(run_alive=True) == "pending"
        trial.begin({"a": 1})
        assert trial.status(run_alive=True) == "running"
        trial.release()
        assert trial.status(run_alive=True) == "interrupted"
        trial.begin({"a": 1})
        trial.fail("the loss is not finite")
        assert trial.status(run_alive=True) == "failed"
        assert trial.failure_reason() == "the loss is not finite"
        trial.begin({"a": 1})
        assert trial.failure_reason() is None
        trial.finish(trial_result(trial.name))
        assert trial.status(run_alive=True) == "done"


def test_a_trial_does_not_run_when_nobody_drives(run):
    trial = run.trial("K8-H16")
    trial.begin({})
    assert trial.status(run_alive=False) == "interrupted"


def test_only_one_process_drives_a_run(run, driver):
    assert run.is_alive()
    with pytest.raises(InputError, match="another process is running"), run.held():
        pass


def test_a_killed_driver_lets_go_of_its_run(run, driver):
    trial = run.trial("K8-H16")
    trial.begin({})
    assert trial.status(run_alive=run.is_alive()) == "running"
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert trial.status(run_alive=run.is_alive()) == "interrupted"
    run.stop_file.touch()
    with run.held():
        assert not trial.running.exists()
        assert not run.stop_file.exists()


def test_looking_at_a_run_does_not_hold_it(run):
    assert not run.is_alive()
    with run.held():
        assert run.is_alive()
        assert run.is_alive()
    assert not run.is_alive()


def test_runs_are_found_by_folder_by_name_and_newest_first(tmp_path):
    for age, name in ((30, "old"), (10, "new"), (20, "middle")):
        run = RunFolder(tmp_path / name)
        run.path.mkdir()
        run.config_file.write_text("{}")
        os.utime(run.config_file, (1e9 - age, 1e9 - age))
    (tmp_path / "no run").mkdir()
    assert [run.name for run in runs_in(tmp_path)] == ["new", "middle", "old"]
    assert find_run(None, tmp_path).name == "new"
    assert find_run(tmp_path / "old", tmp_path).name == "old"
    assert find_run(type(tmp_path)("middle"), tmp_path).path == tmp_path / "middle"


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="expected a run in"):
        find_run(None, tmp_path / "runs")
    with pytest.raises(InputError, match="expected a run folder"):
        find_run(tmp_path / "other", tmp_path)
    assert runs_in(tmp_path / "runs") == []
