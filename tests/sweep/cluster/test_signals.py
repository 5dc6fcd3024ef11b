import os
import signal
import threading

import pytest

from gapsack.sweep.cluster.signals import stop_on_signals


def raise_signal(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_raises(number):
    asked = []
    before = signal.getsignal(number)
    with stop_on_signals(lambda: asked.append(1)) as stop:
        assert not stop.requested
        raise_signal(number)
        assert stop.requested
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            raise_signal(number)
    assert signal.getsignal(number) is before


def test_in_a_thread_signals_stay_as_they_are():
    found = []

    def enter():
        before = signal.getsignal(signal.SIGINT)
        with stop_on_signals(lambda: None) as stop:
            found.append((stop.requested, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(False, True)]
