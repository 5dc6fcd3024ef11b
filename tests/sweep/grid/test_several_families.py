"""One grid with points of several families."""

from __future__ import annotations

import re

import pytest
import yaml

from gapsack.sweep.cluster.launch import changes
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.points import trial_points
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec

TEAM = """
name: team
data: {level: frame, validate: ["validate*"], holdout: {count: 1}}
model:
  families:
    nextvlad: {hidden: 1024}
    gru_bidirect: {}
    moe: {mixtures: 4}
search:
  points:
    - {family: nextvlad, clusters: 64}
    - {family: nextvlad, clusters: 32, groups: 16}
    - {family: gru_bidirect, cells: 512}
    - {family: moe}
    - {family: moe, probability_gating: true}
"""


@pytest.fixture
def load(tmp_path):
    def loaded(text: str) -> Grid:
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return load_grid(path)

    return loaded


def test_every_point_is_of_its_own_family(load):
    grid = load(TEAM)
    trials = plan(grid)
    assert [(trial.name, trial.family) for trial in trials] == [
        ("nextvlad-K64-H1024", "nextvlad"),
        ("nextvlad-K32-H1024-G16", "nextvlad"),
        ("gru_bidirect-N512", "gru_bidirect"),
        ("moe-M4", "moe"),
        ("moe-M4-probability_gatingTrue", "moe"),
    ]
    assert trials[0].hyperparameters["hidden"] == 1024
    assert trials[3].hyperparameters["mixtures"] == 4
    assert all("family" not in trial.hyperparameters for trial in trials)


def test_a_trial_is_found_again_by_its_axes(load, tmp_path):
    grid = load(TEAM)
    again = Grid.model_validate(grid.to_dict())
    assert again == grid
    assert grid.to_dict()["model"].keys() == {"families"}
    sweep = SweepSpec(str(tmp_path), again, (), ())
    for point in trial_points(grid):
        assert sweep.trial(point.axes).point == point


def test_families_may_come_and_go_but_not_change(load):
    grid, content = load(TEAM), yaml.safe_load(TEAM)
    content["model"]["families"]["dbof"] = {"hidden": 8}
    content["search"]["points"].append({"family": "dbof", "clusters": 16})
    more = load(yaml.safe_dump(content))
    assert changes(grid, more) == changes(more, grid) == []
    content["model"]["families"]["moe"] = {"mixtures": 5}
    assert changes(grid, load(yaml.safe_dump(content))) == ["model.families.moe.mixtures was 4 and is 5"]
    points = {point.name: point.axes for point in trial_points(grid)}
    own, later = (SweepSpec("run", each, (), ()).trial(points["gru_bidirect-N512"]) for each in (grid, more))
    assert own.fingerprint() == later.fingerprint()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("family: moe}", "family: mo}", r"a family of model.families \(nextvlad, gru_bidirect, moe\), got mo"),
        ("{family: moe}", "{mixtures: 2}", r"a family of model.families \(nextvlad, gru_bidirect, moe\), got none"),
        ("clusters: 64", "clusers: 64", "unknown hyperparameter of nextvlad"),
        ("clusters: 64", "hidden: 64", "expected hidden either here or in model.families.nextvlad, got both"),
        ("cells: 512", "clusters: 512", "unknown hyperparameter of gru_bidirect"),
        (", cells: 512", "", "expected a value for cells"),
        ("groups: 16", "groups: 3", "groups must be even, got 3"),
        ("moe: {mixtures: 4}", "moe: {mixtures: 0}", "mixtures must be an integer of at least 1, got 0"),
        ("moe: {mixtures: 4}", "moes: {}", "expected one of the model families"),
        (
            "  families:",
            "  family: moe\n  families:",
            "expected either a family and its options, or families, got both",
        ),
        (
            "search:\n",
            "search:\n  grid: {clusters: [4]}\n",
            r"expected in search.grid a family of model.families \(.*\), got none",
        ),
    ],
)
def test_what_is_wrong_is_told(load, old, new, told):
    assert old in TEAM
    with pytest.raises(ConfigError, match=re.compile(told)):
        load(TEAM.replace(old, new))


def test_one_family_is_written_as_ever(load):
    grid = load(
        "name: one\ndata: {level: video, validate: ['*']}\nmodel: {family: moe}\nsearch: {points: [{mixtures: 2}]}\n"
    )
    assert grid.to_dict()["model"] == {"family": "moe", "options": {}}
    with pytest.raises(ConfigError, match="expected a family, or several families, got neither"):
        load("name: one\ndata: {level: video, validate: ['*']}\nmodel: {}\nsearch: {points: [{mixtures: 2}]}\n")
