"""One trial in a worker, without Ray: what is reported, and what the trial's folder says afterwards."""

import json
from dataclasses import replace

import pytest

from gapsack.models.errors import TrainingError
from gapsack.sweep.cluster.launch import train_to_end
from gapsack.sweep.cluster.worker import EarlyEndOf, run_in_worker, stop_polling
from gapsack.sweep.grid.schema import Resources
from gapsack.sweep.runs.damage import digests
from gapsack.sweep.storage.objects import StorageAwayError
from gapsack.sweep.trial.control import TrialInterruptedError


@pytest.fixture
def spec(small_trial):
    return small_trial()


def work(spec, trial):
    reports = []
    return run_in_worker(trial, spec, reports.append), reports


def test_a_finished_trial_tells_its_score_and_its_size_in_the_budgets_precision(spec, trial_result):
    def trial(spec, control):
        assert spec.folder.status(run_alive=True) == "running"
        control.report({"status": "running", "step": 1})
        result = trial_result(spec.name, size_bytes={"float32": 40, "float16": 20})
        spec.folder.finish(result)
        return result

    result, reports = work(spec, trial)
    assert result == {"status": "done", "gap": 0.5, "size_bytes": 20}
    assert [report["status"] for report in reports] == ["running", "running"]
    assert spec.folder.status(run_alive=True) == "done"


def test_what_would_only_fail_again_is_an_outcome(spec):
    def trial(spec, control):
        raise TrainingError("the loss is not finite")

    result, _reports = work(spec, trial)
    assert result == {"status": "failed", "reason": "the loss is not finite"}
    assert spec.folder.failure_reason() == "the loss is not finite"
    assert spec.folder.status(run_alive=True) == "failed"


def test_what_may_pass_is_raised_for_another_attempt(spec):
    def trial(spec, control):
        raise OSError("the disk is full")

    reports = []
    with pytest.raises(OSError, match="disk is full"):
        run_in_worker(trial, spec, reports.append)
    assert not spec.folder.failure.exists()
    assert reports[-1] == {"status": "failing"}, "else it would count as lost with its worker"


def test_storage_that_is_away_costs_no_retry(spec):
    """As a worker that is lost: its report would cost one."""

    def trial(spec, control):
        raise StorageAwayError(5, "none for 120 seconds: lost", "s3://bucket/runs")

    reports = []
    with pytest.raises(StorageAwayError):
        run_in_worker(trial, spec, reports.append)
    assert not spec.folder.failure.exists()
    assert [report["status"] for report in reports] == ["running"]


def test_an_interrupted_trial_is_neither_done_nor_failed(spec):
    def trial(spec, control):
        spec.run.stop_file.touch()
        raise TrialInterruptedError

    assert work(spec, trial)[0] == {"status": "interrupted"}
    assert spec.folder.status(run_alive=True) == "interrupted"


def test_a_trial_that_waited_when_the_stop_came_does_not_begin(spec):
    spec.run.path.mkdir(parents=True)
    spec.run.stop_file.touch()
    result, reports = work(spec, None)
    assert result == {"status": "interrupted"}
    assert reports == []
    assert spec.folder.status(run_alive=False) == "pending"


def test_the_stop_file_is_looked_for_now_and_then(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("gapsack.sweep.cluster.worker.time.monotonic", lambda: now[0])
    should_stop = stop_polling(tmp_path / "stop", 1.0)
    assert not should_stop()
    (tmp_path / "stop").touch()
    assert not should_stop()
    now[0] = 1.0
    assert should_stop()
    (tmp_path / "stop").unlink()
    now[0] = 5.0
    assert should_stop()  # once asked, it stays asked


def finished(spec, trial_result, **values):
    """What an attempt leaves that finishes, and is killed before it can tell."""
    result = trial_result(spec.name, size_bytes={"float16": 20}, fingerprint=spec.fingerprint(), **values)
    spec.folder.begin(spec.to_dict())
    spec.folder.checkpoints.mkdir()
    spec.folder.weights.write_bytes(b"weights")
    result = result.model_copy(update={"files": digests(spec.run.path, [spec.folder.weights])})
    spec.run.pool.mkdir(exist_ok=True)
    (spec.run.pool / f"{spec.name}.json").write_text(json.dumps({"name": spec.name, "size_bytes": {"float16": 20}}))
    spec.folder.record.write_text(json.dumps(result.to_dict()))


def not_to_be_run(spec, control):
    raise AssertionError("it is done")


def test_a_trial_whose_record_nobody_heard_of_is_not_trained_again(spec, trial_result):
    finished(spec, trial_result, gap=0.75)
    result, reports = work(spec, not_to_be_run)
    assert result == {"status": "done", "gap": 0.75, "size_bytes": 20}
    assert reports == [{"status": "running", "phase": "start"}]
    assert not spec.folder.checkpoints.exists()
    assert not spec.folder.running.exists()
    assert spec.folder.status(run_alive=True) == "done"


@pytest.mark.parametrize("how", ["of another training", "whose files are damaged"])
def test_a_record_that_does_not_count_is_trained_over(spec, trial_result, how):
    finished(spec, trial_result)
    if how == "of another training":
        record = json.loads(spec.folder.record.read_text())
        spec.folder.record.write_text(json.dumps({**record, "fingerprint": "another"}))
    else:
        spec.folder.weights.write_bytes(b"WEIGHTS")

    def trial(spec, control):
        raise TrialInterruptedError

    assert work(spec, trial)[0] == {"status": "interrupted"}


def superseding(spec, ending):
    """A trial during which another worker begins it anew, and which then ends somehow."""

    def trial(spec, control):
        spec.folder.begin(spec.to_dict())
        raise ending

    return trial


@pytest.mark.parametrize("ending", [TrialInterruptedError(), TrainingError("not finite"), FileNotFoundError("a part")])
def test_however_it_ends_a_superseded_attempt_leaves_the_folder_to_the_newer_one(spec, ending, capsys):
    result, reports = work(spec, superseding(spec, ending))
    assert result["status"] == "superseded"
    assert result["reason"].startswith(f"attempt 1 at {spec.name} ends: attempt 2, process ")
    assert capsys.readouterr().err == result["reason"] + "\n"
    assert json.loads((spec.folder.path / "attempt-1.json").read_text())["ended"] == result["reason"]
    assert spec.folder.running.exists(), "the newer attempt runs"
    assert not spec.folder.failure.exists()
    assert [report["status"] for report in reports] == ["running"]


def with_hours(spec, hours):
    return replace(spec, grid=spec.grid.model_copy(update={"resources": Resources(hours=hours)}))


def test_a_trial_whose_hours_are_over_is_stopped_early(spec):
    limited = with_hours(spec, 0.5)
    limited.folder.begin(limited.to_dict())
    limited.folder.curve.write_text("step,loss,gap\n4,1.0,0.25\n8,0.5,\n")
    assert EarlyEndOf(limited).at(9, 1799.9) is None
    stopped = EarlyEndOf(limited).at(9, 1800.0)
    assert stopped is not None
    assert (stopped.step, stopped.steps, stopped.rung, stopped.gap) == (9, 24, None, 0.25)
    assert stopped.reason == "its time (resources.hours: 0.5) was over at step 9 of 24"
    assert EarlyEndOf(spec).at(9, 1e9) is None


def test_a_person_may_have_it_trained_to_its_end(spec):
    limited = with_hours(spec, 0.5)
    limited.folder.begin(limited.to_dict())
    limited.folder.stop_early(EarlyEndOf(limited).at(9, 1800.0))
    assert limited.folder.status(run_alive=False) == "stopped early"
    train_to_end(limited.run, limited.name)
    assert limited.folder.status(run_alive=False) == "interrupted"
    assert EarlyEndOf(limited).at(9, 1e9) is None
