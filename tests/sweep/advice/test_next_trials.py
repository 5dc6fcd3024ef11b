"""Advice on a run: what is asked about, that the numbers are what the ensemble would do, and how it is told."""

import json
import re

import pytest
from typer.testing import CliRunner

from gapsack.selection.errors import InputError
from gapsack.selection.units import MIB
from gapsack.sweep.advice.next_trials import next_trials, what_if
from gapsack.sweep.advice.untried_points import untried_points
from gapsack.sweep.cli.next import parse_what_if
from gapsack.sweep.cli.runs import app
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.runs.status import run_state

BUDGET = MIB // 2
SPACE = {"sampler": {"trials": 8, "space": {"hidden": {"low": 8, "high": 96, "log": True}}}}


def advised(run, budget=BUDGET, most=10):
    return next_trials(run_state(run), budget, most=most, left_out=str)


def test_untried_points_of_a_grid_are_those_that_are_left_with_their_exact_sizes(advised_run):
    state = run_state(advised_run())
    found = untried_points(state)
    assert [point.axes["hidden"] for point in found] == [16, 48, 96]
    plans = {trial.plan.name: trial.plan.size_bytes for trial in state.trials}
    assert {point.name: point.sizes for point in found} == {point.name: plans[point.name] for point in found}


def test_untried_points_of_a_space_are_drawn_from_it_without_those_that_are_done(advised_run):
    state = run_state(advised_run(SPACE))
    found = untried_points(state)
    assert found == untried_points(state)
    hidden = {point.axes["hidden"] for point in found}
    assert len(hidden) == len(found) == 89 - 5  # every whole number from 8 to 96, without those that are done
    assert not hidden & {8, 12, 24, 32, 64}


def test_the_most_promising_comes_first_and_every_figure_is_told(advised_run):
    advice = advised(advised_run())
    gains = [each.gain.mean for each in advice.suggestions]
    assert gains == sorted(gains, reverse=True)
    assert len(gains) == advice.untried == 3
    assert (advice.models, advice.budget_bytes, advice.precision) == (5, BUDGET, "float16")
    first = advice.suggestions[0]
    assert first.gain.low <= first.gain.median <= first.gain.high
    assert 0.0 < first.gain.correlation < 1.0
    values = advice.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["suggestions"][0]["size_bytes"] == first.point.sizes["float16"]
    wider, narrower = (
        next(each.gap.mean for each in advice.suggestions if each.point.axes["hidden"] == hidden) for hidden in (96, 16)
    )
    assert wider > narrower  # wider models score better in this run


def test_what_does_not_fit_gains_nothing_and_that_is_said(advised_run):
    run = advised_run()
    assert what_if(run_state(run), BUDGET, size_bytes=BUDGET + 1, gap=0.99, left_out=str).likely_gain == 0.0
    told = CliRunner().invoke(app, ["next", str(run.path), "--what-if", f"size={BUDGET + 1},gap=0.99"])
    assert "joins no better ensemble" in told.stdout
    assert "Nothing is likely to gain more than 0.0000." in told.stdout


def test_a_better_model_gains_more_than_a_worse_and_a_small_one_not_less_than_a_large(advised_run):
    state = run_state(advised_run())

    def gain(size_bytes, gap):
        [only] = what_if(state, BUDGET, size_bytes=size_bytes, gap=gap, left_out=str).suggestions
        return only.gain.mean

    best = advised(state.run).ensemble_gap
    better = best + (1 - best) / 2
    assert gain(100_000, better) > gain(100_000, best - 0.1) >= 0.0
    assert gain(20_000, best) >= gain(400_000, best)
    assert gain(100_000, better) > (1 - best) / 4


def test_what_cannot_be_advised_on_is_said(advised_run):
    run = advised_run(done=(8, 12, 24))
    with pytest.raises(InputError, match="at least 4 models in the pool to learn from, got 3"):
        advised(run)
    with pytest.raises(InputError, match="GAP above 0 and below 1"):
        what_if(run_state(run), BUDGET, size_bytes=1, gap=1.0, left_out=str)


def test_a_model_from_elsewhere_is_learnt_from_by_its_own_figures(advised_run):
    run = advised_run()
    kept = run.pool / "K2-H24.json"
    values = json.loads(kept.read_text()) | {"name": "other"}
    (run.pool / "other.json").write_text(json.dumps(values))
    (run.pool / "other.npz").write_bytes((run.pool / "K2-H24.npz").read_bytes())
    assert advised(run).models == 6


@pytest.mark.parametrize("text", ["size=100MiB", "gap=0.8,size=1,x=2", "size=1,gap=high", "size=1,gap=1.5", "1,2"])
def test_a_question_of_another_form_is_told(text):
    with pytest.raises(InputError, match="--what-if"):
        parse_what_if(text)


def test_a_question_is_read():
    assert parse_what_if("gap=0.87, size=100MB") == (100 * MIB, 0.87)


def test_the_command_shows_reasons_and_says_what_is_worth_it(advised_run):
    run = advised_run()
    told = CliRunner().invoke(app, ["next", str(run.path), "--most", "2"])
    assert told.exit_code == 0, told.output
    advice = advised(run, most=2)
    for each in advice.suggestions:
        assert f"{each.point.name}: {each.reason}." in told.stdout
        assert re.search(rf"^{each.point.name} .* {each.gain.mean:.4f}\d* ", told.stdout, re.M)
    assert "under 0.5 MiB of 5 models" in told.stdout
    spoken = CliRunner().invoke(app, ["next", str(run.path), "--budget-mb", "0.5", "--json"])
    assert json.loads(spoken.stdout) == advised(run).to_dict()


def test_a_budget_is_needed(advised_run):
    run = advised_run()
    config = json.loads(run.config_file.read_text())
    config["budget"]["mib"] = None
    run.config_file.write_text(json.dumps(config))
    told = CliRunner().invoke(app, ["next", str(run.path)])
    assert told.exit_code == 2
    assert "--budget-mb" in told.stderr


def test_sizes_are_those_of_the_plan(advised_run):
    state = run_state(advised_run())
    for each in advised(state.run).suggestions:
        [trial] = [trial for trial in state.trials if trial.plan.name == each.point.name]
        assert each.size_bytes == planned(state.grid, trial.point).size_bytes["float16"]
