"""What every scheduler of `search.scheduler` keeps: early stopping that is decided once, told, and can be undone."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from gapsack.sweep.cluster.launch import train_to_end
from gapsack.sweep.cluster.stopping import RungScheduler
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.rungs import RungHistory
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.storage import mirrored

STEPS, EVALUATION_STEPS, GRACE_STEPS = 100, 10, 20
KINDS = ("asha", "mo_asha", "median")
WIDTHS = (64, 8, 32, 16, 128, 4, 48, 24, 96, 12)


def made_grid(kind, **settings):
    return Grid.model_validate(
        {
            "name": "run",
            "data": {"level": "video", "validate": ["v"], "classes": 10},
            "model": {"family": "gated_netvlad", "options": {"clusters": 2}},
            "search": {
                "grid": {"hidden": list(WIDTHS)},
                "scheduler": {"kind": kind, "grace_steps": GRACE_STEPS} | settings,
            },
            "training": {"steps": STEPS, "checkpoint_steps": EVALUATION_STEPS},
        }
    )


def learnt(width, step, *, worst):
    """A made-up learning curve: larger models are better, the worst ones learn next to nothing."""
    final = 0.1 if width in worst else 0.6 + 0.001 * width
    return final * (1 - 0.9 ** (step / 4))


class Run:
    """A sweep whose trials report made-up curves, one trial after the other or all side by side."""

    def __init__(self, folder, kind, *, worst=(), **settings):
        self.sweep = SweepSpec(str(folder), made_grid(kind, **settings), ("t",), ("h",))
        self.worst = worst
        self.scheduler = self.started()

    def started(self):
        """As a process has it that drives the run from now on."""
        return RungScheduler(self.sweep, self.sweep.grid.search.scheduler)

    def spec(self, width):
        return self.sweep.trial({"hidden": width})

    def history(self, width):
        return RungHistory.of(self.spec(width).folder)

    def report(self, width, step):
        return self.scheduler.hear(self.spec(width), step, learnt(width, step, worst=self.worst))

    def train(self, width, *, restart=False, until=STEPS):
        """Train a trial to its end, or to where it is stopped; how far it came."""
        for step in range(EVALUATION_STEPS, until + 1, EVALUATION_STEPS):
            if restart:
                self.scheduler = self.started()
            self.report(width, step)
            if self.history(width).verdict is not None:
                return step
        return until

    def side_by_side(self, widths=WIDTHS):
        """All trials at once, each evaluation in turn."""
        living = dict.fromkeys(widths, 0)
        for step in range(EVALUATION_STEPS, STEPS + 1, EVALUATION_STEPS):
            for width in widths:
                if self.history(width).verdict is None:
                    self.report(width, step)
                    living[width] = step
        return living


@pytest.mark.parametrize("kind", KINDS)
class TestScheduler:
    """The contract."""

    def test_the_worst_of_many_is_stopped_and_the_best_is_not(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=(96,))
        came = run.side_by_side()
        assert came[128] == STEPS
        assert came[96] < STEPS

    def test_nothing_is_compared_before_the_grace_steps_or_at_the_last_one(self, tmp_path, kind):
        run = Run(tmp_path, kind)
        run.side_by_side()
        steps = [report.step for width in WIDTHS for report in run.history(width).reports]
        assert min(steps) == GRACE_STEPS
        assert max(steps) < STEPS

    def test_one_after_another_as_side_by_side_something_is_saved(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=WIDTHS[-5:])
        spent = sum(run.train(width) for width in WIDTHS)
        assert spent < len(WIDTHS) * STEPS

    def test_whoever_goes_on_decides_as_one_process_would_have(self, tmp_path, kind):
        one, many = Run(tmp_path / "one", kind, brackets=1), Run(tmp_path / "many", kind, brackets=1)
        for width in WIDTHS:
            assert one.train(width) == many.train(width, restart=True)
            assert one.history(width) == many.history(width)

    def test_an_attempt_that_goes_on_from_before_is_not_compared_again(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=(12,))
        for width in WIDTHS:
            run.train(width)
        before = {width: run.history(width) for width in WIDTHS}
        run.scheduler = run.started()
        for width in WIDTHS:
            for report in before[width].reports:
                assert run.report(width, report.step) is None
        assert {width: run.history(width) for width in WIDTHS} == before

    def test_a_decision_says_when_and_why(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=(96,))
        run.side_by_side()
        verdict = run.history(96).verdict
        assert verdict.stop
        assert verdict.step >= GRACE_STEPS
        assert f"at step {verdict.step}" in verdict.reason
        numbers = [report.number for width in WIDTHS for report in run.history(width).reports]
        assert sorted(numbers) == list(range(len(numbers)))

    def test_a_trial_that_a_person_wants_is_left_alone(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=(96,))
        run.side_by_side()
        reports = run.history(96).reports
        train_to_end(run.sweep.run, run.spec(96).name)
        run.scheduler = run.started()
        assert run.train(96) == STEPS
        assert run.history(96).reports == reports

    def test_other_settings_leave_what_was_decided(self, tmp_path, kind):
        run = Run(tmp_path, kind, worst=(96,))
        run.side_by_side()
        run.sweep = SweepSpec(str(tmp_path), made_grid(kind, grace_steps=50), ("t",), ("h",))
        before = run.history(96)
        run.scheduler = run.started()
        run.report(96, 60)
        assert run.history(96) == before

    def test_a_run_at_a_url_that_another_machine_goes_on_with_decides_as_one_in_a_folder(
        self, tmp_path, kind, monkeypatch
    ):
        """Each driver has nothing but what the bucket has: it was killed, and its files are gone."""
        url = f"memory://bucket/{uuid.uuid4().hex}/run"
        here, there = Run(tmp_path / "here", kind, brackets=1), Run(tmp_path, kind, brackets=1)
        for number, width in enumerate(WIDTHS):
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache{number}"))
            monkeypatch.setattr(mirrored, "_mirrors", [])
            there.sweep = replace(here.sweep, run_folder=str(mirrored.driven(url)), url=url)
            mirrored.bring_books(there.sweep.run.path)
            assert here.train(width, until=30) == there.train(width, restart=True, until=30)
            monkeypatch.setattr(mirrored, "_mirrors", [])
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"later{number}"))
            there.sweep = replace(here.sweep, run_folder=str(mirrored.driven(url)), url=url)
            mirrored.bring_books(there.sweep.run.path)
            there.scheduler = there.started()
            assert here.train(width) == there.train(width)
            assert here.history(width) == there.history(width)
        assert any(here.history(width).verdict is not None for width in WIDTHS)
