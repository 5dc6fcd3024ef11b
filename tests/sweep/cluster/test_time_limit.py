import threading
import time

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.cluster.time_limit import checked_hours, time_limit


def test_when_the_time_is_over_a_stop_is_asked_for_once():
    stop, asked = StopRequest(), threading.Event()
    with time_limit(2.0, time.monotonic() - 7200, stop, asked.set):
        assert asked.wait(60)
    assert (stop.requested, stop.time_is_over, stop.number) == (True, True, None)


def test_a_sweep_that_ends_before_is_asked_nothing():
    stop, asked = StopRequest(), threading.Event()
    before = threading.active_count()
    with time_limit(1000.0, time.monotonic(), stop, asked.set):
        assert threading.active_count() == before + 1
    with time_limit(None, time.monotonic(), stop, asked.set):
        pass
    assert not stop.requested and not asked.is_set()


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_hours_are_a_positive_number(hours):
    with pytest.raises(InputError, match="expected more than 0 hours and at most 100,000, got"):
        checked_hours(hours)


def test_hours_that_are_some_are_kept():
    assert (checked_hours(0.25), checked_hours(None)) == (0.25, None)
