"""What every backend of training must do: TensorFlow by itself, TensorFlow with the CPU plug-in, and JAX.

A small perceptron, one of whose matrices is large enough for the plug-in, is trained by each of them; what they did is
held against the same training in numpy, and against each other. Keras has one backend a process, so `record` runs all
of it on JAX in a process of its own, once, while this one runs it on TensorFlow.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from gapsack.models.calibration import calibrate, group_moments
from gapsack.models.errors import TrainingError
from gapsack.models.tensors import Tensor, batch_norm
from gapsack.models.training import Pruning, Recipe, Trainer

Arrays = dict[str, NDArray[Any]]
Batch = tuple[Arrays, NDArray[np.bool_]]

WIDTH, CLASSES, BATCH_SIZE, STEPS = 256, 12, 6, 6
HIDDEN, BIASES, OUT = "net/hidden/weights", "net/hidden/biases", "net/out/weights"
MEAN = "weights/net/norm/moving_mean"
TENSORS = (
    Tensor(HIDDEN, (WIDTH, WIDTH), deviation=1 / 16, group="hidden", decayed=True),  # 2**16 values: the plug-in's own
    Tensor(BIASES, (WIDTH,), deviation=0.1),
    Tensor(OUT, (WIDTH, CLASSES), deviation=1 / 16, group="out"),
)
RECIPE = Recipe(batch_size=BATCH_SIZE, learning_rate=1e-3, steps=STEPS, clip_norm=None, l2=0.0)
PRUNING = Pruning(sparsity=0.75, begin_step=0, end_step=5, every_steps=2)

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "penalty, smoothing, each tensor clipped": {"l2": 0.05, "label_smoothing": 0.1, "clip_norm": 5.0},
    "decay, moving average, all clipped": {
        **{"weight_decay": 2.0, "ema_decay": 0.75, "global_clip_norm": 0.1, "l2": 0.05},
        **{"schedule": "cosine", "warmup_steps": 3},
    },
    "accumulation": {"accumulate": 3},
    "pruning": {"pruning": PRUNING, "ema_decay": 0.5},
}
"""Trainings that numpy does as well."""

RESUMED: dict[str, dict[str, Any]] = {
    "paper": {"clip_norm": 1.0, "l2": 1e-6},
    "options": {
        **{"compute": "float16", "pruning": PRUNING, "accumulate": 2, "ema_decay": 0.9, "weight_decay": 0.5},
        **{"schedule": "cosine", "warmup_steps": 2, "global_clip_norm": 1.0},
    },
}
"""Trainings, with dropout and batch norm, that are interrupted."""

LOSS_TOLERANCE = 2e-5
"""Relative, of each step's loss."""
GRADIENT_TOLERANCE = 1e-4
"""Of the largest gradient of a tensor, in the first step."""
WEIGHT_TOLERANCE = 2e-3
"""Of weights after the training, absolute, for one in a thousand of them: where a gradient is nearly 0 its rounding
decides the sign of Adam's first steps. All others are within a twentieth of it."""
NARROW_TOLERANCE = 0.02
"""Relative, of losses with bfloat16 and float16 products."""


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(dict(RECIPE) | changes)


def batches(count: int, rows: int = BATCH_SIZE) -> list[Batch]:
    generator = np.random.default_rng(3)
    return [
        ({"values": generator.standard_normal((rows, WIDTH), np.float32)}, generator.random((rows, CLASSES)) < 0.2)
        for _ in range(count)
    ]


def make_trainer(changes: Mapping[str, Any], kernels: str, *, noisy: bool = False) -> Trainer:
    """A trainer of the perceptron; `noisy` adds batch norm and dropout, which numpy is not asked to follow."""
    import keras
    from keras import ops

    from gapsack.models.layers.base import Network
    from gapsack.models.layers.batch_norm import BatchNorm
    from gapsack.models.layers.dense import Dense

    class Perceptron(Network):
        def __init__(self, tensors: tuple[Tensor, ...], seed: int) -> None:
            super().__init__(tensors, seed)
            self.hidden = Dense(self.table, HIDDEN, seed, biases=BIASES)
            self.out = Dense(self.table, OUT, seed)
            self.norm = BatchNorm(self.table, "net/norm", seed) if noisy else None
            self.dropout = keras.layers.Dropout(0.3, seed=seed, dtype="float32") if noisy else None

        def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
            hidden = ops.relu(self.hidden(inputs["values"]))
            if self.norm is not None and self.dropout is not None:
                hidden = self.dropout(self.norm(hidden, training=training), training=training)
            return ops.sigmoid(self.out(hidden))

    tensors = (*TENSORS, *batch_norm("net/norm", WIDTH)) if noisy else TENSORS
    return Trainer(Perceptron(tensors, seed=5), recipe(**changes, kernels=kernels))


@cache
def plain_trainer(kernels: str) -> tuple[Trainer, Arrays]:
    """One without options, and its beginning: compiling takes longer than all else here."""
    trainer = make_trainer({}, kernels)
    return trainer, trainer.state()


def fresh_plain(kernels: str) -> Trainer:
    """The plain trainer at its beginning again."""
    trainer, beginning = plain_trainer(kernels)
    trainer.load_state(beginning)
    return trainer


def train(trainer: Trainer, given: Sequence[Batch]) -> list[float]:
    """Losses of the steps."""
    losses = []
    for inputs, labels in given:
        trainer.train_step(inputs, labels)
        losses.append(trainer.take_loss())
    return losses


def named(prefix: str, values: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def under(prefix: str, found: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name.removeprefix(f"{prefix}/"): found[name] for name in found if name.startswith(f"{prefix}/")}


# What a backend does. Each gives arrays, so that it can be done in another process.


def follow_options(option: str, kernels: str) -> Arrays:
    """A training: state after the first step, and how it ends."""
    changes, given = OPTIONS[option], batches(STEPS)
    trainer = make_trainer(changes, kernels) if changes else fresh_plain(kernels)
    first = train(trainer, given[:1])
    after = trainer.state()
    losses = first + train(trainer, given[1:])
    evaluated = trainer.weights()
    trained = {tensor.name: trainer.state()[f"weights/{tensor.name}"] for tensor in TENSORS}
    found = named("first", after) | named("evaluated", evaluated) | named("trained", trained)
    if "ema_decay" in changes:
        found["predicted"] = trainer.predict(given[0][0])
    return found | {"losses": np.array(losses)}


def interrupt(option: str, kernels: str) -> Arrays:
    """A training beside one that was interrupted after three steps, and the state in between."""
    given = batches(STEPS)
    whole, resumed = (make_trainer(RESUMED[option], kernels, noisy=True) for _ in range(2))
    first = train(whole, given[:3])
    state = whole.state()
    rest = train(whole, given[3:])
    resumed.load_state(state)
    again = train(resumed, given[3:])
    ends = named("whole", whole.state()) | named("resumed", resumed.state())
    return ends | named("state", state) | {"losses": np.array(first + rest), "again": np.array(again)}


def narrow(compute: str, kernels: str) -> Arrays:
    trainer, given = make_trainer({"compute": compute}, kernels), batches(STEPS)
    start = trainer.state()
    found = {"losses": np.array(train(trainer, given))} | named("weights", trainer.weights())
    if compute == "float16":
        trainer.load_state(start | {"loss_scale": np.array(2.0**126, np.float32)})
        train(trainer, given[:1])
        found |= named("start", start) | named("overflowed", trainer.state())
        trainer.load_state(start | {"steady_updates": np.array(1999, np.int32), "loss_scale": np.array(4, np.float32)})
        train(trainer, given[:1])
        found |= named("steady", trainer.state())
    return found


def tell_losses(kernels: str) -> Arrays:
    """Losses of one batch again and again; some that are taken together; and one that is not finite."""
    trainer, given = fresh_plain(kernels), batches(3)
    start = trainer.state()
    repeated = train(trainer, given[:1] * 4)
    trainer.load_state(start)
    single = train(trainer, given)
    trainer.load_state(start)
    for inputs, labels in given:
        trainer.train_step(inputs, labels)
    together = [trainer.take_loss(), trainer.take_loss()]
    inputs, labels = given[0]
    trainer.load_state(start)
    # Not NaN: a backend's relu may make 0 of it. Infinite sums of both signs cancel to NaN.
    for values in (inputs["values"], np.full_like(inputs["values"], 3e38), inputs["values"]):
        trainer.train_step({"values": values}, labels)
    with pytest.raises(TrainingError) as caught:
        trainer.take_loss()
    losses = {"repeated": repeated, "single": single, "together": together, "error": str(caught.value)}
    return {name: np.array(values) for name, values in losses.items()}


def answer(kernels: str) -> Arrays:
    """Predictions, of whole and of smaller batches, and lists of the likeliest classes."""
    from keras import ops

    trainer = fresh_plain(kernels)
    inputs = batches(1, rows=9)[0][0]
    found = {"own": np.asarray(ops.convert_to_numpy(trainer.model(inputs)))}
    for rows in (9, 4, 1):
        found[f"rows/{rows}"] = trainer.predict({"values": inputs["values"][:rows]})
    weights = trainer.weights()
    weights[OUT][...] = 0  # every class gets the same probability
    weights[OUT][:, [7, 2]] = 1  # but for two that tie above the rest
    trainer.load_weights(weights)
    found["all"] = trainer.predict(inputs)
    for k in (3, 50):
        found[f"classes/{k}"], found[f"scores/{k}"] = trainer.predict_top(inputs, k)
    return found


def observe(kernels: str) -> Arrays:
    trainer = fresh_plain(kernels)
    return dict(calibrate(trainer.model, [inputs for inputs, _ in batches(2)]))


RUNS: dict[str, Callable[[str], Arrays]] = {
    **{f"option {name}": partial(follow_options, name) for name in OPTIONS},
    **{f"interrupted {name}": partial(interrupt, name) for name in RESUMED},
    **{f"in {name}": partial(narrow, name) for name in ("bfloat16", "float16")},
    "losses": tell_losses,
    "answers": answer,
    "calibration": observe,
}


def record(folder: str) -> None:
    """Do it all with plain kernels and keep what was found, one file each."""
    for name, run in RUNS.items():
        np.savez(Path(folder, f"{name}.npz"), allow_pickle=False, **run("plain"))


def go_on(kernels: str, state: str, end: str) -> None:
    """Resume from a file, as a process does that knows nothing else."""
    trainer = make_trainer(RESUMED["paper"], kernels, noisy=True)
    trainer.load_state(dict(np.load(state)))
    train(trainer, batches(STEPS)[3:])
    np.savez(end, allow_pickle=False, **trainer.state())


def environment(keras_backend: str) -> dict[str, str]:
    return {**os.environ, "KERAS_BACKEND": keras_backend, "JAX_PLATFORMS": "cpu"}


def elsewhere(call: str, *arguments: str) -> list[str]:
    """The command that calls a function of this file in a new process."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_backend; test_backend.{call}"
    return [sys.executable, "-c", f"{code}(*sys.argv[1:])", *arguments]


class Found:
    """What a backend did, by name of `RUNS`."""

    def __init__(self, name: str, of_run: Callable[[str], Arrays]) -> None:
        self.name = name
        self._of_run = cache(of_run)

    def __getitem__(self, run: str) -> Arrays:
        return self._of_run(run)

    @property
    def keras_backend(self) -> str:
        return "jax" if self.name == "jax" else "tensorflow"

    @property
    def kernels(self) -> str:
        return "cpu" if self.name == "cpu" else "plain"


@pytest.fixture(scope="module")
def on_jax(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Arrays] | None]:
    """What JAX did, in a process beside the tests of TensorFlow; None where no test asks for it, or it is not there."""
    wanted = any(item.path == request.path and "jax" in item.name for item in request.session.items)
    if not wanted or importlib.util.find_spec("jax") is None:
        yield None
        return
    folder = tmp_path_factory.mktemp("jax")
    command = elsewhere("record", str(folder))
    process = subprocess.Popen(command, env=environment("jax"), stderr=subprocess.PIPE, text=True)

    @cache
    def said() -> str:
        return process.communicate(timeout=280)[1]

    def found(name: str) -> Arrays:
        why = said()
        file = folder / f"{name}.npz"
        assert file.exists(), why
        return dict(np.load(file))

    try:
        yield found
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def plain(on_jax: Callable[[str], Arrays] | None) -> Found:
    """What TensorFlow did by itself, while JAX is at it."""
    return Found("plain", lambda name: RUNS[name]("plain"))


@pytest.fixture(scope="module", params=["plain", "cpu", pytest.param("jax", marks=pytest.mark.slow)])
def found(request: pytest.FixtureRequest, plain: Found, on_jax: Callable[[str], Arrays] | None) -> Found:
    """What each of the backends did."""
    if request.param == "plain":
        return plain
    if request.param == "cpu":
        return Found("cpu", lambda name: RUNS[name]("cpu"))
    if on_jax is None:
        pytest.skip("needs JAX")
    return Found("jax", on_jax)


# The same training in numpy, in float64.


class Reference:
    """Loss, gradients by hand, and TensorFlow 1's Adam."""

    def __init__(self, changes: Mapping[str, Any]) -> None:
        from gapsack.models.layers.base import initial_value

        self.recipe = recipe(**changes)
        self.weights = {tensor.name: initial_value(tensor, 5).astype(np.float64) for tensor in TENSORS}
        self.averages = {name: weight.copy() for name, weight in self.weights.items()}
        self.m = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        self.v = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        self.losses: list[float] = []
        self.first_gradients: dict[str, NDArray[np.float64]] = {}

    def probabilities(self, weights: Mapping[str, NDArray[Any]], inputs: Arrays) -> Any:
        hidden = np.maximum(inputs["values"].astype(np.float64) @ weights[HIDDEN] + weights[BIASES], 0)
        return hidden, 1 / (1 + np.exp(-hidden @ weights[OUT]))

    def step(self, inputs: Arrays, labels: NDArray[np.bool_]) -> None:
        loss, gradients = self._gradients(inputs, labels)
        self.losses.append(loss)
        gradients = self._clipped(gradients)
        self.first_gradients = self.first_gradients or gradients
        number, schedule = len(self.losses), self.recipe.pruning_schedule
        rate = self.recipe.learning_rate_at(number - 1)
        for name, gradient in gradients.items():
            weight = self.weights[name]
            if weight.ndim > 1:
                weight *= 1 - rate * self.recipe.weight_decay
            if schedule is not None and name != BIASES and number > 1:
                gradient[weight == 0] = 0
            self.m[name] = 0.9 * self.m[name] + 0.1 * gradient
            self.v[name] = 0.999 * self.v[name] + 0.001 * gradient**2
            corrected = rate * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
            weight -= corrected * self.m[name] / (np.sqrt(self.v[name]) + 1e-8)
            decay = self.recipe.ema_decay or 0.0
            self.averages[name] += (1 - decay) * (weight - self.averages[name])
            if schedule is not None and name != BIASES and schedule.is_due(number):
                smallest = np.argsort(np.abs(weight).ravel(), kind="stable")[: schedule.zeros_at(number, weight.size)]
                for values in (weight, self.m[name], self.averages[name]):
                    values.ravel()[smallest] = 0

    def _gradients(self, inputs: Arrays, labels: NDArray[np.bool_]) -> tuple[float, dict[str, NDArray[np.float64]]]:
        hidden, p = self.probabilities(self.weights, inputs)
        y = labels * (1 - self.recipe.label_smoothing) + self.recipe.label_smoothing / 2
        loss = -(y * np.log(p + 1e-5) + (1 - y) * np.log(1 - p + 1e-5)).sum() / len(labels)
        of_p = ((1 - y) / (1 - p + 1e-5) - y / (p + 1e-5)) / len(labels)
        of_out = of_p * p * (1 - p)
        of_hidden = (of_out @ self.weights[OUT].T) * (hidden > 0)
        penalty = self.recipe.l2 * self.weights[HIDDEN]
        gradients = {
            HIDDEN: inputs["values"].astype(np.float64).T @ of_hidden + penalty,
            BIASES: of_hidden.sum(0),
            OUT: hidden.T @ of_out,
        }
        return float(loss + (penalty * self.weights[HIDDEN]).sum() / 2), gradients

    def _clipped(self, gradients: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        norms = {name: float(np.linalg.norm(gradient)) for name, gradient in gradients.items()}
        if (most := self.recipe.clip_norm) is not None:
            assert min(norms.values()) < most < max(norms.values()) or self.losses[1:], "some are clipped, some not"
            return {name: gradient * (most / max(most, norms[name])) for name, gradient in gradients.items()}
        if (most := self.recipe.global_clip_norm) is not None:
            whole = sum(norm**2 for norm in norms.values()) ** 0.5
            return {name: gradient * (most / max(most, whole)) for name, gradient in gradients.items()}
        return gradients


@cache
def reference(option: str) -> Reference:
    made = Reference(OPTIONS[option])
    for inputs, labels in batches(STEPS):
        made.step(inputs, labels)
    return made


def assert_weights_agree(got: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    for tensor in TENSORS:
        apart = np.abs(got[tensor.name] - expected[tensor.name])
        assert apart.max() <= WEIGHT_TOLERANCE, tensor.name
        assert np.quantile(apart, 0.999) <= WEIGHT_TOLERANCE / 20, tensor.name


# The suite.


@pytest.mark.parametrize("option", OPTIONS)
def test_a_training_is_that_of_numpy(found: Found, option: str) -> None:
    run, expected = found[f"option {option}"], reference(option)
    assert_allclose(run["losses"], expected.losses, rtol=LOSS_TOLERANCE)
    for name, gradient in expected.first_gradients.items():
        got = 10.0 * run[f"first/adam_m/{name}"]  # of Adam's 1 - beta 1
        assert_allclose(got, gradient, rtol=0, atol=GRADIENT_TOLERANCE * np.abs(gradient).max(), err_msg=name)
    assert_weights_agree(under("trained", run), expected.weights)
    evaluated = expected.weights if expected.recipe.ema_decay is None else expected.averages
    assert_weights_agree(under("evaluated", run), evaluated)
    if expected.recipe.ema_decay is not None:
        assert_allclose(run["predicted"], expected.probabilities(evaluated, batches(1)[0][0])[1], atol=1e-3)


@pytest.mark.parametrize("option", OPTIONS)
def test_backends_agree(found: Found, plain: Found, option: str) -> None:
    run, other = found[f"option {option}"], plain[f"option {option}"]
    assert run.keys() == other.keys()
    assert_allclose(run["losses"], other["losses"], rtol=LOSS_TOLERANCE)
    for name in (name for name in other if name.startswith("first/adam_m/")):
        most = GRADIENT_TOLERANCE * np.abs(other[name]).max()
        assert_allclose(run[name], other[name], rtol=0, atol=most, err_msg=name)
    for kind in ("trained", "evaluated"):
        assert_weights_agree(under(kind, run), under(kind, other))


def test_each_step_lowers_the_loss_of_its_batch(found: Found) -> None:
    repeated = found["losses"]["repeated"]
    assert (np.diff(repeated) < 0).all(), repeated


@pytest.mark.parametrize("option", RESUMED)
def test_an_interrupted_training_ends_with_the_same_bits(found: Found, option: str) -> None:
    run = found[f"interrupted {option}"]
    assert_array_equal(run["again"], run["losses"][3:])
    ends = under("whole", run)
    assert ends["step"] == STEPS
    for name, values in ends.items():
        assert_array_equal(run[f"resumed/{name}"], values, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("found", ["cpu", "jax"], indirect=True)
def test_a_fresh_process_goes_on_with_the_same_bits(found: Found, tmp_path: Path) -> None:
    run = found["interrupted paper"]
    np.savez(tmp_path / "state.npz", allow_pickle=False, **under("state", run))
    command = elsewhere("go_on", found.kernels, str(tmp_path / "state.npz"), str(tmp_path / "end.npz"))
    done = subprocess.run(
        command, env=environment(found.keras_backend), capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    end = np.load(tmp_path / "end.npz")
    for name, values in under("whole", run).items():
        assert_array_equal(end[name], values, err_msg=name)


def test_parts_of_a_batch_move_the_statistics_once_each(found: Found) -> None:
    whole, parts = (under("state", found[f"interrupted {name}"])[MEAN] for name in ("paper", "options"))
    # Three steps from 0, of one part and of two: the same batches, so nearly the same means, counted as often.
    moved = np.linalg.norm(parts) / np.linalg.norm(whole)
    assert moved == pytest.approx(2, rel=0.05)


def test_pruned_weights_are_as_many_as_asked_for_and_stay_zero(found: Found) -> None:
    for run, kind in (("option pruning", "trained"), ("interrupted options", "whole/weights")):
        weights = under(kind, found[run])
        for tensor in TENSORS:
            zeros = tensor.count * 75 // 100 if tensor.large else 0
            assert np.count_nonzero(weights[tensor.name] == 0) == zeros, (run, tensor.name)


@pytest.mark.parametrize("compute", ["bfloat16", "float16"])
def test_narrow_products_stay_near_and_weights_stay_float32(found: Found, compute: str) -> None:
    run, exact = found[f"in {compute}"], found["option plain"]
    assert_allclose(run["losses"], exact["losses"], rtol=NARROW_TOLERANCE)
    assert np.abs(run["losses"] / exact["losses"] - 1).max() > 1e-6, "it did compute in the narrow type"
    assert {values.dtype for values in under("weights", run).values()} == {np.dtype(np.float32)}


def test_an_overflow_skips_the_step_and_halves_the_loss_scale(found: Found) -> None:
    start, after, steady = (under(name, found["in float16"]) for name in ("start", "overflowed", "steady"))
    assert [after[name] for name in ("loss_scale", "updates", "step")] == [2.0**125, 0, 1]
    for tensor in TENSORS:
        assert_array_equal(after[f"weights/{tensor.name}"], start[f"weights/{tensor.name}"])
    assert [steady[name] for name in ("loss_scale", "steady_updates", "updates")] == [8, 0, 1]


def test_the_loss_is_the_mean_since_it_was_taken(found: Found) -> None:
    run = found["losses"]
    assert_allclose(run["together"][0], run["single"].mean(), rtol=1e-6)
    assert np.isnan(run["together"][1])
    assert str(run["error"]).endswith("got nan at step 1")


def test_predictions_are_the_models_own_in_batches_of_any_size(found: Found) -> None:
    run = found["answers"]
    for rows in (9, 4, 1):
        assert run[f"rows/{rows}"].shape == (rows, CLASSES)
        assert_allclose(run[f"rows/{rows}"], run["own"][:rows], atol=1e-6)


@pytest.mark.parametrize("k", [3, 50])
def test_lists_are_sorted_with_ties_by_class(found: Found, k: int) -> None:
    run = found["answers"]
    classes, scores = run[f"classes/{k}"], run[f"scores/{k}"]
    assert classes.dtype == np.int32
    assert_array_equal(classes, [[2, 7, 0, 1, 3, 4, 5, 6, 8, 9, 10, 11][:k]] * 9)
    assert_array_equal(scores, np.take_along_axis(run["all"], classes, axis=1))


def test_what_matrices_are_multiplied_by_is_seen(found: Found) -> None:
    run = found["calibration"]
    assert set(run) == {HIDDEN, OUT}
    values = np.concatenate([inputs["values"] for inputs, _ in batches(2)])
    assert_allclose(run[HIDDEN], group_moments(values) / len(values), rtol=1e-4, atol=1e-5)
    hidden, _ = Reference({}).probabilities(Reference({}).weights, {"values": values})
    assert_allclose(run[OUT], group_moments(hidden.astype(np.float32)) / len(values), rtol=1e-3, atol=1e-4)


def test_kernels_that_cannot_run_are_refused_and_those_that_run_are_told(found: Found) -> None:
    if found.name == "jax":
        from gapsack.models.training.backends.jax import JaxBackend
        from gapsack.selection.errors import InputError

        with pytest.raises(InputError, match="auto or plain with the Keras backend jax, got cpu"):
            JaxBackend(recipe(kernels="cpu"))
    else:
        assert plain_trainer(found.kernels)[0].kernels == found.kernels
