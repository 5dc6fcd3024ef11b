"""Printing where the terminal is gone, as after a dropped ssh."""

import os
import pty
import subprocess
import sys

import pytest

CODE = """
import sys
from gapsack.sweep.cli.app import leave_lost_terminal, messages, output
sys.stdin.read()
if {leave}:
    leave_lost_terminal()
output().print("a result")
messages().print("a message")
"""


def print_to_a_lost_terminal(leave: bool) -> int:
    """The exit code of a program that prints when its terminal is gone."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(leave=leave)], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.close(ours)
    process.communicate()
    return process.returncode


@pytest.mark.parametrize(("leave", "fails"), [(False, True), (True, False)])
def test_a_lost_terminal_is_left_before_printing_to_it_fails(leave, fails):
    assert (print_to_a_lost_terminal(leave) != 0) is fails


def test_what_is_no_terminal_stays(capfd):
    code = CODE.format(leave=True)
    subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, check=True)
    assert capfd.readouterr() == ("a result\n", "a message\n")
