import threading
import time

from gapsack.sweep.tracking.backlog import Backlog, Losses


class Service:
    """A service that can be away; it keeps what was written."""

    def __init__(self):
        self.written = []
        self.is_away = False
        self.attempts = threading.Semaphore(0)

    def writer(self, value):
        def write():
            self.attempts.release()
            if self.is_away:
                raise ConnectionError("nobody answers")
            self.written.append(value)

        return write


def make_backlog():
    return Backlog(lambda error: isinstance(error, ConnectionError), retry_seconds=0.01, longest_pause_seconds=0.02)


def test_writes_are_done_in_order_and_none_is_lost():
    service, backlog = Service(), make_backlog()
    for value in range(100):
        backlog.add(service.writer(value))
    assert backlog.close(30) is None
    assert service.written == list(range(100))


def test_a_service_that_comes_back_gets_everything_in_order():
    service, backlog = Service(), make_backlog()
    service.is_away = True
    for value in range(5):
        backlog.add(service.writer(value))
    for _ in range(3):
        service.attempts.acquire()
    assert service.written == []
    service.is_away = False
    assert backlog.close(30) is None
    assert service.written == [0, 1, 2, 3, 4]


def test_a_service_that_stays_away_is_told_once_with_what_was_lost():
    service, backlog = Service(), make_backlog()
    backlog.add(service.writer(0))
    service.attempts.acquire()
    service.is_away = True
    for value in range(1, 4):
        backlog.add(service.writer(value))
    assert backlog.close(0.2) == Losses(3, "ConnectionError: nobody answers")
    assert service.written == [0]


def test_a_slow_service_is_waited_for_as_long_as_it_goes_on():
    backlog, written = make_backlog(), []

    def slowly():
        time.sleep(0.2)
        written.append(1)

    for _ in range(10):
        backlog.add(slowly)
    assert backlog.close(1.0) is None
    assert len(written) == 10


def test_what_was_lost_is_not_lost_once_all_of_it_is_written():
    backlog = make_backlog()

    def refuse():
        raise ValueError("no")

    for about in ("mended", "mended", "lost"):
        backlog.add(refuse, about)
    backlog.add(lambda: None, "lost")
    backlog.add(lambda: None, "mended", mends=True)
    assert backlog.close(30) == Losses(1, "ValueError: no")


def test_an_error_that_will_not_pass_costs_only_its_own_write():
    service, backlog = Service(), make_backlog()

    def refuse():
        raise ValueError("that parameter has another value\nand a second line")

    backlog.add(service.writer(0))
    backlog.add(refuse)
    backlog.add(service.writer(1))
    assert backlog.close(30) == Losses(1, "ValueError: that parameter has another value")
    assert service.written == [0, 1]


def test_adding_does_not_wait_for_the_service():
    backlog, blocked = make_backlog(), threading.Event()
    backlog.add(lambda: blocked.wait(30) and None)
    written = []
    backlog.add(lambda: written.append(1))
    assert written == []
    blocked.set()
    assert backlog.close(30) is None
    assert written == [1]
