"""No command without help, an example and documentation."""

from pathlib import Path

import pytest
from typer.main import get_command

from gapsack.sweep.cli.runs import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTATION = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def commands_below(group, path):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_below(command, [*path, name])
        else:
            yield " ".join([*path, name]), command


COMMANDS = dict(commands_below(get_command(app), ["sweep"]))


def test_all_commands_of_the_design_are_there():
    expected = {f"sweep {name}" for name in ("plan", "run", "status", "list", "report", "synth")}
    expected |= {
        f"sweep select {name}"
        for name in (
            "pool add",
            "pool add-models",
            "pool join",
            "import",
            "pareto",
            "ensemble",
            "frontier",
            "build",
            "evaluate",
            "predict",
        )
    }
    assert expected <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_an_example_of_itself(name):
    command = COMMANDS[name]
    assert command.help
    assert command.help.splitlines()[0].endswith((".", "?"))
    assert f"Example: `{name}" in (command.epilog or "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name):
    # `sweep select pareto` is `select pareto` too.
    assert name.replace("sweep select", "select") in DOCUMENTATION


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_a_help_text(name):
    for parameter in COMMANDS[name].params:
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_speaks_json(name):
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)
