import pytest

from gapsack.sweep.trial.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("gapsack.sweep.trial.pace.time.perf_counter", lambda: now[0])
    return now


def test_the_first_step_starts_the_watch_and_pauses_do_not_count(clock):
    pace = Pace()
    clock[0] += 30  # compiling
    pace.step(5.0)
    for _ in range(3):
        clock[0] += 2
        pace.step(0.5)
    lap = pace.lap()
    assert (lap.steps, lap.seconds, lap.wait_seconds) == (3, 6.0, 1.5)
    with pace.paused():
        clock[0] += 1000
    clock[0] += 4
    pace.step(0.0)
    lap = pace.lap()
    assert (lap.steps, lap.seconds, lap.wait_seconds) == (1, 4.0, 0.0)


def test_a_pause_before_the_first_step_starts_nothing(clock):
    pace = Pace()
    with pace.paused():
        clock[0] += 7
    lap = pace.lap()
    assert (lap.steps, lap.seconds) == (0, 0.0)
