import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gapsack.models.errors import GraphError
from gapsack.selection.errors import PoolError
from gapsack.sweep.cli.app import Column, make_app, print_json, print_table


@pytest.fixture
def app():
    app = make_app("tool", "A tool.")

    @app.command()
    def fail(kind: str):
        raise {
            "input": PoolError("expected a pool, got [nothing]"),
            "own": GraphError("expected 3 bytes, got 4"),
            "stop": KeyboardInterrupt(),
            "bug": ZeroDivisionError(),
        }[kind]

    @app.command()
    def show():
        print_table([Column("name"), Column("size", True)], [["a" * 300, 1.5], ["[red]b", None]])

    @app.command()
    def dump():
        print_json({"name": "é", "size": None})

    return app


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ("input", 2, "Error: expected a pool, got [nothing]\n"),
        ("own", 1, "Failed: expected 3 bytes, got 4\n"),
        ("stop", 130, "Interrupted.\n"),
    ],
)
def test_errors_made_on_purpose_are_a_sentence_and_an_exit_code(app, kind, code, sentence):
    result = CliRunner().invoke(app, ["fail", kind])
    assert result.exit_code == code
    assert result.stderr == sentence
    assert result.stdout == ""


def test_errors_of_ours_keep_their_trace(app):
    assert isinstance(CliRunner().invoke(app, ["fail", "bug"]).exception, ZeroDivisionError)


def test_wrong_usage_exits_with_2(app):
    assert CliRunner().invoke(app, ["fail"]).exit_code == 2
    assert CliRunner().invoke(app, ["fail", "input", "--nonsense"]).exit_code == 2


def test_a_table_in_a_pipe_is_whole_and_takes_brackets_as_text(app):
    lines = CliRunner().invoke(app, ["show"]).stdout.splitlines()
    assert "a" * 300 in lines[1]
    assert lines[1].endswith(" 1.5")
    assert lines[2].startswith("[red]b")


def test_json_is_all_there_is_on_standard_output(app):
    assert CliRunner().invoke(app, ["dump"]).stdout == '{\n  "name": "é",\n  "size": null\n}\n'


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    code = (
        "from gapsack.sweep.cli.app import *\n"
        "app = make_app('tool', 'A tool.')\n"
        "@app.command()\n"
        "def one(): print_json(list(range(100_000)))\n"
        "@app.command()\n"
        "def two(): pass\n"
        "app(['one'])"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "[\n"
    program.stdout.close()
    assert program.stderr is not None
    with program.stderr:
        assert "Traceback" not in program.stderr.read()
    program.wait()
