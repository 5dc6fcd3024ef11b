"""The options of both searches are those of `Options`: flags, defaults, ranges and help, and what a person types."""

import os
import re
from dataclasses import fields

import pytest
from typer import Typer
from typer.main import get_command
from typer.testing import CliRunner

from gapsack.selection.errors import InputError
from gapsack.selection.subsets.options import Options, rule_of
from gapsack.sweep.cli.choose import app
from gapsack.sweep.cli.options import ENSEMBLE, FRONTIER, load_groups, parse_groups, parse_limits, search_options

COMMON = [
    "metric",
    "item-weights",
    "class-weights",
    "blend",
    "precision",
    "max-members",
    "must-have",
    "never-together",
    "limit",
]
REST = ["time-limit", "workers", "search-items", "search-videos", "address"]  # two names of one option
FLAGS = {
    "ensemble": [
        *COMMON,
        *("prefer", "exhaustive", "tune-share", "folds", "groups", "confidence", "start", "explain", "seed"),
        *REST,
    ],
    "frontier": [*COMMON, "tune-share", "groups", "seed", *REST],
}
TYPED = {"precisions": "precision", "limits": "limit"}


def parameters(name):
    return {parameter.name: parameter for parameter in get_command(app).commands[name].params}


@pytest.mark.parametrize("command", FLAGS)
def test_a_search_has_these_flags_in_this_order(command):
    given = [option for each in parameters(command).values() for option in each.opts if option.startswith("--")]
    assert [flag for flag in given if flag not in ("--budget-mb", "--out", "--plot", "--json", "--csv")] == [
        f"--{flag}" for flag in FLAGS[command]
    ]


@pytest.mark.parametrize(("command", "names"), [("ensemble", ENSEMBLE), ("frontier", FRONTIER)])
def test_help_and_default_are_those_of_the_search(command, names):
    typed = parameters(command)
    for each in fields(Options):
        if each.name in names:
            parameter = typed[TYPED.get(each.name, each.name)]
            assert parameter.help == rule_of(each).help
            if each.name not in ("limits", "must_have", "never_together", "workers"):  # not given, they are None
                assert parameter.default == each.default


@pytest.mark.parametrize(
    ("name", "least"),
    [
        (each.name, rule_of(each).least)
        for each in fields(Options)
        if each.name in ENSEMBLE and rule_of(each).least is not None
    ],
)
def test_a_number_below_the_range_of_the_search_is_refused_as_typed(name, least):
    flag = f"--{name.replace('_', '-')}"
    done = CliRunner().invoke(app, ["ensemble", "nowhere", "--budget-mb", "1", flag, str(least - 1)])
    assert done.exit_code == 2
    words = " ".join(done.output.replace("│", " ").split())
    assert "Invalid value for '--" in words
    assert f"'{flag}': Input should be greater than or equal to {least}" in words


def test_what_is_typed_reaches_the_command_as_the_search_takes_it():
    taken = []

    @search_options(ENSEMBLE)
    def command(*, asked, out="x"):
        taken.append((asked, out))

    typed = {TYPED.get(each.name, each.name): each.default for each in fields(Options) if each.name in ENSEMBLE}
    typed |= {"limit": ["latency_ms=20"], "must_have": None, "never_together": ["a, b"], "workers": None}
    typed |= {"item_weights": None, "class_weights": None}
    command(**typed, time_limit=3.0, address="auto", out="y")
    [(asked, out)] = taken
    assert (asked.time_limit, asked.address, out) == (3.0, "auto", "y")
    assert asked.options["limits"] == {"latency_ms": 20.0}
    assert (asked.options["must_have"], asked.options["never_together"]) == ([], [["a", "b"]])
    assert asked.options["workers"] == os.cpu_count()
    assert set(asked.options) == set(ENSEMBLE)
    Options(**asked.options)


def test_a_sample_may_be_asked_for_by_its_older_name():
    taken = []
    app = Typer()

    @app.command()
    @search_options(FRONTIER)
    def command(*, asked):
        taken.append(asked.options["search_videos"])

    for flag in ("--search-items", "--search-videos"):
        assert CliRunner().invoke(app, [flag, "300"]).exit_code == 0
    assert taken == [300, 300]


def test_help_speaks_of_items_whatever_they_are():
    told = {each.name: rule_of(each).help for each in fields(Options) if "rule" in each.metadata}
    assert set(ENSEMBLE) <= set(told)
    assert [name for name, text in told.items() if "video" in text.lower()] == []


def test_a_name_that_is_no_option_is_refused_when_the_command_is_made():
    with pytest.raises(TypeError, match="colour"):
        search_options((*FRONTIER, "colour"))


def test_groups_of_videos_are_read(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("id,group\nv1,01\nv2,a b\nv3,01\n", encoding="utf-8")
    assert load_groups(path) == {"v1": "01", "v2": "a b", "v3": "01"}
    assert load_groups(None) is None
    for content, told in (
        ("id,group\nv1,a\nv1,b\n", "expected one group of each id, got 'v1' twice"),
        ("id,group\nv1,a\nv2,\n", "expected a group of each id, got none for 'v2'"),
        ("id,set\nv1,a\n", "expected the columns id,group, got id,set"),
        ("id,group\n", "expected at least one row"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=re.escape(f"{path}: {told}")):
            load_groups(path)
    with pytest.raises(InputError, match=r"none\.csv: expected a CSV file that can be read"):
        load_groups(tmp_path / "none.csv")


def test_limits_and_groups_are_read():
    assert parse_groups(["a,b", " c , d"]) == [["a", "b"], ["c", "d"]]
    with pytest.raises(InputError, match="expected a limit as figure=number"):
        parse_limits(["latency_ms"])
