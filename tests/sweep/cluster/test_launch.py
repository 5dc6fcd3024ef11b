"""`sweep run` with trials that only write records: everything around `sweep.cluster.drive` and the training itself."""

import json
import os
import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest
from typer.testing import CliRunner

from gapsack.selection.errors import InputError
from gapsack.sweep.cli.runs import app
from gapsack.sweep.cluster import launch as launching
from gapsack.sweep.cluster.drive import SweepResult
from gapsack.sweep.cluster.launch import changes, find_files, prepare
from gapsack.sweep.data.files import Split
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.tracking import tracker

TEXT = """
name: demo
data: {level: video, validate: ["v*.tfrecord"], holdout: {count: 2}, classes: 10}
model: {family: gated_netvlad}
search: {grid: {clusters: [4, 8], hidden: [16]}}
"""


def a_video(number):
    """A data file of one video."""
    means = np.zeros(1024, np.float32), np.zeros(128, np.float32)
    return frame_record(encode.example(f"v{number}", [number], *means))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a grid file and four data files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPSACK_DATA", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for number in range(4):
        (tmp_path / f"v{number}.tfrecord").write_bytes(a_video(number))
    (tmp_path / "grid.yaml").write_text(TEXT)
    return tmp_path


class FakeStore:
    """MLflow that takes everything."""

    experiment_id = "1"

    def __init__(self, uri, experiment, folder):
        self.uri = uri
        self.view = f"mlflow ui --backend-store-uri {uri}"
        self.ended = {}

    def create_run(self, name, tags, *, parent=None, milliseconds=None):
        return name

    def children(self, parent):
        return []

    def end(self, run_id, outcome, *, milliseconds=None):
        if run_id == "demo":
            self.ended[run_id] = outcome
        FakeStore.last = self

    def __getattr__(self, name):
        return lambda *_values, **_more: None


@pytest.fixture
def run_command(folder, monkeypatch, trial_result):
    """Runs `sweep run` with a sweep that ends as told; returns the command's result."""

    def command(*options, done=(), failed=None, unfinished=(), interrupted=False, signals=(), early=None):
        class FakeDrive:
            def __init__(self, spec, events):
                self.spec = spec
                self.events = events

            def run(self, _tracker, stop):
                while "--hours" in options and not stop.requested:
                    time.sleep(0.01)
                if signals:
                    os.kill(os.getpid(), signals[0])
                self.events.sweep_started(total=2, done=0)
                for name in done:
                    self.events.trial_started(name)
                    record = trial_result(name, size_bytes={"float16": 2**20})
                    self.spec.run.trial(name).finish(record)
                    self.events.trial_finished(name, record)
                for name, reason in (failed or {}).items():
                    self.spec.run.trial(name).fail(reason)
                    self.events.trial_failed(name, reason)
                for name in unfinished[:1]:
                    self.spec.run.trial(name).begin({})
                for number in signals[1:]:
                    os.kill(os.getpid(), number)
                return SweepResult(tuple(done), dict(failed or {}), tuple(unfinished), interrupted, early or {})

        @contextmanager
        def driving(spec, *, trial, address, events):
            yield FakeDrive(spec, events)

        monkeypatch.setattr(launching, "driving", driving)
        monkeypatch.setattr(tracker, "open_store", FakeStore)
        return CliRunner().invoke(app, ["run", "grid.yaml", *options])

    return command


def test_a_sweep_that_is_done_exits_with_0_and_says_where_everything_is(run_command, folder):
    result = run_command(done=("K4-H16", "K8-H16"))
    assert result.exit_code == 0
    assert "2 of 2 trials done; best K4-H16 with GAP 0.5000." in result.stdout
    assert f"mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db" in result.stdout
    assert "sweep select ensemble runs/demo" in result.stdout
    assert "K8-H16 done: GAP 0.5000, 1.00 MiB in float16 (2 of 2)" in result.stderr
    assert FakeStore.last.ended == {"demo": "FINISHED"}
    assert (folder / "runs" / "demo" / "grid.yaml").read_text() == TEXT


def test_failed_trials_are_named_and_the_exit_code_is_1(run_command):
    result = run_command(done=("K4-H16",), failed={"K8-H16": "the loss is not finite"})
    assert result.exit_code == 1
    assert "K8-H16 failed: the loss is not finite" in result.stderr
    assert "only the failed trials are trained" in result.stdout
    assert FakeStore.last.ended == {"demo": "FAILED"}


def test_an_interrupted_sweep_says_how_to_resume_and_exits_with_130(run_command):
    result = run_command(done=("K4-H16",), unfinished=("K8-H16",), interrupted=True)
    assert result.exit_code == 130
    assert "give the same command again" in result.stdout
    assert FakeStore.last.ended == {"demo": "KILLED"}


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_exit_code_tells_which_signal_asked_to_stop(run_command, folder, number, exit_code):
    result = run_command(unfinished=("K4-H16", "K8-H16"), interrupted=True, signals=[number])
    assert result.exit_code == exit_code
    assert "give the same command again" in result.stdout
    assert FakeStore.last.ended == {"demo": "KILLED"}
    assert not RunFolder(folder / "runs" / "demo").stop_file.exists()


def test_a_sweep_whose_hours_are_over_says_what_is_left_and_exits_with_130(run_command, folder):
    result = run_command("--hours", "1e-9", unfinished=("K4-H16", "K8-H16"), interrupted=True)
    assert result.exit_code == 130
    told = "(--hours) was over. 2 trials are left: 1 begun, 1 not begun."
    assert told in result.stderr
    assert "give the same command again" in result.stdout
    assert not RunFolder(folder / "runs" / "demo").stop_file.exists()
    values = json.loads(run_command("--json", "--hours", "1e-9", interrupted=True).stdout)
    assert (values["interrupted"], values["time_was_over"]) == (True, True)


def test_a_signal_after_the_end_of_the_hours_is_the_first_one(run_command):
    result = run_command("--hours", "1e-9", unfinished=("K4-H16",), interrupted=True, signals=[signal.SIGTERM])
    assert result.exit_code == 143
    assert "--hours" not in result.stderr


@pytest.mark.parametrize("hours", ["0", "-1", "nan"])
def test_hours_that_are_none_are_refused_before_anything_is_made(run_command, folder, hours):
    result = run_command("--hours", hours)
    assert (result.exit_code, (folder / "runs").exists()) == (2, False)
    assert f"expected more than 0 hours and at most 100,000, got {hours}" in result.stderr


def test_trials_that_were_stopped_early_come_with_the_option_that_trains_them_on(run_command):
    result = run_command(done=("K4-H16",), early={"K8-H16": "its time (resources.hours: 2) was over at step 4 of 9"})
    assert result.exit_code == 0
    assert "To train on  the same command with --continue K8-H16" in result.stdout


def test_a_dry_run_shows_the_limits(run_command, folder):
    (folder / "grid.yaml").write_text(TEXT + "resources: {hours: 1.5}")
    result = run_command("--dry-run", "--hours", "8")
    assert "2 trials to train, 0 skipped. Sizes in MiB. Each trains for 1.5 hours at most" in result.stdout
    assert "The sweep stops after 8 hours; the same command goes on." in result.stderr


def test_a_signal_that_comes_when_all_is_done_changes_nothing(run_command):
    assert run_command(done=("K4-H16", "K8-H16"), signals=[signal.SIGTERM]).exit_code == 0


@pytest.mark.parametrize(("last", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_is_ended_at_once_says_how_to_resume_too(run_command, folder, last, exit_code):
    result = run_command(signals=[signal.SIGINT, last])
    assert result.exit_code == exit_code
    assert "the same command goes on from the last checkpoints" in result.stderr
    assert FakeStore.last.ended == {"demo": "KILLED"}
    assert not RunFolder(folder / "runs" / "demo").stop_file.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_anything_is_trained_the_first_signal_ends_it(run_command, monkeypatch, number):
    monkeypatch.setattr(checksums, "take", lambda _files: os.kill(os.getpid(), number))
    result = run_command()
    assert (result.exit_code, result.stderr) == (128 + number, "Interrupted.\n")


def test_the_summary_as_json(run_command, folder):
    result = run_command(
        "--json", "--name", "other", "--storage", "elsewhere", done=("K4-H16",), failed={"K8-H16": "no"}
    )
    values = json.loads(result.stdout)
    assert values["run"] == str(folder / "elsewhere" / "other")
    assert (values["done"], values["failed"]) == (["K4-H16"], {"K8-H16": "no"})


def test_missing_data_is_an_error_before_anything_is_made(run_command, folder):
    result = run_command("--data", "nowhere")
    assert result.exit_code == 2
    assert "nowhere/v*.tfrecord" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "runs").exists()


def test_weights_to_begin_with_that_are_missing_are_told_before_anything_is_made(run_command, folder):
    (folder / "grid.yaml").write_text(TEXT + "training: {start_from: {run: first}}")
    result = run_command()
    assert result.exit_code == 2
    assert "training.start_from: expected the folder of a run" in result.stderr
    assert str(folder / "runs" / "first") in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "runs").exists()


def test_a_run_that_another_process_drives_is_refused(run_command):
    run = RunFolder("runs/demo")
    with run.held():
        result = run_command()
    assert result.exit_code == 2
    assert "another process is running" in result.stderr


def test_the_files_follow_the_hold_out_rule(folder):
    split = find_files(load_grid(folder / "grid.yaml"))
    assert len(split.holdout) == len(split.train) == 2
    assert {*split.holdout, *split.train} == {str(folder / f"v{number}.tfrecord") for number in range(4)}
    listed = TEXT.replace("{count: 2}", '{files: ["v[13].tfrecord"]}')
    (folder / "listed.yaml").write_text(listed)
    assert find_files(load_grid(folder / "listed.yaml")).holdout == tuple(
        str(folder / f"v{n}.tfrecord") for n in (1, 3)
    )


def test_more_points_and_other_resources_may_resume_but_another_training_may_not(folder):
    run, split = RunFolder(folder / "run"), Split(("/a/t0",), ("/a/v0",))
    grid = load_grid(folder / "grid.yaml")
    prepare(run, grid, TEXT, split)
    wider = Grid.model_validate(
        grid.to_dict() | {"search": {"grid": {"clusters": [4, 8, 16], "hidden": [16]}}, "resources": {"gpus": 1}}
    )
    prepare(run, wider, TEXT, Split(("/elsewhere/t0",), ("/elsewhere/v0",)))
    assert len(json.loads(run.config_file.read_text())["search"]["grid"]["clusters"]) == 3

    longer = Grid.model_validate(grid.to_dict() | {"training": {"steps": 7}})
    with pytest.raises(
        InputError, match=r"training\.steps was 200000 and is 7.* list training\.steps in search\.points"
    ):
        prepare(run, longer, TEXT, split)
    with pytest.raises(InputError, match="there were 1 held-out files and now 2, or others"):
        prepare(run, grid, TEXT, Split(("/a/t0",), ("/a/v0", "/a/v1")))
    with pytest.raises(InputError, match="training files"):
        prepare(run, grid, TEXT, Split(("/a/t1",), ("/a/v0",)))


def test_moving_the_data_changes_nothing(folder):
    here, there = (load_grid(folder / "grid.yaml", data_folder=place) for place in ("/here", "/there"))
    assert changes(here, there) == []


def test_a_hold_out_rule_that_cannot_be_followed_is_an_input_error(folder):
    (folder / "grid.yaml").write_text(TEXT.replace("count: 2", "count: 9"))
    with pytest.raises((ConfigError, DataError)):
        find_files(load_grid(folder / "grid.yaml"))


def test_what_would_fail_every_trial_fails_before_the_first(run_command, folder):
    (folder / "v1.tfrecord").write_bytes((folder / "v0.tfrecord").read_bytes())
    (folder / "v2.tfrecord").write_bytes((folder / "v0.tfrecord").read_bytes())
    result = run_command(done=("K4-H16", "K8-H16"))
    assert result.exit_code == 2
    assert "A file that is held out must not train" in result.stderr
    assert not (folder / "runs" / "demo" / "trials").exists()


def test_a_damaged_held_out_file_may_be_allowed_in_a_run_that_exists():
    plain = Grid.model_validate(
        {
            "name": "x",
            "data": {"level": "video", "validate": ["v"]},
            "model": {"family": "gated_netvlad"},
            "search": {"points": [{"clusters": 4, "hidden": 8}]},
        }
    )
    holdout = plain.data.holdout.model_copy(update={"allow_damaged": ("v1.tfrecord",)})
    allowed = plain.model_copy(update={"data": plain.data.model_copy(update={"holdout": holdout})})
    assert changes(plain, allowed) == []
