"""What every store of records must do, run over MLflow on a database, MLflow behind a server, and JSON lines.

For a store of another project (an entry point of the group `gapsack.trackers`), import `TrackerContract` from this file
(it stands alone, beside no conftest), and say how to open one and how to read what it keeps:

    class TestMyStore(TrackerContract):
        @pytest.fixture(scope="class")
        @classmethod
        def kept(cls, tmp_path_factory) -> Kept:
            return MyKept(...)
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from gapsack.selection.errors import GapsackError, InputError
from gapsack.selection.files import replace_json
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.folder import RunFolder, TrialFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.tracking.ensemble_runs import ensemble_run, tracked_ensemble, tracked_evaluation
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.results import track_results
from gapsack.sweep.tracking.store import MetricPoint, TrackerStore, UsedData, metric_points
from gapsack.sweep.tracking.stores import open_store
from gapsack.sweep.tracking.tracker import StoreTracker

SWEEP = {
    "name": "sweep",
    "data": {"level": "video", "validate": ["v"]},
    "model": {"family": "gated_netvlad"},
    "search": {"grid": {"clusters": [2, 4], "hidden": [8]}},
    "training": {"steps": 12},
    "tracking": {"experiment": "contract"},
}
TRIALS = ("K2-H8", "K4-H8")
ENSEMBLE = Ensemble.from_dict(
    {
        "members": [{"name": "K2-H8", "precision": "float16", "weight": 1.0, "size_bytes": 2**20}],
        "budget_bytes": 2**21,
        "gap": 0.8,
    }
)


class Kept(Protocol):
    """A store to be tried, and how a person reads what it keeps."""

    uri: str
    folder: Path

    def history(self, store: TrackerStore, run_id: str, key: str) -> list[tuple[int, float]]:
        """Every (step, value) of a metric, in order of steps."""

    def files(self, store: TrackerStore, run_id: str) -> dict[str, str]:
        """The run's files: content by name."""

    def data(self, store: TrackerStore, run_id: str) -> list[tuple[str, str, str]]:
        """The data of the run: (name, role, digest), sorted."""

    def models(self, store: TrackerStore, run_id: str) -> dict[str, dict[str, Any]]:
        """The models that the run made: by name, their figures, tags and params, the latest of each."""


class Flaky:
    """A store whose service goes away, or whose answer is lost, while these are set; `refused` counts such calls."""

    def __init__(self, store: TrackerStore) -> None:
        self._store = store
        self.is_away = False
        self.answer_is_lost = False
        """The service does what it is asked for, and the answer never arrives."""
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name == "may_pass":
            return found

        def call(*values: Any, **named: Any) -> Any:
            if self.is_away:
                self.refused += 1
                raise ConnectionError("nobody answers")
            result = found(*values, **named)
            if self.answer_is_lost:
                self.refused += 1
                self.answer_is_lost = False
                raise ConnectionResetError("the connection was closed")
            return result

        return call


def curve_text(steps: range) -> str:
    rows = [f"{step},{1 / step},{'' if step % 2 else step / 100},0.01,{step + 0.5},{step}.0" for step in steps]
    return "step,loss,gap,learning_rate,videos_per_second,seconds\n" + "".join(row + "\n" for row in rows)


class Sweep:
    """A sweep whose trials are pretended: their files are written, and a tracker is told, as a driver would."""

    def __init__(self, store: TrackerStore, path: Path, *, name: str = "sweep") -> None:
        self.store = store
        self.run = RunFolder(path / "runs" / name)
        self.run.path.mkdir(parents=True, exist_ok=True)
        self.grid = Grid.model_validate({**SWEEP, "name": name})
        self.run.grid_file.write_text(f"name: {name}\n")
        self.run.config_file.write_text(json.dumps(self.grid.to_dict()))
        self.notices: list[str] = []

    def tracker(self, store: Any = None) -> StoreTracker:
        tracker = StoreTracker(
            store or self.store, self.run, self.grid, folder=self.run.path.parents[1], notice=self.notices.append
        )
        tracker.start_sweep()
        return tracker

    def begin(self, tracker: StoreTracker, name: str) -> TrialFolder:
        trial, hyperparameters = self.run.trial(name), {"clusters": int(name[1]), "hidden": 8}
        trial.begin({"point": {"name": name, "hyperparameters": hyperparameters}})
        tracker.trial_started(name, hyperparameters)
        return trial

    def train(self, tracker: StoreTracker, name: str, steps: range = range(1, 12)) -> None:
        self.write_curve(name, steps)
        for step in steps:
            gap = {} if step % 2 else {"gap": step / 100}
            tracker.trial_metrics(
                name, step, {"loss": 1 / step, "learning_rate": 0.01, "videos_per_second": step + 0.5, **gap}
            )

    def write_curve(self, name: str, steps: range = range(1, 12)) -> None:
        self.run.trial(name).curve.write_text(curve_text(range(1, steps.stop)))

    def finish(self, tracker: StoreTracker, name: str, gap: float = 0.75) -> None:
        trial, record = self.run.trial(name), self.write_record(name, gap)
        tracker.trial_finished(name, record, [trial.config_file, trial.curve, trial.record])

    def write_record(self, name: str, gap: float = 0.75) -> TrialResult:
        record = TrialResult(
            name=name,
            family="gated_netvlad",
            axes={},
            hyperparameters={"clusters": int(name[1]), "hidden": 8},
            steps=12,
            gap=gap,
            size_bytes={"float16": 2**20},
            environment={"device": "a processor"},
            data={"train": {"files": 3, "list_crc32c": "00ff"}, "holdout": {"files": 1, "crc32c": "ff00"}},
        )
        self.run.trial(name).finish(record)
        return record

    def write_gain(self, name: str) -> None:
        gain = EnsembleGain(
            name=name, gain=0.25, size_bytes=2 * 2**20, precision="float16", ensemble_gap=0.75, candidates=2, videos=9
        )
        replace_json(self.run.trial(name).gain, gain.model_dump(mode="json"))

    def fail(self, tracker: StoreTracker, name: str, reason: str = "the loss is not finite") -> None:
        self.run.trial(name).fail(reason)
        tracker.trial_failed(name, reason)

    @property
    def parent(self) -> str:
        recorded = TrackingRecord.read(self.run)
        assert recorded is not None and recorded.parent is not None
        return recorded.parent

    def trial_runs(self) -> dict[str, Any]:
        children = self.store.children(self.parent)
        found = {child.name: child for child in children}
        assert len(found) == len(children), "a trial has one run"
        return found

    def statuses(self) -> dict[str, str]:
        return {name: child.status for name, child in self.trial_runs().items()}


def check_whole(kept: Kept, sweep: Sweep, name: str = "K2-H8", gap: float = 0.75) -> None:
    """Everything of a finished trial is in the store, once."""
    child = sweep.trial_runs()[name]
    assert child.status == "FINISHED"
    content = sweep.store.content(child.run_id)
    assert content is not None
    assert content.params["clusters"] == name[1]
    assert content.params["training.steps"] == "12"
    assert content.tags["env.device"] == "a processor"
    assert kept.history(sweep.store, child.run_id, "loss") == [(step, 1 / step) for step in range(1, 12)]
    gaps = [(step, step / 100) for step in range(2, 12, 2)]
    assert kept.history(sweep.store, child.run_id, "gap") == [*gaps, (12, gap)]
    assert content.latest["gap"] == gap
    assert kept.history(sweep.store, child.run_id, "size_mib_float16") == [(12, 1.0)]
    files = kept.files(sweep.store, child.run_id)
    assert set(files) == {"config.json", "curve.csv", "record.json"}
    assert files["curve.csv"] == sweep.run.trial(name).curve.read_text()
    data = kept.data(sweep.store, child.run_id)
    assert data == [("holdout", "evaluation", "ff00"), ("train", "training", "00ff")]
    models = kept.models(sweep.store, child.run_id)
    assert list(models) == [name]
    assert models[name]["figures"] == {"gap": gap, "size_mib_float16": 1.0}
    assert models[name]["tags"]["gapsack.weights"] == f"trials/{name}/weights.npz"
    assert models[name]["params"]["clusters"] == name[1]


class TrackerContract:
    """The suite; a subclass has a fixture `kept`, of the scope "class"."""

    @pytest.fixture
    def store(self, kept: Kept) -> TrackerStore:
        return open_store(kept.uri, "contract", kept.folder)

    @pytest.fixture
    def sweep(self, store: TrackerStore, tmp_path: Path) -> Sweep:
        return Sweep(store, tmp_path)

    # what a store does

    def test_a_run_runs_until_it_ends_and_may_run_again(self, store: TrackerStore) -> None:
        run_id = store.create_run("a run", {"gapsack.kind": "sweep"})
        content = store.content(run_id)
        assert content is not None
        assert (content.status, content.tags["gapsack.kind"], content.params) == ("RUNNING", "sweep", {})
        for outcome in ("FINISHED", "FAILED", "KILLED"):
            store.end(run_id, outcome)
            assert (store.content(run_id) or content).status == outcome
            store.resume(run_id)
            assert (store.content(run_id) or content).status == "RUNNING"

    def test_what_is_logged_is_there_however_much_it_is(self, kept: Kept, store: TrackerStore) -> None:
        run_id = store.create_run("a run", {})
        points = [MetricPoint("loss", 1 / (step + 1), step, 1_700_000_000_000 + step) for step in range(900)]
        params, tags = {f"p{number}": number for number in range(130)}, {f"t{number}": "x" for number in range(130)}
        store.log(run_id, points=points, params=params, tags=tags)
        store.log(run_id, tags={"t0": "y"})
        content = store.content(run_id)
        assert content is not None
        assert content.places == {point.place for point in points}
        assert content.latest == {"loss": 1 / 900}
        assert content.params == {key: str(value) for key, value in params.items()}
        assert tags.items() - content.tags.items() == {("t0", "x")}
        assert kept.history(store, run_id, "loss") == [(point.step, point.value) for point in points]

    def test_files_replace_those_of_their_name(self, kept: Kept, store: TrackerStore, tmp_path: Path) -> None:
        run_id = store.create_run("a run", {})
        for text in ("before", "after"):
            (tmp_path / "notes.txt").write_text(text)
            store.artifact(run_id, tmp_path / "notes.txt")
        store.dictionary(run_id, {"ä": [1, 2]}, "values.json")
        files = kept.files(store, run_id)
        assert files["notes.txt"] == "after"
        assert json.loads(files["values.json"]) == {"ä": [1, 2]}

    def test_an_unknown_run_has_no_content_and_no_children(self, store: TrackerStore) -> None:
        assert store.content("0" * 32) is None
        assert store.children("0" * 32) == []

    def test_an_experiment_is_made_only_if_it_may_be(self, kept: Kept, store: TrackerStore) -> None:
        with pytest.raises(InputError, match="in which the run is recorded"):
            open_store(kept.uri, "never made", kept.folder, create=False)
        with pytest.raises(InputError, match="in which the run is recorded"):
            open_store(kept.uri, "never made", kept.folder, create=False)
        assert open_store(kept.uri, "contract", kept.folder, create=False).experiment_id == store.experiment_id

    # what a sweep comes to in it

    def test_a_sweep_is_a_run_and_each_trial_one_below_it(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        for name in TRIALS:
            sweep.begin(tracker, name)
        sweep.train(tracker, "K2-H8")
        tracker.trial_metrics("K4-H8", 1, {"loss": math.nan, "gap": 0.1})
        sweep.finish(tracker, "K2-H8")
        sweep.fail(tracker, "K4-H8")
        assert tracker.close("FAILED") is None
        check_whole(kept, sweep)
        failed = sweep.trial_runs()["K4-H8"]
        assert (failed.status, failed.tags["gapsack.reason"]) == ("FAILED", "the loss is not finite")
        assert kept.history(sweep.store, failed.run_id, "gap") == [(1, 0.1)]
        content = sweep.store.content(sweep.parent)
        assert content is not None
        assert (content.status, content.params["training.steps"]) == ("FAILED", "12")
        assert content.tags["gapsack.run_folder"] == str(sweep.run.path)
        assert {"grid.yaml", "config.json"} <= set(kept.files(sweep.store, sweep.parent))
        assert sweep.notices == []

    def test_what_a_trial_adds_to_the_ensemble_joins_its_run_once(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        sweep.begin(tracker, "K2-H8")
        sweep.train(tracker, "K2-H8")
        sweep.finish(tracker, "K2-H8")
        sweep.write_gain("K2-H8")
        tracker.trial_gained("K2-H8")
        assert tracker.close("KILLED") is None
        sweep.begin(tracker := sweep.tracker(), "K4-H8")
        sweep.train(tracker, "K4-H8")
        sweep.finish(tracker, "K4-H8")
        assert tracker.close("KILLED") is None
        sweep.write_gain("K4-H8")  # nobody told the tracker: the next one finds it
        assert sweep.tracker().close("FINISHED") is None
        for name in TRIALS:
            child = sweep.trial_runs()[name]
            assert child.status == "FINISHED"
            assert kept.history(sweep.store, child.run_id, "ensemble_gain") == [(12, 0.25)]
            assert kept.history(sweep.store, child.run_id, "ensemble_gain_per_mib") == [(12, 0.125)]
            assert "gain.json" in kept.files(sweep.store, child.run_id)
            assert list(kept.models(sweep.store, child.run_id)) == [name]

    def test_the_sweeps_own_run_tells_of_it_as_a_whole(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        for name in TRIALS:
            sweep.begin(tracker, name)
            sweep.train(tracker, name)
        sweep.finish(tracker, "K2-H8", gap=0.75)
        sweep.finish(tracker, "K4-H8", gap=0.5)
        tracker.close("FINISHED")
        assert kept.history(sweep.store, sweep.parent, "trials_done") == [(1, 1.0), (2, 2.0)]
        assert kept.history(sweep.store, sweep.parent, "best_gap") == [(1, 0.75), (2, 0.75)]
        content = sweep.store.content(sweep.parent)
        assert content is not None
        assert "Best trial: **K2-H8**, GAP 0.7500." in content.tags["mlflow.note.content"]
        assert content.tags["mlflow.source.type"] == "LOCAL"
        data = kept.data(sweep.store, sweep.parent)
        assert data == [("holdout", "evaluation", "ff00"), ("train", "training", "00ff")]

        sweep.run.report.write_text("<html>")
        sweep.run.frontier_file.write_text("[]")
        held_out = {"gap": 0.79, "interval": [0.7, 0.85]}
        Ensemble.from_dict({**ENSEMBLE.to_dict(), "held_out": held_out}).write(sweep.run.ensemble_file)
        track_results(sweep.run)
        files = kept.files(sweep.store, sweep.parent)
        assert {"report.html", "frontier.json", "ensemble.json"} <= set(files)
        content = sweep.store.content(sweep.parent)
        assert content is not None
        assert content.status == "FINISHED"
        assert content.latest == {
            "trials_done": 2.0,
            "best_gap": 0.75,
            "ensemble_gap": 0.8,
            "ensemble_gap_held_out": 0.79,
            "ensemble_held_out_low": 0.7,
            "ensemble_held_out_high": 0.85,
            "ensemble_bytes": 2.0**20,
            "ensemble_members": 1.0,
        }
        assert (
            "Ensemble: K2-H8 (float16); 1.00 of 2.00 MiB, held-out GAP 0.7900." in content.tags["mlflow.note.content"]
        )
        sweep.tracker().close("FINISHED")
        assert len(kept.history(sweep.store, sweep.parent, "best_gap")) == 2

    def test_a_sweep_that_goes_on_goes_on_in_its_runs(self, kept: Kept, sweep: Sweep) -> None:
        first = sweep.tracker()
        for name in TRIALS:
            sweep.begin(first, name)
        sweep.train(first, "K2-H8", range(1, 9))
        sweep.fail(first, "K4-H8")
        assert first.close("KILLED") is None
        assert sweep.statuses() == {"K2-H8": "KILLED", "K4-H8": "FAILED"}
        parent, runs = sweep.parent, {name: child.run_id for name, child in sweep.trial_runs().items()}

        second = sweep.tracker()
        sweep.begin(second, "K2-H8")
        # From the last checkpoint: some steps are done and told a second time.
        sweep.train(second, "K2-H8", range(6, 12))
        sweep.finish(second, "K2-H8")
        sweep.begin(second, "K4-H8")
        sweep.train(second, "K4-H8")
        sweep.finish(second, "K4-H8")
        assert second.close("FINISHED") is None
        assert (sweep.parent, {name: child.run_id for name, child in sweep.trial_runs().items()}) == (parent, runs)
        for name in TRIALS:
            check_whole(kept, sweep, name)
        assert not sweep.trial_runs()["K4-H8"].tags["gapsack.reason"]

    def test_a_trial_that_was_done_when_its_driver_died_is_finished(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        for name in TRIALS:
            sweep.begin(tracker, name)
        tracker._backlog.close(30)  # what the dead driver told; the rest it never did
        sweep.write_curve("K2-H8")
        sweep.write_record("K2-H8")
        assert set(sweep.statuses().values()) == {"RUNNING"}
        assert sweep.tracker().close("FINISHED") is None
        check_whole(kept, sweep)
        assert sweep.statuses() == {"K2-H8": "FINISHED", "K4-H8": "KILLED"}

    def test_what_was_told_during_an_outage_arrives(self, kept: Kept, sweep: Sweep) -> None:
        flaky = Flaky(sweep.store)
        tracker = sweep.tracker(flaky)
        flaky.is_away = True
        sweep.begin(tracker, "K2-H8")
        sweep.train(tracker, "K2-H8", range(1, 7))
        wait_until(lambda: flaky.refused > 0)
        flaky.is_away = False
        sweep.train(tracker, "K2-H8", range(7, 12))
        sweep.finish(tracker, "K2-H8")
        assert tracker.close("FINISHED") is None
        check_whole(kept, sweep)

    def test_an_outage_to_the_end_is_told_and_caught_up_with_later(self, kept: Kept, sweep: Sweep) -> None:
        flaky = Flaky(sweep.store)
        tracker = sweep.tracker(flaky)
        sweep.begin(tracker, "K2-H8")
        sweep.train(tracker, "K2-H8", range(1, 5))
        flaky.is_away = True
        sweep.train(tracker, "K2-H8", range(5, 12))
        sweep.finish(tracker, "K2-H8")
        wait_until(lambda: flaky.refused > 0)
        losses = tracker.close("FINISHED", patience_seconds=1.0)
        assert losses is not None
        assert losses.reason == "ConnectionError: nobody answers"
        assert losses.count >= 1
        # Nothing is left to train: the sweep is begun and ends.
        assert sweep.tracker().close("FINISHED") is None
        check_whole(kept, sweep)

    def test_an_answer_that_is_lost_makes_nothing_twice(self, kept: Kept, sweep: Sweep) -> None:
        flaky = Flaky(sweep.store)
        tracker = sweep.tracker(flaky)
        flaky.answer_is_lost = True  # to the making of the trial's run
        sweep.begin(tracker, "K2-H8")
        wait_until(lambda: flaky.refused == 1 and "K2-H8" in (tracker._kept.trials))
        flaky.answer_is_lost = True  # to some metrics
        sweep.train(tracker, "K2-H8")
        sweep.finish(tracker, "K2-H8")
        assert tracker.close("FINISHED") is None
        assert flaky.refused == 2
        check_whole(kept, sweep)

    def test_a_second_catch_up_writes_nothing_about_trials(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        sweep.begin(tracker, "K2-H8")
        sweep.train(tracker, "K2-H8")
        sweep.finish(tracker, "K2-H8")
        tracker.close("FINISHED")
        run_id = sweep.trial_runs()["K2-H8"].run_id
        watched = Watched(sweep.store)
        assert sweep.tracker(watched).close("FINISHED") is None
        assert run_id not in watched.written_to
        check_whole(kept, sweep)

    def test_a_store_that_is_gone_is_told_and_gets_what_is_done(self, kept: Kept, sweep: Sweep) -> None:
        tracker = sweep.tracker()
        for name in TRIALS:
            sweep.begin(tracker, name)
            sweep.train(tracker, name)
            sweep.finish(tracker, name)
        tracker.close("FINISHED")
        sweep.store = open_store(kept.uri, "another", kept.folder)
        assert sweep.tracker().close("FINISHED") is None
        assert len(sweep.notices) == 1
        assert "gets what is done already from the run folder" in sweep.notices[0]
        for name in TRIALS:
            check_whole(kept, sweep, name)

    def test_two_sweeps_in_one_experiment_keep_apart(self, kept: Kept, store: TrackerStore, tmp_path: Path) -> None:
        sweeps = [Sweep(open_store(kept.uri, "contract", kept.folder), tmp_path, name=name) for name in ("one", "two")]
        assert {sweep.store.experiment_id for sweep in sweeps} == {store.experiment_id}
        trackers = [sweep.tracker() for sweep in sweeps]
        for sweep, tracker in zip(sweeps, trackers, strict=True):
            sweep.begin(tracker, "K2-H8")
        for sweep, tracker in zip(sweeps, trackers, strict=True):
            sweep.train(tracker, "K2-H8")
        trackers[0].close("KILLED")
        sweeps[1].finish(trackers[1], "K2-H8")
        assert trackers[1].close("FINISHED") is None
        assert sweeps[0].statuses() == {"K2-H8": "KILLED"}
        check_whole(kept, sweeps[1])

    def test_an_ensemble_lies_below_its_sweep(self, kept: Kept, sweep: Sweep) -> None:
        sweep.tracker().close("FINISHED")
        logged = tracked_ensemble(sweep.run, ENSEMBLE, None)
        assert logged is not None and logged.model_uri is None
        assert [child.run_id for child in sweep.store.children(sweep.parent)] == [logged.run_id]
        assert json.loads(kept.files(sweep.store, logged.run_id)["ensemble.json"])["gap"] == 0.8
        assert kept.history(sweep.store, logged.run_id, "gap") == [(0, 0.8)]
        # The next sweep takes it for no trial of its own.
        assert sweep.tracker().close("FINISHED") is None
        assert [child.status for child in sweep.store.children(sweep.parent)] == ["FINISHED"]

    def test_what_a_graph_is_measured_at_lies_with_the_newest_ensemble_it_was_built_of(
        self, kept: Kept, sweep: Sweep
    ) -> None:
        sweep.tracker().close("FINISHED")
        data = UsedData("evaluated", "evaluation", "abcd", {"files": 2})
        assert tracked_evaluation(sweep.run, sweep.run.graph, {"gap": 0.7}, data) is None
        tags = {"gapsack.kind": "ensemble", "gapsack.graph": "graph"}
        old, new, other = (
            sweep.store.create_run(name, {**tags, **more}, parent=sweep.parent, milliseconds=at)
            for name, at, more in (("old", 1, {}), ("new", 2, {}), ("other", 3, {"gapsack.graph": "../graph"}))
        )
        assert tracked_evaluation(sweep.run, sweep.run.graph, {"gap": 0.7}, data) == new
        assert kept.history(sweep.store, new, "evaluated_gap") == [(0, 0.7)]
        assert kept.data(sweep.store, new) == [("evaluated", "evaluation", "abcd")]
        for run_id in (old, other):
            content = sweep.store.content(run_id)
            assert content is not None and content.latest == {}

    def test_a_store_that_is_away_does_not_take_an_ensemble(self, sweep: Sweep) -> None:
        flaky = Flaky(sweep.store)
        flaky.is_away = True
        with pytest.raises(GapsackError, match="to keep the ensemble, got: nobody answers"):
            ensemble_run(flaky, ENSEMBLE)


class Watched:
    """A store that notes what runs are written to."""

    def __init__(self, store: TrackerStore) -> None:
        self._store = store
        self.written_to: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in ("log", "artifact", "dictionary", "end", "resume"):
            return lambda run_id, *values, **named: (
                self.written_to.add(run_id),
                getattr(self._store, name)(run_id, *values, **named),
            )[1]
        return getattr(self._store, name)


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "that never came"
        time.sleep(0.01)


class MlflowKept:
    """MLflow, read with its own client."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri = uri
        self.folder = folder

    def history(self, store: TrackerStore, run_id: str, key: str) -> list[tuple[int, float]]:
        from mlflow import MlflowClient

        return sorted((point.step, point.value) for point in MlflowClient(self.uri).get_metric_history(run_id, key))

    def files(self, store: TrackerStore, run_id: str) -> dict[str, str]:
        from mlflow import MlflowClient
        from mlflow.artifacts import load_text

        client = MlflowClient(self.uri)
        place = client.get_run(run_id).info.artifact_uri
        if place.startswith("file:"):
            return {path.name: path.read_text() for path in Path(place.removeprefix("file://")).glob("*")}
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        return {file.path: load_text(f"{place}/{file.path}") for file in client.list_artifacts(run_id)}

    def data(self, store: TrackerStore, run_id: str) -> list[tuple[str, str, str]]:
        from mlflow import MlflowClient

        inputs = MlflowClient(self.uri).get_run(run_id).inputs.dataset_inputs
        return sorted((each.dataset.name, each.tags[0].value, each.dataset.digest) for each in inputs)

    def models(self, store: TrackerStore, run_id: str) -> dict[str, dict[str, Any]]:
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        outputs = [client.get_logged_model(output.model_id) for output in client.get_run(run_id).outputs.model_outputs]
        assert all(model.status == "READY" for model in outputs)
        assert len({model.name for model in outputs}) == len(outputs)
        return {
            model.name: {
                "figures": {metric.key: metric.value for metric in model.metrics},
                "tags": model.tags,
                "params": model.params,
            }
            for model in outputs
        }


class JsonLinesKept:
    """The files of a folder, read as anyone would."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"jsonl:{folder}/records"
        self.folder = folder

    def history(self, store: TrackerStore, run_id: str, key: str) -> list[tuple[int, float]]:
        lines = self._lines(store, run_id)
        return sorted((line["step"], line["value"]) for line in lines if line.get("metric") == key)

    def files(self, store: TrackerStore, run_id: str) -> dict[str, str]:
        return {path.name: path.read_text() for path in self._run(store, run_id).glob("*")}

    def data(self, store: TrackerStore, run_id: str) -> list[tuple[str, str, str]]:
        told = (line["data"] for line in self._lines(store, run_id) if "data" in line)
        return sorted((each["name"], each["role"], each["digest"]) for each in told)

    def models(self, store: TrackerStore, run_id: str) -> dict[str, dict[str, Any]]:
        told = (line["model"] for line in self._lines(store, run_id) if "model" in line)
        return {
            model["name"]: {**model, "params": {key: str(value) for key, value in model["params"].items()}}
            for model in told
        }

    def _lines(self, store: TrackerStore, run_id: str) -> list[dict[str, Any]]:
        return list(map(json.loads, self._run(store, run_id).with_suffix(".jsonl").read_text().splitlines()))

    def _run(self, store: TrackerStore, run_id: str) -> Path:
        return self.folder / "records" / store.experiment_id / run_id


class TestMlflowDatabase(TrackerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, tmp_path_factory: pytest.TempPathFactory) -> Kept:
        folder = tmp_path_factory.mktemp("database")
        return MlflowKept(f"sqlite:///{folder}/mlflow.db", folder)


class TestJsonLines(TrackerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, tmp_path_factory: pytest.TempPathFactory) -> Kept:
        return JsonLinesKept(tmp_path_factory.mktemp("lines"))


@pytest.mark.long
class TestMlflowServer(TrackerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
        folder = tmp_path_factory.mktemp("server")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        places = [
            "--backend-store-uri",
            f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination",
            str(folder / "files"),
        ]
        environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, *places, "--workers", "1"], stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            wait_until(lambda: server.poll() is not None or _answers(port))
            assert server.poll() is None, (folder / "log").read_text()
            yield MlflowKept(f"http://127.0.0.1:{port}", folder)
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_points_of_one_step_share_their_time() -> None:
    points = metric_points({"loss": 1, "gap": 0.5}, step=3)
    assert {point.step for point in points} == {3}
    assert len({point.milliseconds for point in points}) == 1
