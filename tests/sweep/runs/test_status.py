import json

import numpy as np
import pytest

from gapsack.dashboards.figures.catalogue import build_figures
from gapsack.dashboards.page.page import page
from gapsack.dashboards.records import FrontierPoint
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.sweep.cli.show.status import print_status, run_values, status_values
from gapsack.sweep.cluster.drive import driving
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.damage import digests, set_aside_damaged
from gapsack.sweep.runs.folder import RunFolder, runs_in
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.report import drawn_frontier, inferior_trials, sweep_records
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import curve_rows, readable_states, run_state

GRID = {
    "name": "run",
    "data": {"level": "video", "validate": ["v"], "classes": 10},
    "model": {"family": "gated_netvlad"},
    "search": {
        "points": [{"clusters": K, "hidden": H} for K, H in ((4, 8), (4, 16), (4, 32), (8, 32), (8, 64), (16, 512))]
    },
    "budget": {"mib": 2},
}
CURVE = "step,loss,gap,learning_rate,videos_per_second,seconds\n10,5.5,,0.001,100.0,1\n20,4.5,0.4,0.001,110.0,2\n"


def make_run(path, grid=GRID):
    run = RunFolder(path)
    run.path.mkdir(parents=True)
    run.config_file.write_text(json.dumps(Grid.model_validate(grid).to_dict()))
    return run


def finish(run, name, **record):
    trial = run.trial(name)
    trial.begin({})
    trial.curve.write_text(CURVE)
    values = {"axes": {}, "gap": 0.5, "size_bytes": {"float16": 1}, "averaging_range": (10, 20), "videos": 7, **record}
    trial.finish(TrialResult(name=name, family="gated_netvlad", hyperparameters={}, **values))


@pytest.fixture
def run(tmp_path):
    """One trial of each status; K16-H512 is over the budget."""
    run = make_run(tmp_path / "run")
    finish(run, "K4-H8")
    for name in ("K4-H16", "K4-H32", "K8-H32"):
        run.trial(name).begin({})
    run.trial("K4-H16").fail("the loss is not finite")
    run.trial("K4-H32").curve.write_text(CURVE)
    run.trial("K8-H32").release()
    return run


def test_each_trial_has_its_status_its_numbers_and_its_reason(run):
    state = run_state(run)
    found = {trial["name"]: trial for trial in status_values(state)["trials"]}
    assert {name: trial["status"] for name, trial in found.items()} == {
        "K4-H8": "done",
        "K4-H16": "failed",
        "K4-H32": "interrupted",
        "K8-H32": "interrupted",
        "K8-H64": "pending",
        "K16-H512": "skipped",
    }
    assert (found["K4-H8"]["gap"], found["K4-H32"]["gap"]) == (0.5, 0.4)
    assert (found["K4-H32"]["step"], found["K4-H32"]["loss"]) == (20, 4.5)
    assert found["K4-H16"]["reason"] == "the loss is not finite"
    assert "can never fit" in found["K16-H512"]["reason"]
    assert state.wanted == 5


def test_hosts_are_shown_where_there_are_several(run, capsys):
    finish(run, "K4-H32", host="worker1")
    print_status(run_state(run))
    assert " host" not in capsys.readouterr().out  # K4-H8 has a record of an earlier version, which does not say
    assert sweep_records(run).environment.get("hosts") is None
    finish(run, "K8-H32", host="worker2", environment={"device": "a processor"})
    state = run_state(run)
    print_status(state)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("trial", "K4", "K8"))]
    assert {row[0]: row[-1] for row in rows if row[-1] in ("host", "worker1", "worker2")} == {
        "trial": "host",
        "K4-H32": "worker1",
        "K8-H32": "worker2",
    }
    assert {trial["name"]: trial["host"] for trial in status_values(state)["trials"]}["K4-H8"] is None
    assert sweep_records(run).environment["hosts"] == "worker1, worker2"


def test_what_answering_costs_is_shown_where_a_trial_says_so(run, capsys):
    print_status(run_state(run))
    assert "MFLOPs" not in capsys.readouterr().out
    assert {trial.flops for trial in sweep_records(run).trials} == {None}
    finish(run, "K4-H32", flops=2_500_000, latency_ms=1.25, latency_measured_on="a processor on worker1")
    state = run_state(run)
    print_status(state)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(row for row in rows if row[:1] == ["trial"])[-3:] == ["MFLOPs", "latency", "ms"]
    assert next(row for row in rows if row[:1] == ["K4-H32"])[-2:] == ["2.5", "1.25"]
    found = {trial["name"]: trial["flops"] for trial in status_values(state)["trials"]}
    assert (found["K4-H32"], found["K4-H8"]) == (2_500_000, None)
    drawn = next(trial for trial in sweep_records(run).trials if trial.name == "K4-H32")
    assert (drawn.flops, drawn.latency_ms) == (2_500_000, 1.25)


def test_a_trial_runs_while_a_driver_holds_the_run(run):
    with run.held():
        run.trial("K4-H32").begin({})
        state = run_state(run)
    assert [trial.plan.name for trial in state.trials if trial.status == "running"] == ["K4-H32"]
    assert state.status == "running"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("done", "done"), "done"),
        (("done", "failed"), "failed"),
        (("done", "interrupted"), "incomplete"),
        (("failed", "pending"), "incomplete"),
        (("pending", "pending"), "incomplete"),
    ],
)
def test_a_runs_status_follows_its_trials(tmp_path, statuses, expected):
    run = make_run(tmp_path / "run", GRID | {"search": {"points": [{"clusters": 4, "hidden": H} for H in (8, 16)]}})
    for name, status in zip(("K4-H8", "K4-H16"), statuses, strict=True):
        if status == "done":
            finish(run, name)
        elif status != "pending":
            run.trial(name).begin({})
            if status == "failed":
                run.trial(name).fail("no")
    assert run_state(run).status == expected


def test_a_sampled_run_has_the_trials_that_were_proposed(tmp_path):
    space = {"clusters": {"choices": [4, 8]}, "hidden": {"low": 8, "high": 64}}
    run = make_run(tmp_path / "run", GRID | {"search": {"sampler": {"trials": 9, "space": space}}})
    run.trial("K8-H17").begin({"point": {"axes": {"clusters": 8, "hidden": 17}}})
    state = run_state(run)
    assert [trial.plan.hyperparameters["hidden"] for trial in state.trials] == [17]
    assert state.wanted == 9


def test_a_sampled_run_is_done_when_its_whole_space_is_tried(tmp_path):
    space = {"clusters": {"choices": [4, 8]}, "hidden": {"choices": [16]}}
    run = make_run(tmp_path / "run", GRID | {"search": {"sampler": {"trials": 6, "space": space}}})
    for clusters in (4, 8):
        assert run_state(run).status == "incomplete"
        name = f"K{clusters}-H16"
        finish(run, name, axes={"clusters": clusters, "hidden": 16})
        run.trial(name).begin({"point": {"axes": {"clusters": clusters, "hidden": 16}}})
        run.trial(name).release()
    state = run_state(run)
    assert (state.status, state.wanted, len(state.done)) == ("done", 2, 2)
    (notice,) = state.notices
    assert "has 2 points that can be trained, fewer than its 6 trials" in notice
    assert status_values(state)["notices"] == [notice]


def test_the_folder_of_a_trial_whose_value_is_printed_alike_is_not_taken_over(tmp_path):
    points = [{"clusters": 4, "hidden": 8, "dropout": value} for value in (0.1, 0.10000000001)]
    run = make_run(tmp_path / "run", GRID | {"search": {"points": points[1:]}})
    finish(run, "K4-H8-dropout0.1", axes=points[1])
    assert run_state(run).status == "done"
    for order, expected in ((points[::-1], ["done", "pending"]), (points, None)):
        run.config_file.write_text(json.dumps(Grid.model_validate(GRID | {"search": {"points": order}}).to_dict()))
        if expected is None:
            with pytest.raises(InputError, match=r"dropout0\.1 .*got that of dropout 0\.10000000001: list the values"):
                run_state(run)
        else:
            assert [trial.status for trial in run_state(run).trials] == expected


def test_a_trial_trained_before_the_budget_was_lowered_stays_done(run):
    finish(run, "K16-H512", gap=0.9)
    best = run_state(run).best
    assert best is not None
    assert best.plan.name == "K16-H512"


def test_a_run_whose_budget_was_lowered_is_as_done_for_its_driver_as_for_whoever_looks(tmp_path):
    """All four trials are done, and two of them are larger than the budget that the grid has now."""
    grid = GRID | {"search": {"grid": {"clusters": [4, 256], "hidden": [8, 16]}}}
    run = make_run(tmp_path / "run", grid)
    for name in ("K4-H8", "K4-H16", "K256-H8", "K256-H16"):
        finish(run, name)
    lowered = run_state(run)
    assert [trial.plan.status for trial in lowered.trials].count("skipped") == 2
    assert (len(lowered.done), lowered.wanted, lowered.waiting, lowered.status) == (4, 4, (), "done")

    class Told(SweepEvents):
        def sweep_started(self, *, total, done):
            self.counts = (done, total)

    told = Told()
    sweep = SweepSpec(str(run.path), lowered.grid, ("train",), ("holdout",))
    with driving(sweep, trial=None, events=told) as drive:
        result = drive.run(None, StopRequest())
    assert told.counts == (status_values(lowered)["done"], status_values(lowered)["wanted"]) == (4, 4)
    assert (len(result.done), result.failed, result.unfinished) == (4, {}, ())


def test_what_was_begun_and_then_ruled_out_is_neither_wanted_nor_waiting(tmp_path):
    grid = GRID | {"search": {"grid": {"clusters": [4, 256], "hidden": [8, 16]}}}
    run = make_run(tmp_path / "run", grid)
    finish(run, "K4-H8")
    run.trial("K256-H8").begin({})
    state = run_state(run)
    assert state.wanted == 2
    assert [trial.plan.name for trial in state.waiting] == ["K4-H16"]


def test_a_record_that_cannot_be_read_is_told_with_its_file(run):
    path = run.trial("K4-H8").record
    path.write_text(path.read_text().replace("gapsack.trial/1", "gapsack.trial/9"))
    states, problems = readable_states([run])
    assert states == []
    assert str(path) in problems[0] and "gapsack.trial/9" in problems[0]


def test_a_curve_that_is_being_written_is_read_up_to_its_last_whole_line(tmp_path):
    path = tmp_path / "curve.csv"
    assert curve_rows(path) == ()
    path.write_text(CURVE + "30,4.1,0.4")
    rows = curve_rows(path)
    assert [row["step"] for row in rows] == [10.0, 20.0]
    assert [row["gap"] for row in rows] == [None, 0.4]


def test_a_run_in_one_line(run):
    values = run_values(run_state(run))
    assert (values["done"], values["wanted"], values["failed"], values["best"], values["gap"]) == (
        1,
        5,
        1,
        "K4-H8",
        0.5,
    )


def test_a_reports_records_are_the_runs_files(run):
    run.files_file.write_text('{"train": ["a", "b"], "holdout": ["c"]}')
    ensemble = Ensemble((EnsembleMember("K4-H8", "int8", 1.0, 5),), total_bytes=5, budget_bytes=9)
    ensemble.write(run.ensemble_file)
    records = sweep_records(run)
    trials = {trial.name: trial for trial in records.trials}
    assert {name: trial.status for name, trial in trials.items()} == {
        "K4-H8": "done",
        "K4-H16": "failed",
        "K4-H32": "pending",
        "K8-H32": "pending",
        "K8-H64": "pending",
        "K16-H512": "skipped",
    }
    done = trials["K4-H8"]
    assert (done.gap, done.averaging_range) == (0.5, (10, 20))
    assert [(point.step, point.loss, point.gap) for point in done.curve] == [(10, 5.5, None), (20, 4.5, 0.4)]
    assert trials["K4-H16"].reason == "the loss is not finite"
    assert (records.data.train_files, records.data.held_out_files, records.data.held_out_videos) == (2, 1, 7)
    assert records.budget_bytes == 2 * 2**20
    assert records.ensembles == (ensemble,)


@pytest.mark.parametrize(
    ("held_out", "scores", "population"),
    [
        ((0.4, 0.6), (0.4, 0.6), "videos that did not choose"),
        ((None, 0.6), (0.5, 0.7), "videos that chose"),
    ],
)
def test_the_scores_of_a_frontier_are_of_the_same_videos(held_out, scores, population):
    members = [{"name": "a", "size_bytes": 3}, {"name": "b", "size_bytes": 4}]
    points = [
        {"budget_bytes": 5, "members": members[:1], "tuning_score": 0.5, "held_out_score": held_out[0]},
        {"budget_bytes": 9, "members": members, "tuning_score": 0.7, "held_out_score": held_out[1]},
    ]
    drawn = drawn_frontier({"points": points, "metric": "gap@20"})
    assert drawn.points == (
        FrontierPoint(budget_bytes=5, total_bytes=3, gap=scores[0], members=("a",)),
        FrontierPoint(budget_bytes=9, total_bytes=7, gap=scores[1], members=("a", "b")),
    )
    assert drawn.population == population


def test_inferior_trials_are_larger_and_no_better(run):
    finish(run, "K4-H16", gap=0.7)
    finish(run, "K8-H64", gap=0.6)
    assert inferior_trials(run_state(run).trials, "float16") == {"K8-H64": "K4-H16"}


def test_a_report_shows_the_metric_that_is_asked_for(run):
    """The trials' predictions in the pool are scored, and who is inferior is decided by that; curves stay GAP's."""
    rng = np.random.default_rng(0)
    truth = np.eye(10, dtype=bool)[rng.integers(0, 10, 60)]
    finish(run, "K4-H16", gap=0.7)
    finish(run, "K8-H64", gap=0.6)
    ids = [f"v{number:02}" for number in range(60)]
    scores = {"K4-H8": 0.35, "K4-H16": 0.2, "K8-H64": 0.9}
    scores = {name: (rng.random((60, 10)) * (1 - right) + right * truth) for name, right in scores.items()}
    candidates = [
        Candidate(name, {"float16": 1}, Predictions.from_dense(ids, each, 10)) for name, each in scores.items()
    ]
    CandidatePool(Labels.from_dense(ids, truth), candidates).write(run.pool)
    ensemble = Ensemble(
        (EnsembleMember("K4-H8", "float16", 1.0, 5),),
        total_bytes=5,
        budget_bytes=9,
        metric="accuracy",
        score=0.625,
        gap=0.3,
    )
    ensemble.write(run.ensemble_file)
    records = sweep_records(run, "accuracy")
    shown = {trial.name: trial.gap for trial in records.trials}
    for name, each in scores.items():
        assert shown[name] == pytest.approx((each.argmax(1) == truth.argmax(1)).mean())
    assert shown["K4-H32"] is None
    assert records.inferior == {"K4-H16": "K4-H8"}
    assert "0.6250" in page(records)
    assert "accuracy on all" in build_figures(records)["plane"].layout.yaxis.title.text
    assert "GAP@20 on all" in build_figures(sweep_records(run))["plane"].layout.yaxis.title.text
    with pytest.raises(InputError, match="Regression is not supported"):
        sweep_records(run, "rmse")


def test_one_unreadable_run_does_not_hide_the_others(run):
    other = RunFolder(run.path.parent / "other")
    other.path.mkdir()
    other.config_file.write_text("{}")
    states, problems = readable_states(runs_in(run.path.parent))
    assert [state.run.name for state in states] == ["run"]
    assert len(problems) == 1
    assert str(other.config_file) in problems[0]


def pool_of_one(name):
    ids, scores = ["a", "b"], np.random.default_rng(0).random((2, 10), np.float32)
    return Labels.from_dense(ids, scores > 0.5), [Candidate(name, {"float16": 1}, Predictions.from_dense(ids, scores))]


def test_weights_that_were_deleted_are_told_and_nothing_is_trained_for_them(run):
    trial = run.trial("K4-H8")
    np.savez(trial.weights, w=np.zeros(3))
    CandidatePool(*pool_of_one("K4-H8")).write(run.pool)
    finish(run, "K4-H8", files=digests(run.path, [trial.weights]))
    assert run_state(run).trials[0].reason is None
    trial.weights.unlink()
    state = run_state(run).trials[0]
    assert state.status == "done"
    assert str(trial.weights) in state.reason
    assert set_aside_damaged(run, run_state(run).grid) == []


FAULTS = {
    "good": 90,
    "faulty": {"length CRC": 1, "label": 2},
    "share": 0.1,
    "lost_bytes": 800,
    "lost_records": 8,
    "damaged_files": {"a.tfrecord": "the record's length is damaged (length CRC)"},
    "examples": ["a.tfrecord, record 3: expected labels from 0 to 9, got 12 (label)"],
}
OLD_FAULTS = {"good": 99, "faulty": {"data CRC": 1}, "share": 0.01, "examples": ["b, record 0: bytes (data CRC)"]}


def test_faults_of_the_data_are_told_once_for_all_trials_that_met_them(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    for name in ("K4-H8", "K4-H16"):
        finish(run, name, faults={"train": FAULTS, "holdout": OLD_FAULTS | {"faulty": {}, "examples": []}})
    finish(run, "K4-H32", faults={"train": OLD_FAULTS})
    finish(run, "K8-H32", faults={"train": {"good": 100, "faulty": {}, "share": 0.0, "examples": []}})
    state = run_state(run)
    first, second = status_values(state)["data_faults"]
    assert first == {"kind": "training", "trials": ["K4-H8", "K4-H16"], **FAULTS}
    assert (second["trials"], second["faulty"]) == (["K4-H32"], {"data CRC": 1})
    print_status(state)
    told = capsys.readouterr().out
    assert (
        "Training data of K4-H8, K4-H16: 10.00% of the records read were faulty and left out (1 length CRC, 2 label); "
        "1 file is not whole, about 8 of the records read lost: a.tfrecord: the record's length is damaged (length "
        "CRC); the first fault is a.tfrecord, record 3: expected labels from 0 to 9, got 12 (label)" in told
    )
    shown = sweep_records(run).data_faults
    assert [(fault.kind, fault.trials, fault.lost_records) for fault in shown] == [
        ("training", ("K4-H8", "K4-H16"), 8),
        ("training", ("K4-H32",), 0),
    ]
    assert "Faults in the data" in page(sweep_records(run))


def test_a_run_without_faults_tells_none(run):
    assert status_values(run_state(run))["data_faults"] == []
    assert sweep_records(run).data_faults == ()
