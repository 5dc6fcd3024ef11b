"""Gains of trials beside a sweep: what they are compared with, where they are told, and that one that fails is told."""

import json
import threading

import pytest

from gapsack.selection.decimals import per_mib_texts, score_decimals, score_texts
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.advice.marginal_gain import marginal_gain
from gapsack.sweep.cli.show.status import print_status, status_values
from gapsack.sweep.cluster import drive as driving
from gapsack.sweep.cluster import gains as computing
from gapsack.sweep.cluster.drive import Drive
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.gains import GainFailed, Gains
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.ensemble_gain import EnsembleGain
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.report import sweep_records
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import run_state
from gapsack.sweep.tracking.tracker import Tracker

POINTS = [{"clusters": 2, "hidden": 8}, {"clusters": 2, "hidden": 16}, {"clusters": 4, "hidden": 8}]
NAMES = ("K2-H8", "K2-H16", "K4-H8")
BUDGET = 100
GRID = Grid.model_validate(
    {
        "name": "run",
        "data": {"level": "video", "validate": ["v"], "classes": 30},
        "model": {"family": "gated_netvlad"},
        "search": {"points": POINTS},
        "budget": {"mib": BUDGET / 2**20, "skip": False},
    }
)


@pytest.fixture
def run(tmp_path, noisy_pool):
    """Three trials that are done, in the order of their names in `NAMES`, with a pool."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config_file.write_text(json.dumps(GRID.to_dict()))
    noisy_pool((1.0, 1.0, 1.1), (40, 40, 40), names=NAMES).write(folder.pool)
    for minute, (name, point) in enumerate(zip(NAMES, POINTS, strict=True)):
        trial = folder.trial(name)
        trial.begin({})
        trial.finish(
            TrialResult(
                name=name,
                family="gated_netvlad",
                axes=point,
                hyperparameters={},
                gap=0.5,
                size_bytes={"float16": 40},
                finished=f"2026-01-01T00:{minute:02}:00+0000",
            )
        )
    return folder


def computed(gains):
    gains.close()
    assert gains.wait(60)
    return list(gains.told())


def gain_of(run, name, others):
    pool = CandidatePool.read(run.pool, left_out=str)
    return marginal_gain(CandidatePool(pool.labels, [pool[each] for each in (*others, name)]), name, BUDGET)


def test_a_trial_is_compared_with_those_that_ended_before_it(run):
    gains = Gains(run, GRID, [])
    for name in NAMES:
        gains.ended(name)
    told = computed(gains)
    assert told == [gain_of(run, name, NAMES[:place]) for place, name in enumerate(NAMES)]
    assert [EnsembleGain.of(run.trial(name)) for name in NAMES] == told
    assert told[1].gain > 0.001


def test_what_is_no_trial_of_the_run_is_there_from_the_beginning(run, noisy_pool):
    pool = noisy_pool((1.0, 1.0, 1.1, 1.0), (40, 40, 40, 40), names=(*NAMES, "imported"))
    pool.write(run.pool)
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    assert computed(gains) == [gain_of(run, NAMES[0], ["imported"])]


def test_a_gain_that_cannot_be_computed_is_told_and_the_others_come(run):
    gains = Gains(run, GRID, [])
    (run.pool / f"{NAMES[1]}.json").write_text("{")
    gains.ended(NAMES[0])
    gains.ended(NAMES[1])
    first, second = computed(gains)
    assert first == gain_of(run, NAMES[0], [])
    assert isinstance(second, GainFailed)
    assert second.name == NAMES[1]


def test_where_trials_end_faster_than_gains_are_found_the_newest_are_looked_at(run, monkeypatch):
    monkeypatch.setattr(computing, "MOST_WAITING", 1)
    held, begun = threading.Event(), threading.Event()

    def slowly(pool, name, budget_bytes, **options):
        begun.set()
        assert held.wait(60)
        return marginal_gain(pool, name, budget_bytes, **options)

    monkeypatch.setattr("gapsack.sweep.advice.marginal_gain.marginal_gain", slowly)
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    assert begun.wait(60)
    gains.ended(NAMES[1])
    gains.ended(NAMES[2])
    held.set()
    assert computed(gains) == [gain_of(run, NAMES[0], []), gain_of(run, NAMES[2], NAMES[:2])]
    assert gains.left == {NAMES[1]}


def test_the_end_of_a_sweep_does_not_wait_for_all_gains_and_says_so(run, monkeypatch):
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    computed(gains)
    monkeypatch.setattr(driving, "GAINS_SECONDS", 0.0)
    notices = []

    def endlessly(pool, name, budget_bytes, *, should_stop):
        while not should_stop():
            pass

    with monkeypatch.context() as patch:
        patch.setattr("gapsack.sweep.advice.marginal_gain.marginal_gain", endlessly)
        assert driven(run, notices.append) == []
    assert notices == ["What 2 of the trials add to the ensemble is not computed yet: sweep run goes on with it"]
    monkeypatch.setattr(driving, "GAINS_SECONDS", 60.0)
    calls = driven(run, notices.append)
    assert [gain for _, gain in calls if gain is not None] == [
        gain_of(run, name, NAMES[:place]) for place, name in enumerate(NAMES)
    ][1:]
    assert len(notices) == 1


def test_a_trial_without_a_candidate_is_not_looked_at(run):
    (run.pool / f"{NAMES[0]}.json").unlink()
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    assert computed(gains) == []
    assert not run.trial(NAMES[0]).gain.exists()


class Told(SweepEvents, Tracker):
    """Keeps what events and tracker are told of gains."""

    def __init__(self, notice=None):
        self.calls = []
        if notice is not None:
            self.notice = notice

    def trial_gained(self, name, gain=None):
        self.calls.append((name, gain))


def driven(run, notice=None):
    told = Told(notice)
    sweep = SweepSpec(str(run.path), GRID, ("train0",), ("validate0",))
    Drive(sweep, run_state(run), None, told).run(told, StopRequest())
    return told.calls


def test_a_driver_computes_what_an_earlier_one_left_and_nothing_twice(run):
    assert driven(run) == []  # a run of a version that computed none
    assert not any(run.trial(name).gain.exists() for name in NAMES)
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    computed(gains)
    kept = run.trial(NAMES[0]).gain.stat().st_mtime_ns
    calls = driven(run)
    expected = [gain_of(run, name, NAMES[:place]) for place, name in enumerate(NAMES)][1:]
    assert [gain for _, gain in calls if gain is not None] == expected
    assert [name for name, gain in calls if gain is None] == list(NAMES[1:])  # the tracker reads the files
    assert run.trial(NAMES[0]).gain.stat().st_mtime_ns == kept
    assert driven(run) == []


def test_status_and_report_show_it_with_the_budget(run, capsys):
    assert "adds GAP" not in shown(run, capsys)
    gains = Gains(run, GRID, [])
    for name in NAMES[:2]:
        gains.ended(name)
    first, second = computed(gains)
    text = shown(run, capsys)
    gains = [first.gain, second.gain]
    assert score_texts(gains, score_decimals(values=gains))[1] in text
    assert per_mib_texts([first.gain_per_mib, second.gain_per_mib])[1] in text
    assert f"under {BUDGET / 2**20:g} MiB" in text
    values = {trial["name"]: trial["ensemble_gain"] for trial in status_values(run_state(run))["trials"]}
    assert values == {NAMES[0]: first.gain, NAMES[1]: second.gain, NAMES[2]: None}
    records = {trial.name: trial.ensemble_gain_per_mib for trial in sweep_records(run).trials}
    assert records[NAMES[1]] == second.gain_per_mib


def test_a_trial_that_is_done_again_has_no_gain_meanwhile(run):
    gains = Gains(run, GRID, [])
    gains.ended(NAMES[0])
    computed(gains)
    run.trial(NAMES[0]).set_aside()
    assert not run.trial(NAMES[0]).gain.exists()


def test_a_damaged_file_counts_as_none(run):
    run.trial(NAMES[0]).gain.write_text("{")
    assert run_state(run).trials[0].ensemble_gain is None


def shown(run, capsys):
    print_status(run_state(run))
    return capsys.readouterr().out
