"""One trial in a worker, without Ray: what is reported, and what the trial's folder says afterwards."""

import pytest

from gapsack.models.errors import TrainingError
from gapsack.sweep.cluster.worker import run_in_worker, stop_polling
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

    with pytest.raises(OSError, match="disk is full"):
        work(spec, trial)
    assert not spec.folder.failure.exists()


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
