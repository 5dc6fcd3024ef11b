"""Gradual pruning: the schedule against figures by hand, and a training whose zeros are as many as are stored."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.precisions.codec import MAIN
from gapsack.models.precisions.pruned import PrunedCodec
from gapsack.models.training import Pruning, PruningSchedule, Recipe, Trainer
from gapsack.selection.errors import InputError

SMALL = {"clusters": 4, "hidden": 8, "classes": 12, "mixtures": 3, "rgb": 16, "audio": 4}
TENSORS = sizes.tensors("gated_netvlad", SMALL)
LARGE = [tensor for tensor in TENSORS if tensor.large]
PRUNING = Pruning(sparsity=0.75, begin_step=2, end_step=9, every_steps=3)
RECIPE = Recipe(batch_size=6, learning_rate=0.01, pruning=PRUNING)


def replace(recipe, **changes):
    """The recipe with other values, checked as a new one is."""
    return Recipe.model_validate(dict(recipe) | changes)


def train(trainer, steps, seed=0):
    generator = np.random.default_rng(seed)
    taken = []
    for _ in range(steps):
        frames = generator.integers(0, 256, (6, 5, 20), dtype=np.uint8)
        trainer.train_step({"frames": frames}, generator.random((6, 12)) < 0.2)
        taken.append(trainer.take_loss())
    return taken


def make_trainer(recipe=RECIPE):
    return Trainer(registry.build("gated_netvlad", seed=2, **SMALL), recipe)


@cache
def _compiled(recipe):
    trainer = make_trainer(recipe)
    return trainer, trainer.state()


def fresh_trainer(recipe=RECIPE):
    """A trainer at its beginning, one for all tests of a recipe: compiling takes a second and more, the steps none."""
    trainer, beginning = _compiled(recipe)
    trainer.load_state(beginning)
    return trainer


def zeros(weights):
    return {tensor.name: weights[tensor.name] == 0 for tensor in LARGE}


def test_the_cubic_schedule_by_hand():
    # 0.8 (1 - (1 - n/4)^3) after n of 4 intervals: 0.8 times 0, 37/64, 7/8, 63/64 and 1.
    pruning = PruningSchedule(0.8, begin_step=10, end_step=50, every_steps=10)
    table = {0: 0, 10: 0, 19: 0, 20: 0.4625, 29: 0.4625, 30: 0.7, 40: 0.7875, 49: 0.7875, 50: 0.8, 99: 0.8}
    assert {step: pruning.sparsity_at(step) for step in table} == pytest.approx(table)
    assert [step for step in range(100) if pruning.is_due(step)] == [20, 30, 40, 50]


def test_the_end_is_reached_between_two_intervals():
    pruning = PruningSchedule(0.5, begin_step=0, end_step=7, every_steps=3)
    assert [step for step in range(20) if pruning.is_due(step)] == [3, 6, 7]
    assert [pruning.zeros_at(step, 1000) for step in (2, 3, 6, 7)] == [0, 406, 498, 500]


@given(st.integers(1, 99), st.integers(1, 10**9), st.integers(0, 30), st.integers(1, 40), st.integers(1, 50))
def test_zeros_only_grow_and_end_as_many_as_the_codec_leaves_out(percent, count, begin, length, every):
    pruning = PruningSchedule(percent / 100, begin, begin + length, every)
    grown = [pruning.zeros_at(step, count) for step in range(begin + length + 5)]
    assert grown == sorted(grown)
    assert not any(grown[: begin + 1])
    assert grown[-1] == count - PrunedCodec(percent, "float16").layout((count,))[MAIN].shape[0]


def test_every_problem_of_a_schedule_is_named():
    with pytest.raises(InputError) as caught:
        replace(RECIPE, pruning={"sparsity": 1.0, "begin_step": -1, "end_step": -1, "every_steps": 0})
    for name in ("sparsity", "begin_step", "end_step", "every_steps"):
        assert f"pruning.{name} must be" in str(caught.value)
    with pytest.raises(InputError, match="expected begin_step < end_step <= steps 8, got begin_step 2 and end_step 9"):
        replace(RECIPE, steps=8)


def test_sparsity_is_reached_at_each_pruned_step_and_zeros_stay():
    trainer = make_trainer(replace(RECIPE, weight_decay=1.0))
    expected = {5: 5, 8: 8, 9: 9, 14: 9}
    masks = []
    for steps, pruned_at in expected.items():
        train(trainer, steps - trainer.step, seed=steps)
        masks.append(zeros(trainer.weights()))
        for tensor in LARGE:
            wanted = RECIPE.pruning_schedule.zeros_at(pruned_at, tensor.count)
            assert np.count_nonzero(masks[-1][tensor.name]) == wanted, (steps, tensor.name)
    for earlier, later in pairwise(masks):
        for name, mask in earlier.items():
            assert later[name][mask].all()
    others = [tensor.name for tensor in TENSORS if not tensor.large and tensor.deviation]
    assert all(trainer.weights()[name].all() for name in others)


@pytest.mark.long
def test_the_smallest_weights_are_pruned():
    pruned = make_trainer(replace(RECIPE, pruning=Pruning(sparsity=0.5, begin_step=0, end_step=3, every_steps=5)))
    dense = make_trainer(replace(RECIPE, pruning=None))
    for trainer in (pruned, dense):
        train(trainer, 3)
    for tensor in LARGE:
        magnitude, kept = np.abs(dense.weights()[tensor.name]), pruned.weights()[tensor.name] != 0
        assert magnitude[kept].min() >= magnitude[~kept].max()
        assert_array_equal(pruned.weights()[tensor.name][kept], dense.weights()[tensor.name][kept])


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.long),
        {"ema_decay": 0.9, "accumulate": 2},
        pytest.param({"xla": True, "compute": "float16"}, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_what_is_pruned_is_stored_without_loss(options):
    trainer = fresh_trainer(replace(RECIPE, **options))
    train(trainer, 14)
    weights = trainer.weights()
    half = precisions.roundtrip(weights, "pruned75_float16", TENSORS)
    whole = precisions.roundtrip(weights, "pruned75_int8", TENSORS)
    for tensor in LARGE:
        values = weights[tensor.name]
        assert np.count_nonzero(values == 0) == tensor.count * 75 // 100
        assert_array_equal(half[tensor.name], values.astype(np.float16).astype(np.float32))
        assert not whole[tensor.name][values == 0].any()
        assert_allclose(whole[tensor.name], values, atol=np.abs(values).max() / 127)


@pytest.mark.parametrize(
    ("at", "options"),
    [
        (5, {}),
        pytest.param(7, {"ema_decay": 0.9, "weight_decay": 0.5}, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_a_pruned_training_goes_on_to_the_last_bit(at, options):
    recipe = replace(RECIPE, **options)
    whole, resumed = fresh_trainer(recipe), make_trainer(recipe)
    train(whole, at)
    state = whole.state()
    undisturbed = train(whole, 13 - at, seed=1)  # a state is a copy, that later steps leave alone
    resumed.load_state(state)
    assert train(resumed, 13 - at, seed=1) == undisturbed
    for name, values in whole.state().items():
        assert_array_equal(resumed.state()[name], values, err_msg=name)


def test_averages_of_pruned_checkpoints_keep_the_zeros():
    trainer, average = fresh_trainer(), checkpoints.RunningAverage()
    train(trainer, 9)
    mask = zeros(trainer.weights())
    for seed in range(3):
        average.add(trainer.weights())
        train(trainer, 2, seed)
    for name, values in zeros(average.mean()).items():
        assert_array_equal(values, mask[name])
