import errno
import io
import json
import os
import re
import subprocess
import sys

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from gapsack.models.errors import GraphError
from gapsack.selection.errors import PoolError
from gapsack.sweep.cli.app import (
    Column,
    PlainConsole,
    make_app,
    messages,
    output,
    print_json,
    print_reasons,
    print_table,
)


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


@pytest.mark.parametrize("words", [["fail", "bug", "--debug"], ["--debug", "fail", "bug"]])
def test_an_error_that_nobody_foresaw_is_a_sentence_and_its_trace_is_shown_when_asked_for(app, words):
    plain, debug = (CliRunner().invoke(app, typed) for typed in (["fail", "bug"], words))
    sentence = "Failed: an error of gapsack's own, ZeroDivisionError; with --debug the same command shows where\n"
    assert (plain.exit_code, plain.stdout, plain.stderr) == (1, "", sentence)
    assert debug.exit_code == 1
    assert debug.stderr.startswith("Traceback")
    assert "in fail" in debug.stderr
    assert debug.stderr.endswith(sentence)


def test_after_two_dashes_debug_is_a_word(app):
    done = CliRunner().invoke(app, ["fail", "--", "--debug"])
    assert "KeyError: '--debug'" in done.stderr


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [
        (errno.EISDIR, 2, "Error: expected a path that can be used, got a/b: Is a directory\n"),
        (errno.ENAMETOOLONG, 2, "Error: expected a path that can be used, got a/b: File name too long\n"),
        (errno.ENOSPC, 1, "Failed: expected the system to do its part, got: No space left on device, with a/b\n"),
        (errno.EIO, 1, "Failed: expected the system to do its part, got: Input/output error, with a/b\n"),
    ],
)
def test_what_the_system_answers_is_a_sentence(app, number, code, sentence):
    @app.command()
    def answer():
        raise OSError(number, os.strerror(number), "a/b")

    done = CliRunner().invoke(app, ["answer"])
    assert (done.exit_code, done.stderr) == (code, sentence)


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


ESCAPES = "a\x1b[2J\x1b]0;title\x07b\x9bc\x7fd\x00e\u202ef\r\x08"
"""Clears the screen, changes the title, deletes, turns the direction of writing, returns to the line's beginning."""
CONTROLS = set(ESCAPES) - set("abcdef[2J]0;title")


def shown_everywhere(tmp_path):
    """An app whose commands show a hostile name in each way that there is."""
    app = make_app("tool", "A tool.")

    @app.command()
    def table(rows: int):
        print_table([Column(ESCAPES), Column("size", True)], [[ESCAPES, 1]] * rows, title=ESCAPES)

    @app.command()
    def reasons():
        print_reasons({ESCAPES: ESCAPES})

    @app.command()
    def error():
        raise PoolError(f"expected a name, got {ESCAPES}")

    @app.command()
    def json():
        print_json({ESCAPES: ESCAPES})

    @app.command()
    def line():
        messages().print(ESCAPES)
        messages().print(Text(ESCAPES, style="red"))
        output().print(ESCAPES)

    return app


@pytest.mark.parametrize("arguments", [["table", "2"], ["table", "3000"], ["reasons"], ["error"], ["json"], ["line"]])
@pytest.mark.parametrize("terminal", [False, True])
def test_control_characters_in_names_do_not_reach_the_terminal(tmp_path, monkeypatch, arguments, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
    result = CliRunner().invoke(shown_everywhere(tmp_path), arguments)
    said = result.stdout + result.stderr
    own = re.sub("\x1b\\[[0-9;]*m", "", said)  # colours are our own
    assert not CONTROLS & set(own)
    assert "]0;title" in own
    if arguments == ["json"]:
        assert json.loads(result.stdout) == {ESCAPES: ESCAPES}


def test_live_drawings_are_cleaned_too():
    console = PlainConsole(file=io.StringIO(), force_terminal=True)
    with Live(Table.grid(), console=console, transient=True) as live:
        rows = Table.grid()
        rows.add_row(ESCAPES, Text(ESCAPES))
        live.update(rows, refresh=True)
    drawn = console.file.getvalue()
    assert "\x1b]0;" not in drawn and "\x1b[2Jb" not in drawn and "\x9b" not in drawn
    assert "\x1b[" in drawn, "rich moves the cursor all the same"


def test_a_plain_table_counts_the_columns_of_wide_characters():
    result = CliRunner().invoke(wide_app(), ["show"])
    lines = result.stdout.splitlines()
    assert lines == ["名前    size", "猫猫猫     1", "a        100"]


def wide_app():
    app = make_app("tool", "A tool.")

    @app.command()
    def show():
        print_table([Column("名前"), Column("size", True)], [["猫猫猫", 1], ["a", 100]])

    @app.command()
    def other():
        print_table([Column("a")], [])

    return app


def test_a_table_without_rows_is_its_titles():
    assert CliRunner().invoke(wide_app(), ["other"]).stdout == "a\n"
