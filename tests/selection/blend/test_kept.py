from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

from gapsack.selection.blend.kept import Kept


def test_a_value_is_made_once_whoever_asks_and_again_when_it_was_dropped():
    kept, made = Kept(2), []

    def make():
        made.append(len(made))
        return made[-1]

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: kept.get("a", make), range(20))) == {0}
    kept.drop("a")
    kept.drop("never there")
    assert len(kept) == 0
    assert kept.get("a", make) == 1


def test_the_last_asked_for_stay_and_a_copy_begins_without_any():
    kept = Kept(2)
    for key in "abac":
        kept.get(key, lambda key=key: key.upper())
    assert len(kept) == 2
    assert kept.get("a", lambda: "made again") == "A"
    assert kept.get("b", lambda: "made again") == "made again"
    assert len(pickle.loads(pickle.dumps(kept))) == 0
