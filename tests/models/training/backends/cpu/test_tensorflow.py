"""Training with the plug-in beside training without, from the same weights on the same batches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

tensorflow_kernels = pytest.importorskip("gapsack.models.training.backends.cpu.tensorflow", reason="needs TensorFlow")

import tensorflow as tf  # noqa: E402

from gapsack.models import registry  # noqa: E402
from gapsack.models.training import Recipe, Trainer  # noqa: E402
from gapsack.models.training.backends.product_gradients import ProductGradient  # noqa: E402

HYPERPARAMETERS = {"clusters": 5, "hidden": 24, "classes": 33, "mixtures": 2, "rgb": 40, "audio": 9}
RECIPE = Recipe(batch_size=6, learning_rate=0.01, kernels="cpu")


def replace(recipe, **changes):
    """The recipe with other values, checked as a new one is."""
    return Recipe.model_validate(dict(recipe) | changes)


def make_batches(count):
    generator = np.random.default_rng(0)
    return [
        (generator.integers(0, 256, (6, 7, 49), dtype=np.uint8), generator.random((6, 33)) < 0.1) for _ in range(count)
    ]


def trained(recipe, large, monkeypatch):
    """Losses, weights and predictions after a few steps, matrices of `large` elements and more being our own."""
    monkeypatch.setattr(tensorflow_kernels, "LARGE", large)
    trainer = Trainer(registry.build("gated_netvlad", seed=1, **HYPERPARAMETERS), recipe)
    losses, batches = [], make_batches(8)
    for frames, labels in batches:
        trainer.train_step({"frames": frames}, labels)
        losses.append(trainer.take_loss())
    return losses, trainer.state(), trainer.predict({"frames": batches[0][0]})


@pytest.fixture(scope="module")
def plain():
    """As the recipe says, with every matrix ours."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return trained(RECIPE, 1, monkeypatch)


@pytest.mark.parametrize(
    "changes",
    [
        {"l2": 0.01, "weight_decay": 0.1, "ema_decay": 0.5},
        pytest.param({"l2": 0.0, "clip_norm": 1e-3, "label_smoothing": 0.1}, marks=pytest.mark.long),
        pytest.param({"clip_norm": None, "global_clip_norm": 1e-3, "accumulate": 2}, marks=pytest.mark.long),
    ],
    ids=str,
)
def test_as_with_tensorflows_products(changes, monkeypatch):
    """Without the plug-in, and with it where no matrix is large enough for it."""
    recipe = replace(RECIPE, **changes)
    losses, state, predictions = trained(recipe, 1, monkeypatch)
    for without, large in (({"kernels": "plain"}, 1), ({}, 10**9)):
        their_losses, their_state, their_predictions = trained(replace(recipe, **without), large, monkeypatch)
        assert_allclose(losses, their_losses, rtol=1e-4)
        assert_allclose(predictions, their_predictions, rtol=2e-2, atol=1e-4)
        assert state.keys() == their_state.keys()
        for name, value in state.items():
            assert_allclose(value, their_state[name], rtol=2e-2, atol=2e-3, err_msg=name)


def test_without_the_variables_memory_gradients_are_taken(plain, monkeypatch):
    monkeypatch.setattr(tensorflow_kernels, "arrays_are_variables", lambda: False)
    monkeypatch.setattr(tensorflow_kernels, "update", None)  # would fail if it were called
    assert_allclose(trained(RECIPE, 1, monkeypatch)[0], plain[0], rtol=1e-4)


def test_here_arrays_are_variables():
    assert tensorflow_kernels.arrays_are_variables()


def test_large_gradients_are_not_taken(monkeypatch):
    taken = []
    original = tensorflow_kernels.CpuKernels.update

    def record(self, products, *rest):
        assert all(isinstance(gradient, ProductGradient) for gradient in products.values())
        taken.extend(products)
        return original(self, products, *rest)

    monkeypatch.setattr(tensorflow_kernels.CpuKernels, "update", record)
    trained(RECIPE, 700, monkeypatch)
    short = {name.removeprefix("tower/") for name in taken}
    assert short == {
        "hidden1_weights/hidden1_weights",
        "hidden2_weights/hidden2_weights",
        "gating_weights/gating_weights",
        "gates/weights",
        "experts/weights",
        "gating_prob_weights",
    }


def test_a_gradient_is_taken_where_the_gram_of_its_rows_would_be_larger():
    kernels, generator = tensorflow_kernels.CpuKernels(), tf.random.Generator.from_seed(0)
    right = generator.normal((256, 256))
    for rows, kept in ((256, {0}), (257, set())):
        left = generator.normal((rows, 256))
        with kernels.gradients_as_products([right]) as products, tf.GradientTape() as tape:
            tape.watch(right)
            total = tf.reduce_sum(kernels.product(left, right, "float32"))
        gradient = tape.gradient(total, right)
        assert set(products) == kept
        assert (gradient is None) == bool(kept)


def test_the_same_state_and_batches_give_the_same_bits(plain, monkeypatch):
    second = trained(RECIPE, 1, monkeypatch)[1]
    for name, value in plain[1].items():
        assert np.array_equal(value, second[name]), name


@pytest.mark.long
def test_float_frames_of_video_level(monkeypatch):
    generator = np.random.default_rng(1)
    frames, labels = generator.standard_normal((6, 1, 49), dtype=np.float32), generator.random((6, 33)) < 0.1
    found = []
    monkeypatch.setattr(tensorflow_kernels, "LARGE", 1)
    for kernels in ("cpu", "plain"):
        recipe = replace(RECIPE, kernels=kernels)
        trainer = Trainer(registry.build("gated_netvlad", seed=1, **HYPERPARAMETERS), recipe)
        for _ in range(3):
            trainer.train_step({"frames": frames}, labels)
        found.append(trainer.take_loss())
    assert_allclose(*found, rtol=1e-4)
