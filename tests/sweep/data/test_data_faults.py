from __future__ import annotations

import json
import threading

import pytest

from gapsack.sweep.data.faults import Faults
from gapsack.sweep.errors import ConfigError, DataError


def test_counts_by_kind_and_names_the_first() -> None:
    faults = Faults(0.5)
    faults.good(2)
    faults.add("label", "a.tfrecord", 7, "expected labels from 0 to 3, got 9")
    faults.add("label", "a.tfrecord", 7, "expected labels from 0 to 3, got 9")
    faults.add("data CRC", "b.tfrecord", 0, "bad bytes")
    assert faults.counts == {"label": 2, "data CRC": 1}
    assert [str(fault) for fault in faults.examples] == [
        "a.tfrecord, record 7: expected labels from 0 to 3, got 9 (label)",
        "b.tfrecord, record 0: bad bytes (data CRC)",
    ]
    assert faults.share == pytest.approx(3 / 5)


def test_share_is_exact_only_when_all_was_read() -> None:
    faults = Faults(0.001)
    faults.good(9)
    faults.add("truncated", "a", 9, "cut")
    faults.check()  # one among the first thousand
    with pytest.raises(
        DataError, match=r"At most 0\.1000% .* got 1 faulty \(1 truncated\) of 10; the first is a, record 9"
    ):
        faults.check(complete=True)
    faults.good(990)
    faults.check(complete=True)
    faults.add("truncated", "b", 9, "cut")
    with pytest.raises(DataError, match="got 2 faulty"):
        faults.check()


def test_one_record_must_be_good() -> None:
    faults = Faults(1.0)
    with pytest.raises(DataError, match="at least one record"):
        faults.check(complete=True)
    faults.add("truncated", "a", 0, "cut")
    faults.check()
    with pytest.raises(DataError, match="one must be good"):
        faults.check(complete=True)


def test_restored_counts_go_on() -> None:
    before, after = Faults(0.1), Faults(0.1)
    before.good(10)
    before.add("label", "a", 3, "x")
    after.good(5)
    after.add("truncated", "b", 0, "y")
    after.restore(json.loads(json.dumps(before.state())))
    assert after.state() == before.state()
    assert after.summary() == before.summary() | {"examples": ["a, record 3: x (label)"]}


def test_threads_do_not_lose_counts() -> None:
    faults = Faults(1.0)

    def count() -> None:
        for index in range(2000):
            faults.good(1)
            faults.add("label", "a", index, "x")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults.summary()["good"] == 8000
    assert faults.counts == {"label": 8000}
    assert len(faults.examples) == 20


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_are_between_0_and_1(share: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Faults(share)
