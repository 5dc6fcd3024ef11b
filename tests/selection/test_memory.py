from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapsack.selection.memory import let_go
from gapsack.selection.pool import Predictions

STATUS = Path("/proc/self/status")


def mapped_bytes():
    return int(next(line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("RssFile"))) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell")
def test_what_is_let_go_is_no_memory_of_the_process_and_stays_as_it_is(tmp_path):
    values = np.arange(2**22, dtype=np.int64)
    np.save(tmp_path / "values.npy", values)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    total = int(mapped.sum())
    held = mapped_bytes()
    let_go(mapped[10:20])  # a part is of the same mapping
    assert held - mapped_bytes() > 0.9 * values.nbytes
    assert int(mapped.sum()) == total


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell")
def test_lists_that_were_checked_are_let_go(tmp_path):
    videos, listed = 20_000, 100
    np.save(tmp_path / "classes.npy", np.tile(np.arange(listed, dtype=np.int32), (videos, 1)))
    np.save(tmp_path / "scores.npy", np.tile(np.linspace(1.0, 0.0, listed, dtype=np.float32), (videos, 1)))
    classes = np.load(tmp_path / "classes.npy", mmap_mode="r")
    scores = np.load(tmp_path / "scores.npy", mmap_mode="r")
    before = mapped_bytes()
    lists = Predictions([f"{number}" for number in range(videos)], classes, scores)
    assert mapped_bytes() - before < 0.1 * (classes.nbytes + scores.nbytes)
    assert lists.same_lists(Predictions(lists.video_ids, np.array(classes), np.array(scores)))
    assert mapped_bytes() - before < 0.1 * (classes.nbytes + scores.nbytes)


def test_other_arrays_are_left_alone():
    values = np.arange(10)
    let_go(values)
    let_go(np.frombuffer(bytearray(80), np.int64))
    assert values.sum() == 45
