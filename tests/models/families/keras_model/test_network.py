from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.models import registry
from gapsack.models.calibration import calibrate
from gapsack.models.checkpoints import reference_weights
from gapsack.models.tasks import Task
from gapsack.models.tasks.dense import DenseTask
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.training import Recipe, Trainer
from gapsack.selection.errors import InputError

Options = Callable[..., dict[str, Any]]
Batch = tuple[dict[str, np.ndarray], np.ndarray]


def _trainer(options: dict[str, Any], task: Task, seed: int = 3, **recipe: Any) -> Trainer:
    settings = {"batch_size": 16, "learning_rate": 0.01, "steps": 100, **recipe}
    return Trainer(registry.build("keras_model", seed=seed, **options), Recipe(**settings), task.loss)


def _losses(trainer: Trainer, batch: Batch, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        trainer.train_step(*batch)
        losses.append(trainer.take_loss())
    return losses


@pytest.mark.parametrize("function", ["dense", "convolution", "gru", "sequential", "subclass"])
def test_steps_lower_the_loss_and_give_probabilities(
    options: Options, task: YouTube8M, batch: Batch, function: str
) -> None:
    trainer = _trainer(options(function), task)
    losses = _losses(trainer, batch, 5)
    probabilities = trainer.predict(batch[0])

    assert losses[-1] < losses[0]
    assert probabilities.shape == (16, 20)
    assert probabilities.dtype == np.float32
    assert 0 <= probabilities.min() <= probabilities.max() <= 1


@pytest.mark.parametrize("compute", ["bfloat16", "float16"])
@pytest.mark.parametrize("function", ["dense", "convolution", "gru"])
def test_narrow_types_train_like_float32_and_leave_probabilities_fine(
    options: Options, task: YouTube8M, batch: Batch, function: str, compute: str
) -> None:
    exact, narrow = (_trainer(options(function), task, compute=kind) for kind in ("float32", compute))
    found = narrow.predict(batch[0])

    np.testing.assert_allclose(found, exact.predict(batch[0]), atol=0.02)
    assert not np.array_equal(found, exact.predict(batch[0]))
    assert len(np.unique(found)) > 200  # bfloat16 has no more than 128 values from 0.5 to 1
    np.testing.assert_allclose(_losses(narrow, batch, 3), _losses(exact, batch, 3), rtol=0.1)


def test_training_resumes_to_the_bit_with_dropout(options: Options, task: YouTube8M, batch: Batch) -> None:
    whole = _trainer(options("dense", rate=0.5), task)
    _losses(whole, batch, 2)
    state = whole.state()
    expected = _losses(whole, batch, 3)

    resumed = _trainer(options("dense", rate=0.5), task, seed=9)
    resumed.load_state(state)

    assert _losses(resumed, batch, 3) == expected
    assert any(name.startswith("seeds/") for name in state)
    for name, array in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], array, err_msg=name)


def test_initial_weights_follow_from_the_seed_and_no_generator_moves(options: Options) -> None:
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002

    weights = [reference_weights(registry.build("keras_model", seed=seed, **options("dense"))) for seed in (1, 1, 2)]

    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    np.testing.assert_array_equal(weights[0]["dense/kernel"], weights[1]["dense/kernel"])
    assert not np.array_equal(weights[0]["dense/kernel"], weights[2]["dense/kernel"])


def test_batch_norm_keeps_the_share_that_the_recipe_says(options: Options, task: YouTube8M, batch: Batch) -> None:
    trainer = _trainer(options("dense"), task, batch_norm_decay=0.75)
    _losses(trainer, batch, 1)

    variance = trainer.weights()["batch_normalization/moving_variance"]
    fresh = (variance - 0.75) / 0.25
    slow = _trainer(options("dense"), task, batch_norm_decay=0.5)
    _losses(slow, batch, 1)
    np.testing.assert_allclose(
        slow.weights()["batch_normalization/moving_variance"], 0.5 + 0.5 * fresh, rtol=1e-4, atol=1e-5
    )


def test_moments_of_dense_layers_are_those_of_their_inputs(options: Options, task: YouTube8M, batch: Batch) -> None:
    model = registry.build("keras_model", **options("sequential"))
    found = calibrate(model, [batch[0]])

    features = np.asarray(task.features(batch[0])["frames"]).mean(axis=1)
    assert set(found) == {"sequential/dense/kernel", "sequential/dense_1/kernel"}
    np.testing.assert_allclose(
        found["sequential/dense/kernel"][0, :20, :20], features.T @ features / 16, rtol=1e-4, atol=1e-5
    )
    assert set(calibrate(model, [batch[0]])) == set(found)  # the layers are themselves again


def test_padding_is_zero_however_long_it_is(options: Options, batch: Batch) -> None:
    model = registry.build("keras_model", **options("subclass", frames="all"))
    frames, count = batch[0]["frames"], np.arange(16).astype(np.int32) % 10 + 1
    frames = np.where(np.arange(10)[None, :, None] < count[:, None, None], frames, 0).astype(np.uint8)
    longer = np.concatenate([frames, np.zeros((16, 5, 20), np.uint8)], axis=1)
    short, long = (
        np.asarray(model({"frames": given, "num_frames": count}, training=False)) for given in (frames, longer)
    )

    np.testing.assert_allclose(short, long, rtol=1e-5)


def test_other_tasks_have_their_own_inputs(options: Options) -> None:
    rng = np.random.default_rng(0)
    dense = DenseTask((("table", (6,)), ("image", (4, 4))), 5)
    video = YouTube8M("video", 20, 16, 4)
    for task, function in ((dense, "arrays"), (video, "dense")):
        inputs = task.example_inputs(rng, 16)
        labels = np.eye(task.classes, dtype=bool)[rng.integers(0, task.classes, 16)]
        losses = _losses(_trainer(options(function, task), task), (inputs, labels), 4)
        assert losses[-1] < losses[0]


def test_outputs_that_are_no_probabilities_are_told_before_training(options: Options) -> None:
    with pytest.raises(InputError, match=r"expected probabilities from 0 to 1 .*: end with a sigmoid or a softmax"):
        registry.build("keras_model", **options("logits"))


def test_a_changed_builder_is_told(options: Options, tmp_path: Path) -> None:
    complete = options("sequential")
    file = tmp_path / "model.py"
    shutil.copy(complete["builder"].rpartition(":")[0], file)
    family = registry.family("keras_model")
    assert family.located is not None
    known = {**family.located({"builder": "model.py:sequential"}, tmp_path), "task": complete["task"]}
    registry.build("keras_model", **known)  # a warning would be an error here

    file.write_text(file.read_text() + "# changed\n")
    with pytest.warns(UserWarning, match="as it was when a grid named it"):
        registry.build("keras_model", **known)
