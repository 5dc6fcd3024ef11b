import os
import signal
import subprocess
import sys
import threading

import pytest

from gapsack.sweep.cluster.signals import SIGNALS, EndedBySignalError, ended_by_signals, stop_on_signals


def raise_signal(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_raises(number):
    asked = []
    before = signal.getsignal(number)
    with stop_on_signals(lambda: asked.append(1)) as stop:
        assert not stop.requested
        raise_signal(number)
        assert (stop.requested, stop.number) == (True, number)
        assert asked == [1]
        with pytest.raises(EndedBySignalError) as ended:
            raise_signal(number)
        assert ended.value.number == number
        assert stop.number == number
    assert signal.getsignal(number) is before


def test_the_second_signal_may_be_another():
    with stop_on_signals(lambda: None) as stop:
        raise_signal(signal.SIGHUP)
        with pytest.raises(EndedBySignalError) as ended:
            raise_signal(signal.SIGTERM)
    assert (stop.number, ended.value.number) == (signal.SIGHUP, signal.SIGTERM)


@pytest.mark.parametrize("number", SIGNALS)
def test_where_nothing_is_to_be_kept_the_first_signal_raises(number):
    before = signal.getsignal(number)
    with ended_by_signals():
        with pytest.raises(KeyboardInterrupt):
            raise_signal(number)
        with stop_on_signals(lambda: None) as stop:  # for a while it is otherwise
            raise_signal(number)
            assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            raise_signal(number)
    assert signal.getsignal(number) is before


def test_nohup_is_heeded():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals(), stop_on_signals(lambda: None) as stop:
            raise_signal(signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_signals_stay_as_they_are():
    found = []

    def enter():
        before = signal.getsignal(signal.SIGINT)
        with ended_by_signals(), stop_on_signals(lambda: None) as stop:
            found.append((stop.requested, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(False, True)]


def test_signals_that_are_disregarded_reach_the_programs_that_are_started_from_there():
    code = """
import os, signal, subprocess, sys
from gapsack.sweep.cluster.signals import SIGNALS, disregard_signals
disregard_signals()
for number in SIGNALS:
    os.kill(os.getpid(), number)
kill = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
print(subprocess.run([sys.executable, "-c", kill]).returncode)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "-15\n"
