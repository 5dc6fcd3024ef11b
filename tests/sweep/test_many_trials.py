"""What a trial costs beside its training, counted: it must not grow with the number of trials."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sweep_scale import ROWS, grid_of, nothing
from gapsack.sweep.cluster import launch as launching
from gapsack.sweep.cluster.worker import run_in_worker
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.tracking.stores import open_store
from gapsack.sweep.tracking.tracker import StoreTracker

FILES = {"attempt-1.json", "config.json", "curve.csv", "record.json"}
MLFLOW_CALLS = {
    "create_run": 1,
    "log_inputs": 1,
    "create_logged_model": 1,
    "finalize_logged_model": 1,
    "log_outputs": 1,
    "log_batch": 1,
    "set_terminated": 1,
}
"""Of a trial that is over before anything of it was written;"""
MOST_LIVE_CALLS = sum(MLFLOW_CALLS.values()) + 3
"""one that is told of while it runs has its parameters, its curve and the sweep's figures by themselves."""


def listed(folder: Path, trials: int, **changes: Any) -> SweepSpec:
    """A sweep with all of its points listed, one by one."""
    grid = grid_of(folder, "many", trials, tracking="none")
    points = tuple(point.axes for point in trial_points(grid))[:trials]
    search = grid.search.model_copy(update={"grid": {}, "points": points})
    grid = grid.model_copy(update={"search": search, **changes})
    return SweepSpec(str(folder / "runs" / "many"), grid, ("train0",), ("validate0",))


def trained(sweep: SweepSpec, chosen: slice) -> list[str]:
    """Have workers do some trials of a sweep; their names."""
    points = trial_points(sweep.grid)[chosen]
    for point in points:
        told = run_in_worker(nothing, sweep.trial(point.axes), lambda _metrics: None)
        assert told["status"] == "done", told
    return [point.name for point in points]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what was synced, by its name."""
    found, real = Counter[str](), os.fsync

    def fsync(file: int) -> None:
        found[Path(f"/proc/self/fd/{file}").readlink().name] += 1
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell the names of open files")
def test_a_worker_syncs_what_must_outlive_a_power_cut_and_nothing_twice(tmp_path: Path, synced: Counter[str]) -> None:
    sweep = listed(tmp_path, 4)
    trained(sweep, slice(0, 1))  # makes the folders that all trials share
    synced.clear()
    names = trained(sweep, slice(1, 4))
    # The record is synced under the name that it is written with, and so is its own in the trial's folder.
    found = Counter("record.json" if re.fullmatch(r"\.record\.json\..*", name) else name for name in synced.elements())
    assert found == {
        **dict.fromkeys(("trials", "config.json", "curve.csv", "record.json"), len(names)),
        **dict.fromkeys(names, 1),
    }


def test_a_trials_files_do_not_grow_with_the_number_of_points(tmp_path: Path) -> None:
    bytes_of = {}
    for count in (2, 200):
        sweep = listed(tmp_path / str(count), count)
        (name,) = trained(sweep, slice(1))
        folder = sweep.run.trial(name).path
        assert {path.name for path in folder.iterdir()} == FILES
        bytes_of[count] = (folder / "config.json").stat().st_size
    # Its path is longer by two characters, wherever it is told.
    assert bytes_of[200] - bytes_of[2] < 20
    assert bytes_of[200] < 8000


def test_a_trials_config_of_an_earlier_version_is_of_the_same_trial(tmp_path: Path) -> None:
    sweep = listed(tmp_path, 3)
    spec = sweep.trial(trial_points(sweep.grid)[1].axes)
    earlier = spec.to_dict()
    earlier["grid"]["search"] = sweep.grid.to_dict()["search"]  # all points, as it was written then
    assert type(spec).from_dict(earlier).fingerprint() == spec.fingerprint()
    assert [dict(point) for point in spec.grid.search.points] == [spec.point.axes]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is asked of MLflow, by name."""
    from mlflow import MlflowClient

    found = Counter[str]()

    def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **more: Any) -> Any:
            found[name] += 1
            return original(*values, **more)

        return call

    for name, original in list(vars(MlflowClient).items()):
        if callable(original) and name[0] != "_":
            monkeypatch.setattr(MlflowClient, name, counted(name, original))
    return found


class Waiting:
    """A store that does nothing until it is let go."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != "log":
            return found

        def log(*values: Any, **more: Any) -> None:
            assert self.go.wait(60)
            found(*values, **more)

        return log


@pytest.mark.slow
def test_mlflow_is_asked_as_much_for_each_trial_however_many_there_are(tmp_path: Path, calls: Counter[str]) -> None:
    taken = {}
    for count in (3, 8):
        calls.clear()
        recorded(tmp_path, count)
        taken[count] = Counter(calls)
    assert difference(taken[8], taken[3]) == {name: 5 * calls for name, calls in MLFLOW_CALLS.items()}


def recorded(folder: Path, count: int) -> None:
    """Have so many trials recorded that are all over before anything of them is written."""
    sweep = listed(folder / str(count), count)
    sweep.run.path.mkdir(parents=True)
    store = Waiting(open_store(f"sqlite:///{folder}/mlflow.db", "many", folder))
    tracker = StoreTracker(store, sweep.run, sweep.grid, folder=folder)
    store.go.set()
    tracker.start_sweep()
    store.go.clear()
    tracker._backlog.add(lambda: store.log(tracker._trials.parent))  # everything else is behind it
    for name, point in zip(trained(sweep, slice(None)), trial_points(sweep.grid), strict=True):
        tracker.trial_started(name, point.settings)
        for step in range(1, ROWS):
            tracker.trial_metrics(name, step, {"loss": 1 / step})
        trial = sweep.run.trial(name)
        record = trial.result()
        assert record is not None
        tracker.trial_finished(name, record, [trial.config_file, trial.curve, trial.record])
    store.go.set()
    assert tracker.close("FINISHED") is None


def difference(more: Mapping[str, int], fewer: Mapping[str, int]) -> dict[str, int]:
    """What was asked more often."""
    return {name: count - fewer.get(name, 0) for name, count in more.items() if count != fewer.get(name, 0)}


@pytest.mark.long
def test_a_sweep_of_many_trials_leaves_few_files_and_asks_mlflow_for_little(
    tmp_path: Path, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample: dict[str, Any] = {"videos_per_file": 20, "classes": 20, "min_frames": 2, "max_frames": 4}
    write_synth(tmp_path / "data", level="video", train_files=1, validate_files=2, seed=0, **sample)
    monkeypatch.setattr(launching, "run_trial", nothing)
    grid = grid_of(tmp_path, "many", 60, tracking="sqlite:///mlflow.db")
    launched = launching.launch(grid, "", tmp_path)
    count = len(launched.result.done)
    assert count >= 60
    assert all({path.name for path in trial.path.iterdir()} == FILES for trial in launched.run.started_trials())
    assert launched.losses is None
    about_the_sweep = 20
    assert calls.total() <= MOST_LIVE_CALLS * count + about_the_sweep
    assert calls["create_run"] == count + 1
    calls.clear()
    again = launching.launch(grid, "", tmp_path)
    assert (len(again.result.done), again.losses) == (count, None)
    assert calls["create_run"] + calls["log_batch"] + calls["get_metric_history"] <= about_the_sweep
