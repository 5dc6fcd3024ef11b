from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, registry, sizes
from gapsack.models.tasks import View
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training import Recipe
from gapsack.models.training.trainer import Trainer
from gapsack.selection.errors import InputError

SMALL = {"clusters": 5, "hidden": 6, "classes": 7, "mixtures": 2, "rgb": 8, "audio": 3}
PUBLISHED = {"clusters": 8192, "hidden": 1024, "classes": 3862}
FIRST_MOMENT_SHARE = 0.1  # of the gradient, in Adam's first moment after one step


@pytest.fixture(scope="module")
def reference(golden):
    """Weights, videos, labels and results of the starter's own graph."""
    path = golden / "families" / "dbof.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the reference outputs")
    return dict(np.load(path))


def sampled(reference, index):
    """The frames that the starter's graph drew, [batch, window, features]."""
    return np.take_along_axis(reference["frames_uint8"], reference[index][..., None], axis=1)


def weights_of(reference):
    return {name[2:]: values for name, values in reference.items() if name.startswith("w:")}


def built(reference):
    shape = {name: int(reference[short]) for name, short in zip(SMALL, "CHVM", strict=False)}
    model = registry.build("dbof", **shape)
    checkpoints.load_reference_weights(model, weights_of(reference))
    return model


def one_step(model, frames, labels, **recipe):
    """A trainer after one step, in which nothing is added to the gradients of the loss, and nothing clipped."""
    trainer = Trainer(
        model,
        Recipe(batch_size=len(frames), clip_norm=None, l2=0, **recipe),
        YouTube8M("frame", labels.shape[1]).loss,
    )
    trainer.train_step({"frames": frames}, labels)
    return trainer


def gradients(trainer):
    state = trainer.state()
    return {
        name.removeprefix("adam_m/"): values / FIRST_MOMENT_SHARE
        for name, values in state.items()
        if name.startswith("adam_m/")
    }


def test_the_starters_forward_pass(reference):
    predictions = np.asarray(built(reference)({"frames": sampled(reference, "frame_index")}))
    assert_allclose(predictions, reference["predictions"], rtol=0, atol=1e-5)


def test_the_starters_training_pass(reference):
    predictions = np.asarray(built(reference)({"frames": sampled(reference, "train_frame_index")}, training=True))
    assert_allclose(predictions, reference["train_predictions"], rtol=0, atol=1e-5)


def test_the_loss_in_evaluation(reference):
    predictions = built(reference)({"frames": sampled(reference, "frame_index")})
    loss = YouTube8M("frame", 30).loss(predictions, reference["labels"].astype(bool), 0.0)
    assert float(loss) == pytest.approx(float(reference["eval_loss"]), abs=1e-4)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "xla"])
def step(request, reference):
    """The state after one step on the starter's batch, from its weights."""
    frames, labels = sampled(reference, "train_frame_index"), reference["labels"].astype(bool)
    return one_step(built(reference), frames, labels, xla=request.param)


def test_the_loss_in_training(reference, step):
    assert float(step.state()["loss_sum"]) == pytest.approx(float(reference["loss"]), abs=1e-4)


def test_the_starters_gradients(reference, step):
    found = gradients(step)
    expected = {name[5:]: values for name, values in reference.items() if name.startswith("grad:")}
    assert set(found) == set(expected) and len(found) == 11
    for name, gradient in expected.items():
        place = reference.get(f"gradindex:{name}")
        ours = found[name] if place is None else found[name].reshape(-1)[place]
        limit = 1e-5 + 1e-3 * np.abs(gradient).max()
        assert_allclose(ours, gradient, rtol=0, atol=limit, err_msg=name)
        norm = float(reference[f"gradnorm:{name}"])
        assert np.linalg.norm(found[name]) == pytest.approx(norm, rel=1e-3, abs=2e-5), name


def test_moving_statistics_take_the_unbiased_variance(reference, step):
    state = step.state()
    expected = {name[8:]: values for name, values in reference.items() if name.startswith("updated:")}
    assert len(expected) == 6
    for name, values in expected.items():
        assert_allclose(state[f"weights/{name}"], values, rtol=0, atol=1e-6, err_msg=name)


def test_the_l2_term_is_on_gates_and_experts(reference):
    weights = weights_of(reference)
    decayed = [tensor.name for tensor in sizes.tensors("dbof", {**PUBLISHED}) if tensor.decayed]
    assert decayed == ["tower/gates/weights", "tower/experts/weights"]
    penalty = 1e-8 / 2 * sum(float(np.square(weights[name], dtype=np.float64).sum()) for name in decayed)
    assert penalty == pytest.approx(float(reference["l2_loss"]), rel=1e-5)


def test_published_sizes():
    tensors = sizes.tensors("dbof", PUBLISHED)
    assert len(tensors) == 17
    assert [tensor.group for tensor in tensors if tensor.group] == ["clusters", "hidden1", "gates", "experts"]
    assert round(sizes.parameter_count("dbof", PUBLISHED) / 1e6, 2) == 37.65
    assert round(sizes.size_bytes("dbof", PUBLISHED, "float32") / 2**20, 1) == 143.6
    assert round(sizes.size_bytes("dbof", PUBLISHED, "float16") / 2**20, 1) == 71.9


def _naive(weights, frames, activation, pooling):
    """The architecture again, one video at a time, in float64."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    active = {"relu6": lambda x: np.clip(x, 0, 6), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    act, pool = active[activation], {"max": np.max, "average": np.mean}[pooling]

    def norm(x, scope):
        centred = (x - w[f"{scope}/moving_mean"]) / np.sqrt(w[f"{scope}/moving_variance"] + 1e-3)
        return centred * w[f"{scope}/gamma"] + w[f"{scope}/beta"]

    V, M = SMALL["classes"], SMALL["mixtures"]
    answers = []
    for video in frames.astype(np.float64) * 4 / 255 + 4 / 512 - 2:
        unit = video / np.linalg.norm(video, axis=1, keepdims=True)
        scores = norm(norm(unit, "tower/input_bn") @ w["tower/cluster_weights"], "tower/cluster_bn")
        hidden = act(norm(pool(act(scores), axis=0) @ w["tower/hidden1_weights"], "tower/hidden1_bn"))
        gates = (hidden @ w["tower/gates/weights"]).reshape(V, M + 1)
        experts = (hidden @ w["tower/experts/weights"] + w["tower/experts/biases"]).reshape(V, M)
        share = np.exp(gates) / np.exp(gates).sum(axis=1, keepdims=True)
        answers.append((share[:, :M] / (1 + np.exp(-experts))).sum(axis=1))
    return np.array(answers)


def random_weights(hyperparameters):
    generator = np.random.default_rng(3)
    return {
        tensor.name: generator.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
        for tensor in sizes.tensors("dbof", hyperparameters)
    }


@pytest.mark.parametrize("activation", ["relu6", "sigmoid"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_against_the_architecture_written_out(activation, pooling):
    hyperparameters = {**SMALL, "activation": activation, "pooling": pooling}
    weights = random_weights(hyperparameters)
    frames = np.random.default_rng(0).integers(0, 256, (9, 4, 11), dtype=np.uint8)
    model = registry.build("dbof", **hyperparameters)
    checkpoints.load_reference_weights(model, weights)
    expected = _naive(weights, frames, activation, pooling)
    assert_allclose(np.asarray(model({"frames": frames})), expected, rtol=0, atol=2e-6)
    features = frames.astype(np.float32) * (4 / 255) + (4 / 512 - 2)
    assert_allclose(np.asarray(model({"frames": features})), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("window", [20, 45])
def test_large_matrices_of_many_rows_have_the_same_gradients(window):
    """On a CPU some products leave TensorFlow; those of clusters have a row a frame, others a row a video."""
    # The mean of the frames: of two that are nearly the largest, rounding decides which one has the gradient.
    hyperparameters = {"clusters": 512, "hidden": 128, "classes": 7, "rgb": 120, "audio": 8, "pooling": "average"}
    frames = np.random.default_rng(1).integers(0, 256, (6, window, 128), dtype=np.uint8)
    labels = np.random.default_rng(2).random((6, 7)) < 0.3
    plain, compiled = (
        gradients(one_step(registry.build("dbof", **hyperparameters), frames, labels, xla=xla)) for xla in (False, True)
    )
    for name, gradient in compiled.items():
        # Products are added in another order: one element of 128 was 1.1e-4 of the largest apart on one machine.
        assert_allclose(plain[name], gradient, rtol=0, atol=1e-6 + 3e-4 * np.abs(gradient).max(), err_msg=name)


def test_initial_weights_follow_the_seed_alone():
    first, again, other = (
        checkpoints.reference_weights(registry.build("dbof", seed=seed, **SMALL)) for seed in (4, 4, 5)
    )
    for name, values in first.items():
        assert_array_equal(values, again[name])
    assert not np.array_equal(first["tower/gates/weights"], other["tower/gates/weights"])


def test_initial_deviations_are_the_starters():
    deviations = {tensor.name: tensor.deviation for tensor in sizes.tensors("dbof", PUBLISHED)}
    assert deviations["tower/cluster_weights"] == pytest.approx(1152**-0.5)
    assert deviations["tower/hidden1_weights"] == pytest.approx(8192**-0.5)
    assert deviations["tower/experts/weights"] == pytest.approx((2 / (1024 + 2 * 3862)) ** 0.5)


def test_activations_of_a_frame_are_its_features_and_assignments():
    count = partial(registry.family("dbof").activation_count, {**PUBLISHED, "mixtures": 2, "rgb": 1024, "audio": 128})
    assert count(View(31)) - count(View(30)) == 1152 + 8192
    assert count(View(0)) == (8192 + 1024) + (1024 + 3 * 3862) + (1024 + 2 * 3862)


def test_what_is_wrong_is_told():
    with pytest.raises(InputError, match="activation must be one of relu6, sigmoid, got 'tanh'"):
        registry.build("dbof", **SMALL, activation="tanh")
    with pytest.raises(ValueError, match=r"\[batch, frames, 11\], got \(2, 4, 12\)"):
        registry.build("dbof", **SMALL)({"frames": np.zeros((2, 4, 12), np.uint8)})
