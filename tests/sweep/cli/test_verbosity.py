"""How much a command says: `-q`, `-v`, and neither."""

from __future__ import annotations

import logging
import os

import pytest
from typer.testing import CliRunner

from gapsack.selection.errors import InputError
from gapsack.sweep.cli.app import errors, make_app, messages, output
from gapsack.sweep.cli.verbosity import taken_out
from gapsack.sweep.cluster.logs import logs_are_wanted


@pytest.fixture
def app(monkeypatch):
    monkeypatch.delenv("GAPSACK_VERBOSE", raising=False)
    monkeypatch.setattr(logging, "basicConfig", lambda **_options: None)  # other tests keep their logging
    app = make_app("tool", "A tool.")

    @app.command()
    def say(word: str):
        output().print("result")
        messages().print("notice")
        errors().print(f"logs {logs_are_wanted()} {os.environ.get('TF_CPP_MIN_LOG_LEVEL')}")
        if word == "wrong":
            raise InputError("expected another word, got wrong")

    @app.command()
    def other():
        pass

    return app


@pytest.mark.parametrize("words", [["-q", "say", "x"], ["say", "--quiet", "x"], ["say", "x", "-q"]])
def test_quiet_leaves_results_and_errors_wherever_it_stands(app, words):
    result = CliRunner().invoke(app, words)
    assert result.stdout == "result\n"
    assert "notice" not in result.stderr
    assert "logs False" in result.stderr
    wrong = CliRunner().invoke(app, [*words[:-1], "wrong"] if words[-1] == "x" else ["say", "wrong", "-q"])
    assert wrong.stderr.endswith("Error: expected another word, got wrong\n")


@pytest.mark.parametrize("words", [["-v", "say", "x"], ["say", "x", "--verbose"]])
def test_verbose_reaches_processes_that_are_started_and_no_further(app, words, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    result = CliRunner().invoke(app, words)
    assert "notice" in result.stderr
    assert "logs True 0" in result.stderr
    assert not logs_are_wanted()
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ


def test_a_log_level_that_was_set_stays(app, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    assert "logs True 1" in CliRunner().invoke(app, ["-v", "say", "x"]).stderr
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"


def test_both_are_refused(app):
    result = CliRunner().invoke(app, ["-q", "say", "x", "-v"])
    assert result.exit_code == 2
    assert "expected --quiet or --verbose, got both" in result.stderr


def test_words_behind_two_dashes_are_words():
    assert taken_out(["say", "-q", "--", "-v"])[0] == ["say", "--", "-v"]
