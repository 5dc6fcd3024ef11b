"""The trainer on a gated NetVLAD; `tests/contracts/test_backend.py` holds what every backend must do."""

from functools import partial

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, registry
from gapsack.models.training import Recipe, Trainer
from gapsack.selection.errors import InputError

SMALL = {"clusters": 4, "hidden": 8, "classes": 12, "mixtures": 3, "rgb": 16, "audio": 4}
RECIPE = Recipe(batch_size=6, learning_rate=0.01)


def replace(recipe, **changes):
    """The recipe with other values, checked as a new one is."""
    return Recipe.model_validate(dict(recipe) | changes)


def make_batches(count, rows=6, seed=0):
    generator = np.random.default_rng(seed)
    return [
        (generator.integers(0, 256, (rows, 5, 20), dtype=np.uint8), generator.random((rows, 12)) < 0.2)
        for _ in range(count)
    ]


def make_trainer(recipe=RECIPE, **hyperparameters):
    return Trainer(registry.build("gated_netvlad", seed=2, **(SMALL | hyperparameters)), recipe)


def losses(trainer, batches):
    taken = []
    for frames, labels in batches:
        trainer.train_step({"frames": frames}, labels)
        taken.append(trainer.take_loss())
    return taken


def test_losses_of_the_authors_formulation():
    plain_step = pytest.importorskip("benchmarks.plain_step", reason="needs TensorFlow and the benchmarks folder")
    trainer = make_trainer()
    start = {name: values.copy() for name, values in trainer.weights().items()}
    plain = plain_step.PlainTrainer(SMALL, start, learning_rate=0.01)
    batches = make_batches(20)
    expected = [plain.train_step(frames, labels) for frames, labels in batches]
    assert_allclose(losses(trainer, batches), expected, rtol=1e-4)
    for name, values in trainer.weights().items():
        assert_allclose(values, plain.w[name.removeprefix("tower/")].numpy(), rtol=2e-3, atol=2e-3, err_msg=name)


def test_training_learns():
    trainer, batches = make_trainer(), make_batches(2) * 30
    taken = losses(trainer, batches)
    assert taken[-1] < 0.5 * taken[0]
    assert trainer.step == 60


def test_a_state_that_does_not_fit_is_named_and_changes_nothing():
    trainer, other = make_trainer(), make_trainer(replace(RECIPE, ema_decay=0.9), hidden=7)
    before = trainer.state()
    with pytest.raises(InputError, match=r"average/tower/gates/weights is unknown.*adam_m/.* has shape .*, expected"):
        trainer.load_state(other.state())
    for name, values in trainer.state().items():
        assert_array_equal(values, before[name])


def test_batches_of_another_size_are_refused():
    [(frames, labels)] = make_batches(1)
    with pytest.raises(InputError, match="a batch of 6 examples, got frames of 5 and labels of 6"):
        make_trainer().train_step({"frames": frames[:5]}, labels)


def test_loaded_weights_are_predicted_with_and_the_state_brings_training_back():
    trainer, batches = make_trainer(replace(RECIPE, ema_decay=0.5)), make_batches(4)
    losses(trainer, batches[:2])
    state = trainer.state()
    undisturbed = losses(trainer, batches[2:])
    other = make_trainer().weights()
    trainer.load_weights(other)
    assert_array_equal(trainer.predict({"frames": batches[0][0]}), make_trainer().predict({"frames": batches[0][0]}))
    trainer.load_state(state)
    assert losses(trainer, batches[2:]) == undisturbed


# Options: each against what it is defined to be.


def test_the_schedules():
    paper = Recipe(batch_size=100, decay_examples=1000)
    assert [paper.learning_rate_at(step) for step in (0, 9, 10, 25)] == pytest.approx([1e-4, 1e-4, 8e-5, 6.4e-5])
    warm = replace(paper, warmup_steps=4)
    assert [warm.learning_rate_at(step) for step in range(5)] == pytest.approx([2.5e-5, 5e-5, 7.5e-5, 1e-4, 1e-4])
    cosine = Recipe(batch_size=100, warmup_steps=4, schedule="cosine", steps=12)
    assert [cosine.learning_rate_at(step) for step in (3, 4, 8, 12, 99)] == pytest.approx([1e-4, 1e-4, 5e-5, 0, 0])


def test_the_step_follows_the_schedule():
    batches = make_batches(2)
    still = make_trainer(replace(RECIPE, decay_examples=6, decay_rate=1e-9))
    moved = losses(still, batches)
    before = still.weights()
    losses(still, batches)  # on the third stair the rate is 1e-20
    for name, values in still.weights().items():
        if "moving" not in name:
            assert_array_equal(values, before[name])
    assert moved[0] == losses(make_trainer(), batches)[0]


def test_label_smoothing_and_l2_in_the_loss():
    [(frames, labels)] = make_batches(1)
    recipe = replace(RECIPE, label_smoothing=0.1, l2=0.01)
    trainer = make_trainer(recipe)
    weights = trainer.weights()
    p = keras.ops.convert_to_numpy(trainer.model({"frames": frames}, training=True)).astype(np.float64)
    y = np.where(labels, 0.95, 0.05)
    entropy = -(y * np.log(p + 1e-5) + (1 - y) * np.log(1 - p + 1e-5)).sum(1).mean()
    l2 = sum((weights[name].astype(np.float64) ** 2).sum() for name in ("tower/gates/weights", "tower/experts/weights"))
    assert_allclose(losses(trainer, [(frames, labels)]), entropy + 0.01 / 2 * l2, rtol=1e-5)


def test_l2_pulls_on_gates_and_experts_only():
    batches = make_batches(1)
    plain, pulled = (make_trainer(replace(RECIPE, l2=l2, clip_norm=None)) for l2 in (0.0, 1.0))
    for trainer in (plain, pulled):
        losses(trainer, batches)
    name = "adam_m/tower/{}/weights".format
    for tensor in ("gates", "experts"):
        weight = make_trainer().weights()[f"tower/{tensor}/weights"]
        assert_allclose(pulled.state()[name(tensor)], plain.state()[name(tensor)] + 0.1 * weight, rtol=1e-4, atol=1e-6)
    same = "adam_m/tower/gating_prob_weights"
    assert_allclose(pulled.state()[same], plain.state()[same], rtol=1e-5, atol=1e-8)


def test_one_way_of_clipping_only():
    with pytest.raises(InputError, match="expected clip_norm: null with global_clip_norm"):
        Recipe(global_clip_norm=1.0)


def test_the_moving_average_of_the_weights_is_what_is_evaluated():
    trainer, batches = make_trainer(replace(RECIPE, ema_decay=0.75)), make_batches(4)
    expected = {name: values.astype(np.float64) for name, values in make_trainer().weights().items()}
    for batch in batches:
        losses(trainer, [batch])
        for name, values in checkpoints.reference_weights(trainer.model).items():
            expected[name] = 0.75 * expected[name] + 0.25 * values
    for name, values in trainer.weights().items():
        assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    evaluated = make_trainer()
    evaluated.load_weights(trainer.weights())
    frames = batches[0][0]
    assert_allclose(trainer.predict({"frames": frames}), evaluated.predict({"frames": frames}), atol=1e-6)
    assert (
        np.abs(
            trainer.predict({"frames": frames}) - keras.ops.convert_to_numpy(trainer.model({"frames": frames}))
        ).max()
        > 1e-4
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ({"accumulate": 2}, {"xla": True}, {"kernels": "plain"})
        ),
    ],
    ids=str,
)
def test_the_moving_average_of_loaded_weights_begins_at_them_and_has_their_statistics(options):
    """The winners' phase: averages start at a checkpoint, and every step moves them, batch norm's statistics too."""
    trainer, batches = make_trainer(replace(RECIPE, ema_decay=0.75, **options)), make_batches(3)
    rng = np.random.default_rng(3)
    loaded = {
        name: rng.uniform(0.1, 0.3, values.shape).astype(np.float32) for name, values in trainer.weights().items()
    }
    trainer.load_weights(loaded)
    state = trainer.state()
    for name, values in loaded.items():
        assert_array_equal(state[f"average/{name}"], values)
        assert_array_equal(state[f"weights/{name}"], values)
    assert not any(np.any(values) for name, values in state.items() if name.startswith("adam"))
    assert state["step"] == state["updates"] == 0
    expected = {name: values.astype(np.float64) for name, values in loaded.items()}
    for batch in batches:
        losses(trainer, [batch])
        for name, values in checkpoints.reference_weights(trainer.model).items():
            expected[name] = 0.75 * expected[name] + 0.25 * values
    statistics = [name for name in loaded if "moving" in name]
    assert statistics
    for name, values in trainer.weights().items():
        assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    for name in statistics:
        assert np.abs(expected[name] - loaded[name]).max() > 1e-4, name
        assert np.abs(expected[name] - checkpoints.reference_weights(trainer.model)[name]).max() > 1e-4, name


def test_accumulated_parts_have_the_mean_gradient():
    # Two equal halves have the statistics of one of them, so the gradient must be that of one half.
    [(frames, labels)] = make_batches(1, rows=3)
    doubled = np.concatenate([frames, frames]), np.concatenate([labels, labels])
    half, parts = make_trainer(replace(RECIPE, batch_size=3)), make_trainer(replace(RECIPE, accumulate=2))
    assert_allclose(losses(half, [(frames, labels)]), losses(parts, [doubled]), rtol=1e-6)
    expected, got = half.state(), parts.state()
    for name, values in expected.items():
        if name.startswith("adam_m/"):
            assert_allclose(got[name], values, rtol=1e-4, atol=1e-7, err_msg=name)
    # The moving statistics advance once for each part.
    mean = "weights/tower/hidden1_bn/moving_mean"
    assert_allclose(got[mean], expected[mean] * (1 + 0.999), rtol=1e-4, atol=1e-8)


def test_moving_statistics_keep_the_share_that_the_recipe_says():
    [(frames, labels)] = make_batches(1)
    mean, variance = (f"weights/tower/hidden1_bn/moving_{name}" for name in ("mean", "variance"))
    slow, fast = make_trainer(), make_trainer(replace(RECIPE, batch_norm_decay=0.9))
    for trainer in (slow, fast):
        trainer.train_step({"frames": frames}, labels)
    # From an initial mean of 0 and variance of 1.
    assert_allclose(fast.state()[mean], slow.state()[mean] * 100, rtol=1e-3, atol=1e-7)
    assert_allclose(fast.state()[variance] - 1, (slow.state()[variance] - 1) * 100, rtol=1e-2, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"weight_decay": 1.0, "ema_decay": 0.9, "accumulate": 2}], ids=str)
def test_xla_changes_no_result(options):
    batches = make_batches(8)
    recipe = replace(RECIPE, **options)
    with_xla, without = (make_trainer(replace(recipe, xla=xla)) for xla in (True, False))
    assert_allclose(losses(with_xla, batches), losses(without, batches), rtol=2e-5)
    assert_allclose(with_xla.predict({"frames": batches[0][0]}), without.predict({"frames": batches[0][0]}), atol=1e-3)


def test_every_problem_of_a_recipe_is_named():
    wrong = partial(
        Recipe,
        learning_rate=0.0,
        steps=0,
        schedule="linear",
        decay_rate=1.5,
        decay_examples=0,
        warmup_steps=-1,
        batch_size=0,
        clip_norm=0.0,
        l2=-1.0,
        weight_decay=float("nan"),
        label_smoothing=1.0,
        ema_decay=1.0,
        accumulate=0,
        compute="int8",
    )
    with pytest.raises(InputError) as caught:
        wrong()
    for name in wrong.keywords:
        assert f"{name} must be" in str(caught.value)
    with pytest.raises(InputError, match="schedule must be 'staircase' or 'cosine', got 'linear'"):
        Recipe(schedule="linear")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"batch_size": 7, "accumulate": 2}, "expected accumulate to divide batch_size 7, got 2"),
        ({"schedule": "cosine", "decay_rate": 0.5}, "expected no decay_rate with schedule: cosine"),
        ({"schedule": "cosine", "steps": 3, "warmup_steps": 3}, "expected warmup_steps below steps 3, got 3"),
        ({"learning_rat": 0.1}, "learning_rat"),
    ],
)
def test_what_does_not_go_together_in_a_recipe_is_told(given, told):
    with pytest.raises(InputError, match=told):
        Recipe(**given)


def test_the_kernels_that_ran_are_told():
    assert make_trainer(replace(RECIPE, kernels="plain")).kernels == "plain"
    by_choice = "cpu" if keras.backend.backend() == "tensorflow" else "plain"
    assert make_trainer().kernels == by_choice
    assert make_trainer(replace(RECIPE, xla=True)).kernels == "plain"


def test_kernels_that_cannot_run_are_refused():
    with pytest.raises(InputError, match="auto or plain with xla: true, got cpu"):
        replace(RECIPE, kernels="cpu", xla=True)
    with pytest.raises(InputError, match="training recipe: kernels"):
        replace(RECIPE, kernels="fast")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the plug-in is TensorFlow's")
def test_a_missing_plug_in_is_an_error_only_where_it_is_asked_for(monkeypatch):
    from gapsack.models.training.backends import kernel_plugins

    monkeypatch.setattr(kernel_plugins, "entry_points", lambda **_: ())
    assert make_trainer().kernels == "plain"
    with pytest.raises(InputError, match="expected an installed package with the entry point cpu"):
        make_trainer(replace(RECIPE, kernels="cpu"))
