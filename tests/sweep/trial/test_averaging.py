from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.sweep.trial.averaging import RangeSearch, average, spaced


def checkpoints(count, seed=0):
    """Weights that circle around a centre and drift towards it, as late checkpoints do."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=8)
    drift = np.linspace(1.5, 0, count)[:, None] * rng.normal(size=8)
    noise = rng.normal(size=(count, 8)) * 0.4
    return {100 * (i + 1): {"w": (centre + drift[i] + noise[i]).astype(np.float32)} for i in range(count)}, centre


class Bench:
    """A search over made-up checkpoints that counts what it reads and scores."""

    def __init__(self, count, seed=0):
        self.weights, self.centre = checkpoints(count, seed)
        self.steps = list(self.weights)
        self.reads = []
        self.evaluations = 0

    def read(self, step):
        self.reads.append(step)
        return self.weights[step]

    def score(self, weights):
        self.evaluations += 1
        return float(-np.sum((weights["w"] - self.centre) ** 2))

    def naive(self):
        """The score of every range, each averaged on its own."""
        return {
            (first, last): self.score(
                {"w": np.mean([self.weights[s]["w"] for s in self.steps if first <= s <= last], axis=0, dtype=float)}
            )
            for first in self.steps
            for last in self.steps
            if first <= last
        }

    def search(self, max_evaluations, **options):
        return RangeSearch(self.steps, self.read, self.score, max_evaluations, **options).run()


def test_with_enough_evaluations_every_range_is_scored_as_its_own_mean():
    bench = Bench(6)
    truth = bench.naive()
    found = bench.search(1000)
    assert found.evaluated.keys() == truth.keys()
    for steps, score in found.evaluated.items():
        assert score == pytest.approx(truth[steps], abs=1e-5)
    assert found.chosen == max(truth, key=truth.get)
    assert found.gap_single == pytest.approx(max(truth[s, s] for s in bench.steps), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_few_evaluations_of_fifty_checkpoints_come_close_to_all_1275(seed):
    bench = Bench(50, seed)
    truth = bench.naive()
    bench.evaluations, singles = 0, {(s, s): truth[s, s] for s in bench.steps}
    found = bench.search(40, scores=dict(singles))
    assert bench.evaluations <= 40
    spread = max(truth.values()) - max(singles.values())
    assert found.gap >= max(truth.values()) - 0.1 * spread


def test_each_pass_reads_every_checkpoint_once():
    bench = Bench(12)
    passes = []
    search = RangeSearch(bench.steps, bench.read, bench.score, 30, scores={(s, s): 0.0 for s in bench.steps})
    evaluate = search._evaluate_backwards

    def counted(last, firsts):
        bench.reads.clear()
        evaluate(last, firsts)
        passes.append((last, firsts, list(bench.reads)))

    search._evaluate_backwards = counted
    search.run()
    for last, firsts, reads in passes:
        assert max(Counter(reads).values()) == 1
        assert len(reads) == last - min(firsts) + 1
    assert len({last for last, _firsts, _reads in passes}) < len(search.scores) - 12  # passes are shared


def test_a_better_single_checkpoint_is_kept_and_both_scores_are_told():
    steps = [10, 20, 30]
    weights = {10: {"w": np.float32([0.0])}, 20: {"w": np.float32([1.0])}, 30: {"w": np.float32([5.0])}}
    found = RangeSearch(steps, weights.__getitem__, lambda w: -abs(float(w["w"][0]) - 1.0), 50).run()
    assert found.step_single == 20
    assert found.gap_single == 0.0
    assert found.chosen == (20, 20)
    assert found.gap == 0.0
    assert found.gap_averaged == pytest.approx(-0.5)
    assert found.best_range == (10, 20)


def test_one_checkpoint_needs_no_range():
    bench = Bench(1)
    found = bench.search(10)
    assert found.best_range is None
    assert found.chosen == (100, 100)


@pytest.mark.parametrize("interrupted_after", [0, 3, 11])
def test_an_interrupted_search_goes_the_same_way_again(interrupted_after):
    whole = Bench(20).search(25)
    bench, remembered = Bench(20), {}

    def remember(steps, score):
        remembered[steps] = score
        if len(remembered) > interrupted_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.search(25, on_score=remember)
    bench.evaluations = 0
    again = bench.search(25, remembered=remembered)
    assert again == whole
    assert bench.evaluations == len(whole.evaluated) - len(remembered)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 30), limit=st.integers(1, 60), seed=st.integers(0, 99))
def test_the_limit_holds_and_what_is_chosen_has_the_score_it_is_said_to_have(count, limit, seed):
    bench = Bench(count, seed)
    found = bench.search(limit)
    assert bench.evaluations <= limit
    assert found.gap == max(found.evaluated.values())
    assert bench.score(average(bench.steps, found.chosen, bench.read)) == found.gap


@given(st.integers(1, 200), st.integers(1, 50))
def test_spaced_places(count, wanted):
    places = spaced(count, wanted)
    assert places[-1] == count - 1
    assert len(places) == len(set(places)) <= wanted
    assert len(places) < 2 or places[0] == 0
    gaps = np.diff(places)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
