from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gapsack.models import registry
from gapsack.models.tasks.losses import cross_entropy
from gapsack.models.training import Recipe
from gapsack.models.training.taught import softened, taught
from gapsack.models.training.teaching import TARGETS, Teaching
from gapsack.models.training.trainer import Trainer
from gapsack.selection.errors import InputError

SMALL = {"clusters": 2, "hidden": 3, "classes": 5, "mixtures": 2, "rgb": 4, "audio": 2}


@pytest.fixture(scope="module")
def reference(golden):
    """Predictions, a teacher's and labels, with the winners' own loss and its gradient by the predictions."""
    path = golden / "families" / "distill_loss.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the reference outputs")
    return dict(np.load(path))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_winners_loss_and_its_gradient(reference, place):
    tf = pytest.importorskip("tensorflow")
    loss = taught(cross_entropy, Teaching(weight=float(reference["lambdas"][place])))
    predictions = tf.constant(reference["predictions"])
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        found = loss(predictions, (reference["labels"].astype(bool), reference["teacher"]), 0.0, None)
    assert float(found) == pytest.approx(float(reference[f"loss{place}"]), rel=1e-5)
    expected = reference[f"grad{place}"]
    assert_allclose(tape.gradient(found, predictions), expected, rtol=1e-4, atol=1e-5)


def test_temperature_divides_logits():
    logits = np.array([[-3.0, 0.5, 4.0]], np.float32)
    probabilities = 1 / (1 + np.exp(-logits))
    assert_allclose(softened(probabilities, 2.0), 1 / (1 + np.exp(-logits / 2)), atol=1e-3)
    teaching = Teaching(weight=1.0, temperature=2.0)
    labels = (np.zeros((1, 3), bool), np.array([[0.1, 0.4, 0.9]], np.float32))
    of_logits = taught(cross_entropy, teaching)(probabilities, labels, 0.0, logits)
    of_probabilities = taught(cross_entropy, teaching)(probabilities, labels, 0.0, None)
    assert float(of_logits) == pytest.approx(float(of_probabilities), rel=1e-3)
    target = np.array([1 / (1 + np.exp(-np.log(t / (1 - t)) / 2)) for t in (0.1, 0.4, 0.9)])
    soft = 1 / (1 + np.exp(-logits[0].astype(float) / 2))
    naive = -4 * (target * np.log(soft) + (1 - target) * np.log(1 - soft)).sum()
    assert float(of_logits) == pytest.approx(naive, rel=1e-3)


def batch(seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (6, 3, 6), dtype=np.uint8)
    return {"frames": frames}, rng.random((6, 5)) < 0.4, rng.random((6, 5), np.float32)


def trained(teaching, steps=3, **recipe):
    trainer = Trainer(
        registry.build("gated_netvlad", seed=2, **SMALL), Recipe(batch_size=6, teacher=teaching, **recipe)
    )
    for step in range(steps):
        inputs, labels, targets = batch(step)
        trainer.train_step(inputs if teaching is None else {**inputs, TARGETS: targets}, labels)
    return trainer


@pytest.mark.parametrize("accumulate", [1, 2])
def test_without_a_share_the_teacher_changes_nothing(accumulate):
    alone, other = (trained(teaching, accumulate=accumulate) for teaching in (None, Teaching(weight=0.0)))
    for name, values in alone.weights().items():
        assert_allclose(other.weights()[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.long
def test_a_teacher_of_labels_is_the_labels():
    """A teacher that says 0 and 1 as the labels do has their loss, whatever its share."""
    inputs, labels, _ = batch(0)
    losses = []
    for teaching in (None, Teaching(weight=0.3), Teaching(weight=1.0)):
        trainer = trained(teaching, steps=0)
        given = inputs if teaching is None else {**inputs, TARGETS: labels.astype(np.float32)}
        trainer.train_step(given, labels)
        losses.append(trainer.take_loss())
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)


def test_a_student_draws_near_its_teacher():
    inputs, labels, targets = batch(0)
    trainer = Trainer(
        registry.build("gated_netvlad", seed=2, **SMALL),
        Recipe(batch_size=6, learning_rate=0.02, batch_norm_decay=0.5, teacher=Teaching(weight=1.0)),
    )
    before = np.abs(trainer.predict(inputs) - targets).mean()
    for _ in range(60):
        trainer.train_step({**inputs, TARGETS: targets}, labels)
    assert np.abs(trainer.predict(inputs) - targets).mean() < 0.6 * before


def test_what_is_missing_is_told():
    inputs, labels, targets = batch(0)
    with pytest.raises(InputError, match="expected a teacher's predictions among a batch's inputs, got frames"):
        trained(Teaching(), steps=0).train_step(inputs, labels)
    with pytest.raises(InputError, match="expected no teacher's predictions"):
        trained(None, steps=0).train_step({**inputs, TARGETS: targets}, labels)
    with pytest.raises(InputError, match=r"teacher.weight must be less than or equal to 1, got 2.0"):
        Recipe(teacher={"weight": 2.0})
